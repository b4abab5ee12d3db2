using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;
using Keyreeve.Wire.Jose;

namespace Keyreeve.Core.Keys;

/// <summary>
/// The key-encryption key: everything private that the store holds is sealed by it, and it is never in the store.
/// <code>
///  sealed := version(1) | kek id(8) | nonce(12) | ciphertext | tag(16)       AES-256-GCM
///  AAD    := version | kek id | purpose (UTF-8)
/// </code>
/// The purpose names table and row, so that a sealed value moved to another row does not open. Safe to use from several threads:
/// one AesGcm is not (two at once would mix nonce, data and tag), so each use has one to itself.
/// </summary>
public sealed class Kek : IDisposable
{
    /// <summary>Octets of the key.</summary>
    public const int KeySize = 32;

    private const byte FormatVersion = 1;
    private const int HeadSize = 1 + 8;
    private const int NonceSize = 12;
    private const int TagSize = 16;

    private readonly ProviderPool<AesGcm> _providers;
    private readonly byte[] _key;
    private readonly byte[] _id;
    private bool _disposed;

    private Kek(ReadOnlySpan<byte> key)
    {
        _key = key.ToArray();
        _providers = new(NewProvider);
        Span<byte> labelled = stackalloc byte[KeySize + 15];
        "keyreeve kek id"u8.CopyTo(labelled);
        key.CopyTo(labelled[15..]);
        _id = SHA256.HashData(labelled)[..8];
        CryptographicOperations.ZeroMemory(labelled);
    }

    /// <summary>Names the key without telling it; a restore says which KEK it needs by this.</summary>
    public string Id => Convert.ToHexStringLower(_id);

    /// <summary>Takes the key; the caller zeroes its copy.</summary>
    public static Kek FromBytes(ReadOnlySpan<byte> key)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(key.Length, KeySize);
        return new(key);
    }

    /// <summary>Seals for one purpose. The nonce is random: one KEK is good for 2^32 seals.</summary>
    public byte[] Seal(string purpose, ReadOnlySpan<byte> plaintext)
    {
        var output = new byte[HeadSize + NonceSize + plaintext.Length + TagSize];
        output[0] = FormatVersion;
        _id.CopyTo(output, 1);
        var nonce = output.AsSpan(HeadSize, NonceSize);
        RandomNumberGenerator.Fill(nonce);
        var aes = _providers.Take();
        try
        {
            aes.Encrypt(nonce, plaintext, output.AsSpan(HeadSize + NonceSize, plaintext.Length), output.AsSpan(output.Length - TagSize), Associated(output, purpose));
        }
        finally
        {
            _providers.GiveBack(aes);
        }
        return output;
    }

    /// <summary>Opens what was sealed for the same purpose by this KEK; false for anything else.</summary>
    public bool TryOpen(string purpose, ReadOnlySpan<byte> sealedValue, [NotNullWhen(true)] out byte[]? plaintext)
    {
        plaintext = null;
        var length = sealedValue.Length - HeadSize - NonceSize - TagSize;
        if (length < 0 || sealedValue[0] != FormatVersion || !sealedValue.Slice(1, 8).SequenceEqual(_id))
            return false;
        var opened = new byte[length];
        var aes = _providers.Take();
        try
        {
            aes.Decrypt(sealedValue.Slice(HeadSize, NonceSize), sealedValue.Slice(HeadSize + NonceSize, length), sealedValue[^TagSize..], opened, Associated(sealedValue, purpose));
        }
        catch (AuthenticationTagMismatchException)
        {
            return false;
        }
        finally
        {
            _providers.GiveBack(aes);
        }
        plaintext = opened;
        return true;
    }

    /// <summary>The id in a sealed value's head, to say which KEK it needs.</summary>
    public static string? IdOf(ReadOnlySpan<byte> sealedValue) =>
        sealedValue.Length >= HeadSize && sealedValue[0] == FormatVersion ? Convert.ToHexStringLower(sealedValue.Slice(1, 8)) : null;

    /// <inheritdoc />
    public void Dispose()
    {
        _providers.Dispose();
        lock (_providers)
        {
            _disposed = true;
            CryptographicOperations.ZeroMemory(_key);
        }
    }

    /// <inheritdoc />
    public override string ToString() => $"Kek {Id}";

    private AesGcm NewProvider()
    {
        // Under the lock, so that nothing is ever sealed by a key that is just being zeroed.
        lock (_providers)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return new AesGcm(_key, TagSize);
        }
    }

    private static byte[] Associated(ReadOnlySpan<byte> head, string purpose)
    {
        var associated = new byte[HeadSize + Encoding.UTF8.GetByteCount(purpose)];
        head[..HeadSize].CopyTo(associated);
        Encoding.UTF8.GetBytes(purpose, associated.AsSpan(HeadSize));
        return associated;
    }
}
