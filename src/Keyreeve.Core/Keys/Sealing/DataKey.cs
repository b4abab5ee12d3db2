using System.Buffers;
using System.Security.Cryptography;
using System.Text;

namespace Keyreeve.Core.Keys;

/// <summary>
/// Sealing by a key that seals one value and lies, wrapped, beside it.
/// <code>
///  sealed := version(1) | nonce(12) | ciphertext | tag(16)       AES-256-GCM
///  AAD    := version | purpose (UTF-8)
/// </code>
/// </summary>
public static class DataKey
{
    /// <summary>Octets of the key.</summary>
    public const int KeySize = 32;

    private const byte FormatVersion = 1;
    private const int NonceSize = 12;
    private const int TagSize = 16;

    /// <summary>Octets that sealing adds.</summary>
    public const int Overhead = 1 + NonceSize + TagSize;

    /// <summary>Seals for one purpose.</summary>
    public static byte[] Seal(ReadOnlySpan<byte> key, string purpose, ReadOnlySpan<byte> plain) => Seal(key, Encoding.UTF8.GetBytes(purpose), plain, FreshOctets.OneByOne);

    /// <summary>The same for a purpose in UTF-8, with a nonce out of what was drawn for many.</summary>
    public static byte[] Seal(ReadOnlySpan<byte> key, ReadOnlySpan<byte> purpose, ReadOnlySpan<byte> plain, FreshOctets fresh)
    {
        var output = new byte[Overhead + plain.Length];
        output[0] = FormatVersion;
        var nonce = output.AsSpan(1, NonceSize);
        fresh.Fill(nonce);
        using var aes = new AesGcm(key, TagSize);
        var associated = ArrayPool<byte>.Shared.Rent(1 + purpose.Length);
        associated[0] = FormatVersion;
        purpose.CopyTo(associated.AsSpan(1));
        aes.Encrypt(nonce, plain, output.AsSpan(1 + NonceSize, plain.Length), output.AsSpan(output.Length - TagSize), associated.AsSpan(0, 1 + purpose.Length));
        ArrayPool<byte>.Shared.Return(associated);
        return output;
    }

    /// <summary>Opens what was sealed for the same purpose by this key; null for anything else.</summary>
    public static byte[]? Open(ReadOnlySpan<byte> key, string purpose, ReadOnlySpan<byte> sealedValue) => Open(key, Encoding.UTF8.GetBytes(purpose), sealedValue);

    /// <summary>The same for a purpose in UTF-8.</summary>
    public static byte[]? Open(ReadOnlySpan<byte> key, ReadOnlySpan<byte> purpose, ReadOnlySpan<byte> sealedValue)
    {
        if (sealedValue.Length < Overhead || sealedValue[0] != FormatVersion)
            return null;
        var opened = new byte[sealedValue.Length - Overhead];
        using var aes = new AesGcm(key, TagSize);
        var associated = ArrayPool<byte>.Shared.Rent(1 + purpose.Length);
        associated[0] = FormatVersion;
        purpose.CopyTo(associated.AsSpan(1));
        try
        {
            aes.Decrypt(sealedValue.Slice(1, NonceSize), sealedValue.Slice(1 + NonceSize, opened.Length), sealedValue[^TagSize..], opened, associated.AsSpan(0, 1 + purpose.Length));
            return opened;
        }
        catch (AuthenticationTagMismatchException)
        {
            return null;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(associated);
        }
    }
}
