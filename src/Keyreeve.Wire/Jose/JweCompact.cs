using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;

namespace Keyreeve.Wire.Jose;

/// <summary>
/// A JWE in compact serialization, read but not opened.
/// <code>
///  header . encrypted key . initialization vector . ciphertext . tag        all base64url; AAD = the encoded header
/// </code>
/// </summary>
[Spec("RFC 7516", "3.1")]
[Spec("RFC 7516", "5.2")]
[Spec("RFC 7516", "7.1")]
public sealed class JweCompact
{
    private readonly byte[] aad;
    private readonly byte[] encryptedKey;
    private readonly byte[] iv;
    private readonly byte[] ciphertext;
    private readonly byte[] tag;

    private JweCompact(JweHeader header, byte[] aad, byte[] encryptedKey, byte[] iv, byte[] ciphertext, byte[] tag)
    {
        Header = header;
        this.aad = aad;
        this.encryptedKey = encryptedKey;
        this.iv = iv;
        this.ciphertext = ciphertext;
        this.tag = tag;
    }

    /// <summary>The protected header. Until something was decrypted it is what a stranger wrote.</summary>
    public JweHeader Header { get; }

    /// <summary>True for a text with the four dots of a JWE, whatever is between them: a JWS has two.</summary>
    public static bool HasItsForm(ReadOnlySpan<char> token) => token.Length <= JoseLimits.MaxTokenLength && token.Count('.') == 4;

    /// <summary>Reads a token. The length is looked at first, then the dots, then header and sizes; no key is touched.</summary>
    public static bool TryRead(ReadOnlySpan<char> token, [NotNullWhen(true)] out JweCompact? jwe, out JoseError error) =>
        TryRead(token, JoseLimits.MaxTokenLength, out jwe, out error);

    /// <summary>As above, for a text that is longer than tokens are.</summary>
    /// <param name="token">The five parts.</param>
    /// <param name="maxLength">Characters at most.</param>
    /// <param name="jwe">What was read.</param>
    /// <param name="error">Why not.</param>
    public static bool TryRead(ReadOnlySpan<char> token, int maxLength, [NotNullWhen(true)] out JweCompact? jwe, out JoseError error)
    {
        jwe = null;
        if (token.Length > maxLength)
        {
            error = JoseError.TooLarge;
            return false;
        }

        Span<Range> parts = stackalloc Range[6];
        if (token.Split(parts, '.') != 5)
        {
            error = JoseError.NotFiveParts;
            return false;
        }

        if (Base64UrlStrict.DecodedLength(token[parts[0]].Length) > JoseLimits.MaxHeaderLength)
        {
            error = JoseError.TooLarge;
            return false;
        }

        if (!Base64UrlStrict.TryDecode(token[parts[0]], out byte[]? headerJson)
            || !Base64UrlStrict.TryDecode(token[parts[1]], out byte[]? readKey)
            || !Base64UrlStrict.TryDecode(token[parts[2]], out byte[]? readIv)
            || !Base64UrlStrict.TryDecode(token[parts[3]], out byte[]? readText)
            || !Base64UrlStrict.TryDecode(token[parts[4]], out byte[]? readTag))
        {
            error = JoseError.BadBase64Url;
            return false;
        }

        if (!JweHeader.TryRead(headerJson, out JweHeader? header, out error))
        {
            return false;
        }

        // A short tag is a weak one: GCM would take it gladly.
        int wrapped = header.KeyManagement == JweKeyManagement.EcdhEs ? 0 : header.Content.KeySize() + AesKeyWrap.Overhead;
        if (readKey.Length != wrapped || readIv.Length != JweAlgorithms.IvSize || readTag.Length != JweAlgorithms.TagSize)
        {
            error = JoseError.BadEncryption;
            return false;
        }

        byte[] associated = Encoding.ASCII.GetBytes(token[parts[0]].ToString());
        jwe = new JweCompact(header, associated, readKey, readIv, readText, readTag);
        return true;
    }

    /// <summary>
    /// The plaintext, if <paramref name="key"/> is the reader's. A wrong key, a key that does not unwrap and a changed text are all
    /// the same false.
    /// </summary>
    public bool TryDecrypt(JweKey key, [NotNullWhen(true)] out byte[]? plaintext)
    {
        plaintext = null;
        if (!key.TryContentKey(Header, encryptedKey, out byte[] contentKey))
        {
            return false;
        }

        bool opened = TryDecrypt(contentKey, out plaintext);
        CryptographicOperations.ZeroMemory(contentKey);
        return opened;
    }

    /// <summary>As above, for whoever has the content key itself: the one who made it.</summary>
    public bool TryDecrypt(ReadOnlySpan<byte> contentKey, [NotNullWhen(true)] out byte[]? plaintext)
    {
        plaintext = null;
        if (contentKey.Length != Header.Content.KeySize())
        {
            return false;
        }

        byte[] opened = new byte[ciphertext.Length];
        using var aes = new AesGcm(contentKey, JweAlgorithms.TagSize);
        try
        {
            aes.Decrypt(iv, ciphertext, tag, opened, aad);
        }
        catch (CryptographicException)
        {
            return false;
        }

        plaintext = opened;
        return true;
    }
}
