using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Keyreeve.Wire.Jose;

/// <summary>
/// A JSON Web Key whose shape was checked: lengths, encodings and sizes are right (whether an EC point lies on its curve is found
/// by <see cref="JwsKey.TryFromJwk"/>). Numbers are kept in their one base64url spelling. A secret (<see cref="K"/>) is never
/// printed and never written; private EC and RSA keys are not this type but <see cref="ClientSigningKey"/>.
/// </summary>
[Spec("RFC 7517", "4")]
public sealed partial record JsonWebKey
{
    private JsonWebKey(string kty) => Kty = kty;

    /// <summary>"EC", "RSA" or "oct".</summary>
    public string Kty { get; }

    /// <summary>"P-256" or "P-384" for EC.</summary>
    public string? Crv { get; private init; }

    /// <summary>The x coordinate of an EC key, as long as the field.</summary>
    public string? X { get; private init; }

    /// <summary>The y coordinate of an EC key, as long as the field.</summary>
    public string? Y { get; private init; }

    /// <summary>The modulus of an RSA key, without leading zeros.</summary>
    public string? N { get; private init; }

    /// <summary>The public exponent of an RSA key, odd, 3..2^32-1.</summary>
    public string? E { get; private init; }

    /// <summary>The secret of an oct key. Only <see cref="TryReadSecret"/> makes a key that has one.</summary>
    public string? K { get; private init; }

    /// <summary><c>kid</c>: opaque.</summary>
    public string? Kid { get; private init; }

    /// <summary><c>use</c> as written.</summary>
    public string? Use { get; private init; }

    /// <summary><c>alg</c> as written; null for a key that does not say.</summary>
    public string? Alg { get; private init; }

    /// <summary><c>key_ops</c> as written, distinct; empty if absent.</summary>
    public IReadOnlyList<string> KeyOps { get; private init; } = [];

    /// <summary><c>x5c</c>: certificates in plain base64 DER, the key's own first; empty if absent. Not looked into here.</summary>
    public IReadOnlyList<string> X5c { get; private init; } = [];

    /// <summary>
    /// Reads a public key. Any private or secret member (<c>d</c>, <c>p</c>, ... <c>k</c>) is refused with
    /// <see cref="JoseError.PrivateKeyNotAllowed"/>: whoever sent it has just published it.
    /// </summary>
    public static bool TryRead(ReadOnlySpan<byte> json, [NotNullWhen(true)] out JsonWebKey? key, out JoseError error)
    {
        key = null;
        if (json.Length > JoseLimits.MaxKeyLength)
        {
            error = JoseError.TooLarge;
            return false;
        }

        if (!StrictJson.TryParseObject(json.ToArray(), JoseLimits.MaxKeyLength, out JsonDocument? document, out error))
        {
            return false;
        }

        using (document)
        {
            return TryRead(document.RootElement, out key, out error);
        }
    }

    /// <summary>As above, for a key inside a larger value.</summary>
    public static bool TryRead(JsonElement json, [NotNullWhen(true)] out JsonWebKey? key, out JoseError error)
    {
        key = null;
        error = JwkMembers.Collect(json, out JwkMembers members);
        if (error == JoseError.None && members.HasPrivate)
        {
            error = JoseError.PrivateKeyNotAllowed;
        }

        if (error == JoseError.None)
        {
            error = FromPublicMembers(members, out key);
        }

        return error == JoseError.None;
    }

    /// <summary>Reads an <c>oct</c> key that we are meant to hold. Never for keys that a peer registers as public.</summary>
    [Spec("RFC 7518", "6.4")]
    public static bool TryReadSecret(ReadOnlySpan<byte> json, [NotNullWhen(true)] out JsonWebKey? key, out JoseError error)
    {
        error = JwkMembers.ReadSecret(json, FromSecretMembers, out key);
        return error == JoseError.None;
    }

    /// <summary>The same key under another <c>kid</c>.</summary>
    public JsonWebKey WithKid(string? kid) => this with { Kid = kid };

    /// <summary>
    /// Writes the key as one JSON object, public members only.
    /// </summary>
    /// <exception cref="InvalidOperationException">The key is a secret and has no public members.</exception>
    public void WritePublic(Utf8JsonWriter writer)
    {
        if (Kty == "oct")
        {
            throw new InvalidOperationException("A secret key has nothing to publish.");
        }

        writer.WriteStartObject();
        WriteIfPresent(writer, "kty", Kty);
        WriteIfPresent(writer, "kid", Kid);
        WriteIfPresent(writer, "use", Use);
        WriteIfPresent(writer, "alg", Alg);
        WriteIfPresent(writer, "crv", Crv);
        WriteIfPresent(writer, "x", X);
        WriteIfPresent(writer, "y", Y);
        WriteIfPresent(writer, "n", N);
        WriteIfPresent(writer, "e", E);
        WriteIfPresent(writer, "key_ops", KeyOps);
        WriteIfPresent(writer, "x5c", X5c);
        writer.WriteEndObject();
    }

    /// <summary>The SHA-256 thumbprint in base64url: the required members alone, in the order of their names.</summary>
    [Spec("RFC 7638", "3")]
    public string Thumbprint()
    {
        // Every value is base64url or a curve name, so that none needs escaping.
        string members = Kty switch
        {
            "EC" => $$"""{"crv":"{{Crv}}","kty":"EC","x":"{{X}}","y":"{{Y}}"}""",
            "RSA" => $$"""{"e":"{{E}}","kty":"RSA","n":"{{N}}"}""",
            _ => $$"""{"k":"{{K}}","kty":"oct"}""",
        };
        return Base64UrlStrict.Encode(SHA256.HashData(Encoding.UTF8.GetBytes(members)));
    }

    /// <summary>Two keys are equal if all their members are.</summary>
    public bool Equals(JsonWebKey? other) =>
        other is not null
        && (Kty, Crv, X, Y, N, E) == (other.Kty, other.Crv, other.X, other.Y, other.N, other.E)
        && (Kid, Use, Alg) == (other.Kid, other.Use, other.Alg)
        && SameSecret(K, other.K)
        && KeyOps.SequenceEqual(other.KeyOps, StringComparer.Ordinal)
        && X5c.SequenceEqual(other.X5c, StringComparer.Ordinal);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Kty, X, N, Kid);

    /// <summary>Type and <c>kid</c>; never a secret.</summary>
    public override string ToString() => $"JsonWebKey {{ Kty = {Kty}, Crv = {Crv}, Kid = {Kid}, Alg = {Alg} }}";

    private static bool SameSecret(string? left, string? right) =>
        left is null || right is null
            ? left is null && right is null
            : CryptographicOperations.FixedTimeEquals(Encoding.ASCII.GetBytes(left), Encoding.ASCII.GetBytes(right));

    private static void WriteIfPresent(Utf8JsonWriter writer, string name, string? value)
    {
        if (value is not null)
        {
            writer.WriteString(name, value);
        }
    }

    private static void WriteIfPresent(Utf8JsonWriter writer, string name, IReadOnlyList<string> values)
    {
        if (values.Count == 0)
        {
            return;
        }

        writer.WriteStartArray(name);
        foreach (string value in values)
        {
            writer.WriteStringValue(value);
        }

        writer.WriteEndArray();
    }
}
