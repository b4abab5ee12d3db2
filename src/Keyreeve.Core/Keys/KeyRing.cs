using System.Buffers;
using System.Collections.Frozen;
using System.Security.Cryptography;
using System.Text.Json;
using Keyreeve.Wire.Jose;

namespace Keyreeve.Core.Keys;

/// <summary>The signing keys at one moment, immutable; swapped whole when they change.</summary>
public sealed class KeyRing
{
    private readonly SigningKey[] _keys;
    private readonly FrozenDictionary<string, JwsKey> _verifying;

    /// <summary>Builds the ring and its JWKS document from keys that are neither expired nor revoked.</summary>
    public KeyRing(IEnumerable<SigningKey> keys)
    {
        _keys = [.. keys.OrderBy(k => k.Row.ActivatesAt).ThenBy(k => k.KeyId, StringComparer.Ordinal)];
        _verifying = _keys.ToFrozenDictionary(k => k.KeyId, VerifyingKey, StringComparer.Ordinal);
        Document = WriteDocument(_keys);
        ETag = "\"" + Convert.ToHexStringLower(SHA256.HashData(Document)[..8]) + "\"";
    }

    /// <summary>All keys, in the order of their activation.</summary>
    public IReadOnlyList<SigningKey> Keys => _keys;

    /// <summary>The JWKS document (RFC 7517 section 5): public halves only.</summary>
    public byte[] Document { get; }

    /// <summary>Changes with the document.</summary>
    public string ETag { get; }

    /// <summary>
    /// The key that signs now: the one activated last. When a clock was set back behind the time of all of them, the first to come:
    /// it is published, and a server that cannot sign serves nobody.
    /// </summary>
    public SigningKey? Current(JwsAlgorithm algorithm, DateTimeOffset now)
    {
        var seconds = now.ToUnixTimeSeconds();
        for (var i = _keys.Length - 1; i >= 0; i--)
            if (_keys[i].Algorithm == algorithm && _keys[i].Row.ActivatesAt <= seconds)
                return _keys[i];
        return Array.Find(_keys, k => k.Algorithm == algorithm);
    }

    /// <summary>The key a kid names, within this issuer's set only; a kid is opaque, never a path or URL.</summary>
    public JwsKey? Verifying(string? kid) => kid is not null && _verifying.TryGetValue(kid, out var key) ? key : null;

    private static JwsKey VerifyingKey(SigningKey key) =>
        JwsKey.TryFromJwk(key.PublicKey, out var verifying, out var error)
            ? verifying
            : throw new InvalidOperationException($"our own public key does not verify: {error}");

    private static byte[] WriteDocument(IEnumerable<SigningKey> keys)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteStartArray("keys");
            foreach (var key in keys)
                key.PublicKey.WritePublic(json);
            json.WriteEndArray();
            json.WriteEndObject();
        }
        return buffer.WrittenSpan.ToArray();
    }
}
