using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;

namespace Keyreeve.Core.Keys;

/// <summary>Makes the key that seals a root out of what an operator has: the text of a key file, or a passphrase.</summary>
public static class UnsealKey
{
    /// <summary>Iterations of PBKDF2 for a new passphrase: OWASP's figure is 210,000 for SHA-512; one unseal a day bears more.</summary>
    public const int Iterations = 1_000_000;

    /// <summary>Fewer are not read: whoever can write the row could else make guessing cheap for the next seal.</summary>
    public const int LeastIterations = 600_000;

    /// <summary>More are not read: a row must not keep the server busy for an hour.</summary>
    public const int MostIterations = 20_000_000;

    /// <summary>Characters of a passphrase at least. Our choice: six words of a list, or a sentence.</summary>
    public const int LeastPassphrase = 16;

    /// <summary>Octets of salt.</summary>
    public const int SaltSize = 16;

    /// <summary>The key of a file's text, 32 octets in base64url; null when it is none.</summary>
    public static SealingKey? OfFile(string text)
    {
        var trimmed = text.Trim();
        Span<byte> octets = stackalloc byte[SealingKey.KeySize];
        try
        {
            return trimmed.Length == Base64Url.GetEncodedLength(SealingKey.KeySize) && Base64Url.IsValid(trimmed)
                && Base64Url.TryDecodeFromChars(trimmed, octets, out var written) && written == SealingKey.KeySize ? SealingKey.FromBytes(octets) : null;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(octets);
        }
    }

    /// <summary>The text of a new key file.</summary>
    public static string NewFile()
    {
        using var octets = PinnedSecret.Random(SealingKey.KeySize);
        return Base64Url.EncodeToString(octets.Span);
    }

    /// <summary>
    /// PBKDF2-HMAC-SHA-512 (RFC 8018 5.2) of the passphrase in UTF-8, as it was typed. It is not normalized: the runtime does so or not, as the host has it,
    /// and a passphrase that opens on one host alone is lost.
    /// </summary>
    public static SealingKey OfPassphrase(string passphrase, ReadOnlySpan<byte> salt, int iterations)
    {
        var octets = Encoding.UTF8.GetBytes(passphrase);
        using var key = new PinnedSecret(SealingKey.KeySize);
        try
        {
            Rfc2898DeriveBytes.Pbkdf2(octets, salt, key.Span, iterations, HashAlgorithmName.SHA512);
            return SealingKey.FromBytes(key.Span);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(octets);
        }
    }
}
