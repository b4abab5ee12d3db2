using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text.Json;

namespace Keyreeve.Wire.Jose;

/// <summary>
/// A client's own key: for client assertions, DPoP proofs, signed requests and signed bodies. One signature at a time (a client
/// makes few); never printed, never written.
/// </summary>
public sealed class ClientSigningKey : IJwsSigner, IDisposable
{
    private readonly Lock oneAtATime = new();
    private readonly ECDsa? ecdsa;
    private readonly RSA? rsa;
    private readonly byte[]? secret;

    private ClientSigningKey(ECDsa ecdsa, JsonWebKey publicJwk, string? kid)
    {
        this.ecdsa = ecdsa;
        _ = JwsAlgorithms.TryParse(publicJwk.Alg, out JwsAlgorithm algorithm);
        (Algorithm, PublicJwk, KeyId) = (algorithm, publicJwk, kid ?? publicJwk.Kid ?? "");
        SignatureSize = algorithm.SignatureSize();
    }

    private ClientSigningKey(RSA rsa, JwsAlgorithm algorithm, JsonWebKey publicJwk, string? kid)
    {
        this.rsa = rsa;
        (Algorithm, PublicJwk, KeyId) = (algorithm, publicJwk, kid ?? publicJwk.Kid ?? "");
        SignatureSize = algorithm.SignatureSize((rsa.KeySize + 7) / 8);
    }

    private ClientSigningKey(byte[] secret, string? kid)
    {
        this.secret = secret;
        (Algorithm, KeyId) = (JwsAlgorithm.HS256, kid ?? "");
        SignatureSize = Algorithm.SignatureSize();
    }

    /// <inheritdoc/>
    public JwsAlgorithm Algorithm { get; }

    /// <inheritdoc/>
    public string KeyId { get; }

    /// <inheritdoc/>
    public int SignatureSize { get; }

    /// <summary>What to register or to put into a DPoP proof; null for a shared secret.</summary>
    public JsonWebKey? PublicJwk { get; }

    /// <summary>Takes over a P-256 or P-384 key; it is disposed with this. The <c>kid</c> is the thumbprint unless given; "" for none.</summary>
    /// <exception cref="ArgumentException">Another curve.</exception>
    public static ClientSigningKey FromEcdsa(ECDsa key, string? kid = null) => new(key, JsonWebKey.FromEcdsa(key, kid), kid);

    /// <summary>Takes over an RSA key for one algorithm; it is disposed with this.</summary>
    /// <exception cref="ArgumentException">The modulus is out of range or the algorithm is not for RSA.</exception>
    public static ClientSigningKey FromRsa(RSA key, JwsAlgorithm algorithm, string? kid = null) =>
        new(key, algorithm, JsonWebKey.FromRsa(key, algorithm, kid), kid);

    /// <summary>Copies a shared secret for HS256.</summary>
    /// <exception cref="ArgumentException">Shorter than the hash or absurdly long.</exception>
    public static ClientSigningKey FromSecret(ReadOnlySpan<byte> secret, string? kid = null)
    {
        if (secret.Length is < JoseLimits.MinSecretLength or > JoseLimits.MaxSecretLength)
        {
            throw new ArgumentException("An HS256 secret has 32 to 1024 bytes.", nameof(secret));
        }

        return new ClientSigningKey(secret.ToArray(), kid);
    }

    /// <summary>
    /// Reads a private EC or RSA key in JWK form. Its <c>alg</c> must say RS256 or PS256 for RSA, unless
    /// <paramref name="rsaAlgorithm"/> does. A public half that does not belong to the private one is <see cref="JoseError.BadKey"/>.
    /// </summary>
    [Spec("RFC 7518", "6.2.2")]
    [Spec("RFC 7518", "6.3.2")]
    public static bool TryReadPrivate(
        ReadOnlySpan<byte> json, [NotNullWhen(true)] out ClientSigningKey? key, out JoseError error, JwsAlgorithm? rsaAlgorithm = null)
    {
        error = JwkMembers.ReadSecret(json, (in JwkMembers members, out ClientSigningKey? made) => PrivateJwk.TryImport(members, rsaAlgorithm, out made), out key);
        return error == JoseError.None;
    }

    /// <inheritdoc/>
    public int Sign(ReadOnlySpan<byte> signingInput, Span<byte> signature)
    {
        lock (oneAtATime)
        {
            return Algorithm switch
            {
                JwsAlgorithm.ES256 => ecdsa!.SignData(
                    signingInput, signature, HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation),
                JwsAlgorithm.ES384 => ecdsa!.SignData(
                    signingInput, signature, HashAlgorithmName.SHA384, DSASignatureFormat.IeeeP1363FixedFieldConcatenation),
                JwsAlgorithm.RS256 => rsa!.SignData(signingInput, signature, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1),
                JwsAlgorithm.PS256 => rsa!.SignData(signingInput, signature, HashAlgorithmName.SHA256, RSASignaturePadding.Pss),
                JwsAlgorithm.HS256 => HMACSHA256.HashData(secret!, signingInput, signature),
            };
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (oneAtATime)
        {
            ecdsa?.Dispose();
            rsa?.Dispose();
            CryptographicOperations.ZeroMemory(secret);
        }
    }

    /// <summary>The algorithm and the name; never the key.</summary>
    public override string ToString() => $"ClientSigningKey {{ {Algorithm.Name()}, {KeyId} }}";
}
