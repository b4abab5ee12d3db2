using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;
using Keyreeve.Wire.Jose;

namespace Keyreeve.Core.Tokens;

/// <summary>
/// A token that means something only to us: 256 random bits, stored as its SHA-256. Looked up by the hash, or by a public part and
/// compared by the hash (refresh token). An authorization code has 224 random bits behind the second of its making, and is looked up
/// by both (<see cref="Key"/>). Prints as a prefix of the hash, never as itself.
/// </summary>
public sealed class OpaqueToken
{
    private readonly byte[] _octets;

    private OpaqueToken(byte[] octets) => _octets = octets;

    /// <summary>SHA-256 of the octets.</summary>
    public byte[] Hash => SHA256.HashData(_octets);

    /// <summary>
    /// What a code is found by: the time it begins with, as it is, and then the hash of all of it; so rows lie in the order of their time.
    /// </summary>
    public byte[] Key => [.. _octets.AsSpan(0, TimedRandom.TimeOctets), .. Hash];

    /// <summary>Makes one.</summary>
    public static OpaqueToken Generate() => new(RandomNumberGenerator.GetBytes(32));

    /// <summary>Makes one that begins with its time; 224 bits are random.</summary>
    public static OpaqueToken GenerateAt(DateTimeOffset now) => new(TimedRandom.Octets(32, now));

    /// <summary>Reads one as presented; strict base64url of 32 octets.</summary>
    public static bool TryRead(ReadOnlySpan<char> text, [NotNullWhen(true)] out OpaqueToken? token)
    {
        token = null;
        if (text.Length != 43 || !Base64UrlStrict.TryDecode(text, out var octets) || octets.Length != 32)
            return false;
        token = new(octets);
        return true;
    }

    /// <summary>The text for the wire. The only way out.</summary>
    public string Reveal() => Base64Url.EncodeToString(_octets);

    /// <summary>True when this token has the hash; in fixed time.</summary>
    public bool Has(ReadOnlySpan<byte> hash) => CryptographicOperations.FixedTimeEquals(Hash, hash);

    /// <summary>
    /// A key that only the holder of this token can derive, so that what is sealed by it (the successor of a refresh token)
    /// is of no use to a reader of the database.
    /// </summary>
    public byte[] DeriveKey(string label) => HKDF.DeriveKey(HashAlgorithmName.SHA256, _octets, 32, salt: null, info: Encoding.ASCII.GetBytes(label));

    /// <inheritdoc />
    public override string ToString() => "token " + Convert.ToHexStringLower(Hash.AsSpan(0, 4));
}
