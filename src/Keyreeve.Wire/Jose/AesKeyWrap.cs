using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Keyreeve.Wire.Jose;

/// <summary>
/// AES Key Wrap. (The base library has RFC 5649, the padded kind, whose values begin otherwise.)
/// <code>
///  wrapped := A(8) | R[1](8) | ... | R[n](8)        key = n blocks of 8 bytes, n >= 2
/// </code>
/// </summary>
[Spec("RFC 3394", "2.2")]
public static class AesKeyWrap
{
    /// <summary>Bytes by which a wrapped key is longer.</summary>
    public const int Overhead = 8;

    /// <summary>The default initial value (2.2.3.1).</summary>
    private const ulong InitialValue = 0xA6A6A6A6A6A6A6A6;

    /// <summary>Wraps <paramref name="key"/> (16, 24 or 32 bytes) under <paramref name="wrappingKey"/> (the same lengths).</summary>
    /// <exception cref="ArgumentException">Another length.</exception>
    [Spec("RFC 3394", "2.2.1")]
    public static byte[] Wrap(ReadOnlySpan<byte> wrappingKey, ReadOnlySpan<byte> key)
    {
        if (key.Length is not (16 or 24 or 32))
        {
            throw new ArgumentException("A key to wrap has 16, 24 or 32 bytes.", nameof(key));
        }

        byte[] output = new byte[key.Length + Overhead];
        Span<byte> registers = output.AsSpan(Overhead);
        key.CopyTo(registers);
        ulong a = InitialValue;
        Span<byte> block = stackalloc byte[16];
        using Aes aes = Keyed(wrappingKey);
        int n = key.Length / 8;
        for (int j = 0; j < 6; j++)
        {
            for (int i = 1; i <= n; i++)
            {
                Span<byte> register = registers.Slice((i - 1) * 8, 8);
                BinaryPrimitives.WriteUInt64BigEndian(block, a);
                register.CopyTo(block[8..]);
                _ = aes.EncryptEcb(block, block, PaddingMode.None);
                a = BinaryPrimitives.ReadUInt64BigEndian(block) ^ (ulong)((n * j) + i);
                block[8..].CopyTo(register);
            }
        }

        BinaryPrimitives.WriteUInt64BigEndian(output, a);
        CryptographicOperations.ZeroMemory(block);
        return output;
    }

    /// <summary>
    /// Unwraps; false if the value has an impossible length or was not wrapped under this key. The caller clears the key.
    /// </summary>
    [Spec("RFC 3394", "2.2.2")]
    public static bool TryUnwrap(ReadOnlySpan<byte> wrappingKey, ReadOnlySpan<byte> wrapped, out byte[] key)
    {
        key = [];
        if (wrapped.Length is not (24 or 32 or 40))
        {
            return false;
        }

        byte[] registers = wrapped[Overhead..].ToArray();
        ulong a = BinaryPrimitives.ReadUInt64BigEndian(wrapped);
        Span<byte> block = stackalloc byte[16];
        using Aes aes = Keyed(wrappingKey);
        int n = registers.Length / 8;
        for (int j = 5; j >= 0; j--)
        {
            for (int i = n; i >= 1; i--)
            {
                Span<byte> register = registers.AsSpan((i - 1) * 8, 8);
                BinaryPrimitives.WriteUInt64BigEndian(block, a ^ (ulong)((n * j) + i));
                register.CopyTo(block[8..]);
                _ = aes.DecryptEcb(block, block, PaddingMode.None);
                a = BinaryPrimitives.ReadUInt64BigEndian(block);
                block[8..].CopyTo(register);
            }
        }

        CryptographicOperations.ZeroMemory(block);
        // "If A is an appropriate initial value": one comparison of 64 bits, of which an attacker learns no more than yes or no.
        if (a != InitialValue)
        {
            CryptographicOperations.ZeroMemory(registers);
            return false;
        }

        key = registers;
        return true;
    }

    private static Aes Keyed(ReadOnlySpan<byte> wrappingKey)
    {
        Aes aes = Aes.Create();
        aes.SetKey(wrappingKey);
        return aes;
    }
}
