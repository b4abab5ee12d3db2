using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;

namespace Keyreeve.Core.Keys;

/// <summary>
/// One key-encryption key: it seals what the store holds in private, and is never in the store itself.
/// <code>
///  sealed := version(1) | kek id(8) | nonce(12) | ciphertext | tag(16)       AES-256-GCM
///  AAD    := version | kek id | purpose (UTF-8)
/// </code>
/// The purpose names table and row, so that a sealed value moved to another row does not open. Safe to use by many threads.
/// </summary>
public sealed class SealingKey : IDisposable
{
    /// <summary>Octets of the key.</summary>
    public const int KeySize = 32;

    private const byte FormatVersion = 1;
    private const int HeadSize = 1 + 8;
    private const int NonceSize = 12;
    private const int TagSize = 16;
    private const int Overhead = HeadSize + NonceSize + TagSize;

    // One AesGcm is one cipher context: two threads in it at once give ciphertext that never opens again, and worse.
    private readonly Lock _oneAtATime = new();
    private readonly AesGcm _aes;
    private readonly byte[] _id;
    private bool _gone;

    private SealingKey(ReadOnlySpan<byte> key)
    {
        _aes = new AesGcm(key, TagSize);
        Span<byte> labelled = stackalloc byte[KeySize + 15];
        "keyreeve kek id"u8.CopyTo(labelled);
        key.CopyTo(labelled[15..]);
        _id = SHA256.HashData(labelled)[..8];
        CryptographicOperations.ZeroMemory(labelled);
    }

    /// <summary>Names the key without telling it; a restore says which KEK it needs by this.</summary>
    public string Id => Convert.ToHexStringLower(_id);

    /// <summary>Takes the key; the caller zeroes its copy.</summary>
    public static SealingKey FromBytes(ReadOnlySpan<byte> key)
    {
        if (key.Length != KeySize)
            throw new ArgumentException("a KEK has 32 octets", nameof(key));
        return new(key);
    }

    /// <summary>Seals for one purpose. The nonce is random: one key is good for 2^32 seals (NIST SP 800-38D 8.3).</summary>
    public byte[] Seal(string purpose, ReadOnlySpan<byte> plaintext) => Seal(Encoding.UTF8.GetBytes(purpose), plaintext, FreshOctets.OneByOne);

    /// <summary>The same for a purpose in UTF-8, with a nonce out of what was drawn for many.</summary>
    public byte[] Seal(ReadOnlySpan<byte> purpose, ReadOnlySpan<byte> plaintext, FreshOctets fresh)
    {
        var output = new byte[HeadSize + NonceSize + plaintext.Length + TagSize];
        output[0] = FormatVersion;
        _id.CopyTo(output, 1);
        var nonce = output.AsSpan(HeadSize, NonceSize);
        fresh.Fill(nonce);
        var associated = ArrayPool<byte>.Shared.Rent(HeadSize + purpose.Length);
        output.AsSpan(0, HeadSize).CopyTo(associated);
        purpose.CopyTo(associated.AsSpan(HeadSize));
        lock (_oneAtATime)
            _aes.Encrypt(nonce, plaintext, output.AsSpan(HeadSize + NonceSize, plaintext.Length), output.AsSpan(output.Length - TagSize), associated.AsSpan(0, HeadSize + purpose.Length));
        ArrayPool<byte>.Shared.Return(associated);
        return output;
    }

    /// <summary>Opens what was sealed for the same purpose by this key; false for anything else.</summary>
    public bool TryOpen(string purpose, ReadOnlySpan<byte> sealedValue, [NotNullWhen(true)] out byte[]? plaintext)
    {
        plaintext = null;
        var length = sealedValue.Length - Overhead;
        if (length < 0 || !IsOurs(sealedValue))
            return false;
        var opened = new byte[length];
        if (!TryOpenTo(purpose, sealedValue, opened))
            return false;
        plaintext = opened;
        return true;
    }

    /// <summary>The same into octets of the caller's, for a value of exactly their length.</summary>
    public bool TryOpenTo(string purpose, ReadOnlySpan<byte> sealedValue, Span<byte> plaintext) => TryOpenTo(Encoding.UTF8.GetBytes(purpose), sealedValue, plaintext);

    /// <summary>The same for a purpose in UTF-8.</summary>
    public bool TryOpenTo(ReadOnlySpan<byte> purpose, ReadOnlySpan<byte> sealedValue, Span<byte> plaintext)
    {
        if (sealedValue.Length != Overhead + plaintext.Length || !IsOurs(sealedValue))
            return false;
        var associated = ArrayPool<byte>.Shared.Rent(HeadSize + purpose.Length);
        sealedValue[..HeadSize].CopyTo(associated);
        purpose.CopyTo(associated.AsSpan(HeadSize));
        try
        {
            lock (_oneAtATime)
            {
                // Taken out of use while somebody still held it: it opens nothing any more.
                if (_gone)
                    return false;
                _aes.Decrypt(sealedValue.Slice(HeadSize, NonceSize), sealedValue.Slice(HeadSize + NonceSize, plaintext.Length), sealedValue[^TagSize..], plaintext, associated.AsSpan(0, HeadSize + purpose.Length));
            }
            return true;
        }
        catch (AuthenticationTagMismatchException)
        {
            return false;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(associated);
        }
    }

    /// <summary>The id in a sealed value's head, to say which KEK it needs.</summary>
    public static string? IdOf(ReadOnlySpan<byte> sealedValue) =>
        sealedValue.Length >= HeadSize && sealedValue[0] == FormatVersion ? Convert.ToHexStringLower(sealedValue.Slice(1, 8)) : null;

    /// <inheritdoc />
    public void Dispose()
    {
        lock (_oneAtATime)
        {
            _gone = true;
            _aes.Dispose();
        }
    }

    /// <inheritdoc />
    public override string ToString() => $"Kek {Id}";

    private bool IsOurs(ReadOnlySpan<byte> sealedValue) => sealedValue[0] == FormatVersion && sealedValue.Slice(1, 8).SequenceEqual(_id);
}
