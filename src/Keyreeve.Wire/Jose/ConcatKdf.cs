using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Keyreeve.Wire.Jose;

/// <summary>
/// The Concat KDF of NIST SP 800-56A with SHA-256, as ECDH-ES uses it. No key here is longer than the hash, so there is one round.
/// <code>
///  hashed := round(4) = 1 | Z | len(4) | AlgorithmID | len(4) | PartyUInfo | len(4) | PartyVInfo | SuppPubInfo(4) = bits of the key
/// </code>
/// </summary>
[Spec("RFC 7518", "4.6.2")]
public static class ConcatKdf
{
    /// <summary>A key of <paramref name="size"/> bytes (at most 32). The name is of <c>enc</c> for ECDH-ES alone, else of <c>alg</c>.</summary>
    public static byte[] Derive(ReadOnlySpan<byte> z, string algorithmId, ReadOnlySpan<byte> partyU, ReadOnlySpan<byte> partyV, int size)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(size, SHA256.HashSizeInBytes);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Append(hash, 1);
        hash.AppendData(z);
        AppendPart(hash, Encoding.ASCII.GetBytes(algorithmId));
        AppendPart(hash, partyU);
        AppendPart(hash, partyV);
        Append(hash, size * 8);
        Span<byte> whole = stackalloc byte[SHA256.HashSizeInBytes];
        _ = hash.GetHashAndReset(whole);
        byte[] key = whole[..size].ToArray();
        CryptographicOperations.ZeroMemory(whole);
        return key;
    }

    private static void AppendPart(IncrementalHash hash, ReadOnlySpan<byte> part)
    {
        Append(hash, part.Length);
        hash.AppendData(part);
    }

    private static void Append(IncrementalHash hash, int number)
    {
        Span<byte> octets = stackalloc byte[4];
        BinaryPrimitives.WriteInt32BigEndian(octets, number);
        hash.AppendData(octets);
    }
}
