using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Keyreeve.Wire.Jose;

/// <summary>What a JWE says about itself in its protected header, beside what the algorithms need.</summary>
/// <param name="Typ"><c>typ</c>, or null.</param>
/// <param name="Cty"><c>cty</c>: "JWT" around a token.</param>
/// <param name="JwtId"><c>jti</c>, for whoever must find the token without opening it; or null.</param>
public sealed record JweLabels(string? Typ, string? Cty, string? JwtId);

/// <summary>Fills with random bytes: randomness comes in from the rim.</summary>
public delegate void FillRandom(Span<byte> destination);

/// <summary>Who a JWE is written for: a public EC key, or a secret shared with the reader. Safe to use from several threads.</summary>
public sealed class JweRecipient
{
    private readonly JsonWebKey? jwk;
    private readonly byte[]? secret;

    private JweRecipient(JsonWebKey jwk) => (this.jwk, Kid) = (jwk, jwk.Kid);

    private JweRecipient(byte[] secret, string? kid) => (this.secret, Kid) = (secret, kid);

    /// <summary>The <c>kid</c> that the header will name.</summary>
    public string? Kid { get; }

    /// <summary>
    /// A reader by its public key. <c>use</c> must say "enc": a key that signs must not also decrypt because nobody said otherwise.
    /// </summary>
    [Spec("RFC 7517", "4.2")]
    public static bool TryFromJwk(JsonWebKey jwk, [NotNullWhen(true)] out JweRecipient? recipient, out JoseError error)
    {
        recipient = null;
        error = JoseError.KeyAlgorithmMismatch;
        if (jwk.Use != "enc" || !EcAgreement.IsFor(jwk))
        {
            return false;
        }

        try
        {
            EcAgreement.Import(jwk).Dispose();
        }
        catch (CryptographicException)
        {
            error = JoseError.BadKey;
            return false;
        }

        recipient = new JweRecipient(jwk);
        error = JoseError.None;
        return true;
    }

    /// <summary>A reader who has the same secret: 16 bytes for A128KW, 32 for A256KW.</summary>
    /// <exception cref="ArgumentException">Another length.</exception>
    public static JweRecipient FromSecret(ReadOnlySpan<byte> secret, string? kid = null) => secret.Length is 16 or 32
        ? new JweRecipient(secret.ToArray(), kid)
        : throw new ArgumentException("A key for AES Key Wrap has 16 or 32 bytes.", nameof(secret));

    /// <summary>True if this reader's key goes with the algorithm.</summary>
    public bool Takes(JweKeyManagement management) => jwk is not null
        ? management.Agrees() && (jwk.Alg is null || jwk.Alg == management.Name())
        : !management.Agrees() && secret!.Length == management.WrappingKeySize();

    /// <summary>Encrypts under a fresh content key and gives the five parts.</summary>
    /// <exception cref="ArgumentException">The key does not go with the algorithm.</exception>
    public string Encrypt(ReadOnlySpan<byte> plaintext, JweKeyManagement management, JweContent content, JweLabels labels, FillRandom random)
    {
        if (management == JweKeyManagement.EcdhEs)
        {
            return Write(plaintext, management, content, labels, contentKey: null, random);
        }

        byte[] fresh = new byte[content.KeySize()];
        random(fresh);
        try
        {
            return Write(plaintext, management, content, labels, fresh, random);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(fresh);
        }
    }

    /// <summary>
    /// As above, under a content key of the caller's, who can then open it too. The key must never encrypt anything else.
    /// </summary>
    /// <exception cref="ArgumentException">The key does not go with the algorithm, or the algorithm does not wrap.</exception>
    public string Encrypt(ReadOnlySpan<byte> plaintext, JweKeyManagement management, JweContent content, JweLabels labels, ReadOnlySpan<byte> contentKey, FillRandom random)
    {
        if (management == JweKeyManagement.EcdhEs || contentKey.Length != content.KeySize())
        {
            throw new ArgumentException("The content key must fit, and be wrapped.", nameof(contentKey));
        }

        byte[] copy = contentKey.ToArray();
        try
        {
            return Write(plaintext, management, content, labels, copy, random);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(copy);
        }
    }

    /// <summary>The kind and the name; never a secret.</summary>
    public override string ToString() => $"JweRecipient {{ {jwk?.Crv ?? "oct"}, {Kid} }}";

    [Spec("RFC 7516", "5.1")]
    private string Write(ReadOnlySpan<byte> plaintext, JweKeyManagement management, JweContent content, JweLabels labels, byte[]? contentKey, FillRandom random)
    {
        if (!Takes(management))
        {
            throw new ArgumentException($"This key is not for {management.Name()}.", nameof(management));
        }

        JsonWebKey? epk = null;
        byte[] encryptedKey;
        byte[] key;
        if (jwk is not null)
        {
            byte[] agreed = Agree(management, content, out epk);
            (key, encryptedKey) = contentKey is null ? (agreed, []) : (contentKey, AesKeyWrap.Wrap(agreed, contentKey));
        }
        else
        {
            (key, encryptedKey) = (contentKey!, AesKeyWrap.Wrap(secret!, contentKey));
        }

        string header = Base64UrlStrict.Encode(HeaderJson(management, content, labels, epk));
        Span<byte> iv = stackalloc byte[JweAlgorithms.IvSize];
        random(iv);
        Span<byte> tag = stackalloc byte[JweAlgorithms.TagSize];
        byte[] ciphertext = new byte[plaintext.Length];
        using (var aes = new AesGcm(key, JweAlgorithms.TagSize))
        {
            aes.Encrypt(iv, plaintext, ciphertext, tag, Encoding.ASCII.GetBytes(header));
        }

        return string.Join('.', header, Base64UrlStrict.Encode(encryptedKey), Base64UrlStrict.Encode(iv), Base64UrlStrict.Encode(ciphertext), Base64UrlStrict.Encode(tag));
    }

    private byte[] Agree(JweKeyManagement management, JweContent content, out JsonWebKey epk)
    {
        using ECDiffieHellman ours = ECDiffieHellman.Create(EcCurve.ByName(jwk!.Crv)!.Curve);
        using ECDiffieHellman theirs = EcAgreement.Import(jwk);
        epk = JsonWebKey.FromEcdh(ours);
        return EcAgreement.Derive(ours.DeriveRawSecretAgreement(theirs.PublicKey), management, content, [], []);
    }

    private byte[] HeaderJson(JweKeyManagement management, JweContent content, JweLabels labels, JsonWebKey? epk)
    {
        var buffer = new ArrayBufferWriter<byte>(256);
        using (var writer = new Utf8JsonWriter(buffer, JwsWriter.Plain))
        {
            writer.WriteStartObject();
            writer.WriteString("alg"u8, management.Name());
            writer.WriteString("enc"u8, content.Name());
            foreach ((string name, string? value) in (ReadOnlySpan<(string, string?)>)[("typ", labels.Typ), ("cty", labels.Cty), ("kid", Kid), ("jti", labels.JwtId)])
            {
                if (value is not null)
                {
                    writer.WriteString(name, value);
                }
            }

            if (epk is not null)
            {
                writer.WritePropertyName("epk"u8);
                epk.WritePublic(writer);
            }

            writer.WriteEndObject();
        }

        return buffer.WrittenSpan.ToArray();
    }
}
