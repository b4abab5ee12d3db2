using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Keyreeve.Client;

/// <summary>Ordinal equality in a time that depends on the lengths alone: for state, nonce and tokens.</summary>
internal static class SameText
{
    internal static bool Is(string? one, string? other) =>
        one is not null && other is not null
        && CryptographicOperations.FixedTimeEquals(MemoryMarshal.AsBytes(one.AsSpan()), MemoryMarshal.AsBytes(other.AsSpan()));
}
