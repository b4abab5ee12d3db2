using System.Buffers;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;

namespace Keyreeve.Core.Tokens;

/// <summary>
/// SHA-256 of a token: by it a checked token is remembered, so that no cache holds what could be used again. Its first octets
/// spread well enough: nobody chooses them.
/// </summary>
public readonly record struct TokenHash(long A, long B, long C, long D)
{
    /// <summary>The hash of a token's UTF-8.</summary>
    public static TokenHash Of(ReadOnlySpan<char> token)
    {
        var octets = ArrayPool<byte>.Shared.Rent(Encoding.UTF8.GetMaxByteCount(token.Length));
        Span<byte> hash = stackalloc byte[32];
        SHA256.HashData(octets.AsSpan(0, Encoding.UTF8.GetBytes(token, octets)), hash);
        ArrayPool<byte>.Shared.Return(octets, clearArray: true);
        return MemoryMarshal.Read<TokenHash>(hash);
    }

    /// <inheritdoc />
    public override int GetHashCode() => A.GetHashCode();
}
