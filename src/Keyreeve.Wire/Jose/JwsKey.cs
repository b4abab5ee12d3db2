using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;

namespace Keyreeve.Wire.Jose;

/// <summary>
/// A key for verifying. It alone says which algorithms it may be used with: a header that names another is refused before any
/// arithmetic, so that an RSA modulus is never an HMAC secret. Safe to use from several threads.
/// </summary>
[Spec("RFC 8725", "3.1")]
public sealed class JwsKey : IDisposable
{
    private readonly ProviderPool<ECDsa>? ecdsa;
    private readonly ProviderPool<RSA>? rsa;
    private readonly int rsaModulusBytes;
    private readonly byte[]? secret;
    private volatile bool disposed;

    private JwsKey(string? kid, EcCurve curve, ECParameters publicKey)
    {
        (Kid, Algorithms) = (kid, [curve.Algorithm]);
        ecdsa = new ProviderPool<ECDsa>(() => ECDsa.Create(publicKey));
    }

    private JwsKey(string? kid, IReadOnlyList<JwsAlgorithm> algorithms, RSAParameters publicKey)
    {
        (Kid, Algorithms, rsaModulusBytes) = (kid, algorithms, publicKey.Modulus!.Length);
        rsa = new ProviderPool<RSA>(() => RSA.Create(publicKey));
    }

    private JwsKey(string? kid, byte[] secret) => (Kid, Algorithms, this.secret) = (kid, [JwsAlgorithm.HS256], secret);

    /// <summary>The key's name, if it has one.</summary>
    public string? Kid { get; }

    /// <summary>The algorithms this key verifies; one, except for an RSA key that does not say.</summary>
    public IReadOnlyList<JwsAlgorithm> Algorithms { get; }

    /// <summary>
    /// Makes a verifying key. <c>use</c>, <c>key_ops</c> and <c>alg</c> narrow what it may do; a point that is not on its curve is
    /// <see cref="JoseError.BadKey"/>.
    /// </summary>
    [Spec("RFC 7517", "4.2")]
    [Spec("RFC 7517", "4.3")]
    [Spec("RFC 7517", "4.4")]
    public static bool TryFromJwk(JsonWebKey jwk, [NotNullWhen(true)] out JwsKey? key, out JoseError error)
    {
        key = null;
        error = AlgorithmsOf(jwk, out IReadOnlyList<JwsAlgorithm> algorithms);
        if (error != JoseError.None)
        {
            return false;
        }

        JwsKey? made = null;
        try
        {
            made = jwk.Kty switch
            {
                "EC" => new JwsKey(jwk.Kid, EcCurve.ByName(jwk.Crv)!, EcParametersOf(jwk)),
                "RSA" => new JwsKey(jwk.Kid, algorithms, new RSAParameters { Modulus = Decode(jwk.N), Exponent = Decode(jwk.E) }),
                _ => new JwsKey(jwk.Kid, Decode(jwk.K)),
            };
            made.ecdsa?.Fill();
            made.rsa?.Fill();
            key = made;
            return true;
        }
        catch (CryptographicException)
        {
            made?.Dispose();
            error = JoseError.BadKey; // the provider checks that the point lies on the curve
            return false;
        }
    }

    /// <summary>From a provider's key, of which only the public half is copied.</summary>
    /// <exception cref="ArgumentException">Neither P-256 nor P-384.</exception>
    public static JwsKey FromEcdsa(ECDsa publicKey, string? kid)
    {
        ECParameters parameters = publicKey.ExportParameters(includePrivateParameters: false);
        EcCurve known = EcCurve.Of(parameters.Curve) ?? throw new ArgumentException("Only P-256 and P-384 are supported.", nameof(publicKey));
        return new JwsKey(kid, known, parameters);
    }

    /// <summary>From a provider's key, of which only the public half is copied, for one algorithm.</summary>
    /// <exception cref="ArgumentException">The modulus is out of range or <paramref name="only"/> is not for RSA.</exception>
    public static JwsKey FromRsa(RSA publicKey, string? kid, JwsAlgorithm only)
    {
        _ = JsonWebKey.FromRsa(publicKey, only); // throws if the key does not fit
        return new JwsKey(kid, [only], publicKey.ExportParameters(includePrivateParameters: false));
    }

    /// <summary>From a shared secret, which is copied.</summary>
    /// <exception cref="ArgumentException">Shorter than the hash or absurdly long.</exception>
    [Spec("RFC 7518", "3.2")]
    public static JwsKey FromSecret(ReadOnlySpan<byte> secret, string? kid)
    {
        if (secret.Length is < JoseLimits.MinSecretLength or > JoseLimits.MaxSecretLength)
        {
            throw new ArgumentException("An HS256 secret has 32 to 1024 bytes.", nameof(secret));
        }

        return new JwsKey(kid, secret.ToArray());
    }

    /// <summary>
    /// True if this key may be used with <paramref name="algorithm"/> and <paramref name="signature"/> is of
    /// <paramref name="signingInput"/>. Never throws; false after <see cref="Dispose"/>.
    /// </summary>
    [Spec("RFC 7518", "3.3")]
    [Spec("RFC 7518", "3.5")]
    public bool Verify(JwsAlgorithm algorithm, ReadOnlySpan<byte> signingInput, ReadOnlySpan<byte> signature)
    {
        if (disposed || !Algorithms.Contains(algorithm) || !algorithm.IsSignatureShaped(signature, rsaModulusBytes))
        {
            return false; // before the provider sees it
        }

        try
        {
            return algorithm switch
            {
                JwsAlgorithm.ES256 => VerifyEcdsa(HashAlgorithmName.SHA256, signingInput, signature),
                JwsAlgorithm.ES384 => VerifyEcdsa(HashAlgorithmName.SHA384, signingInput, signature),
                JwsAlgorithm.RS256 => VerifyRsa(RSASignaturePadding.Pkcs1, signingInput, signature),
                JwsAlgorithm.PS256 => VerifyRsa(RSASignaturePadding.Pss, signingInput, signature),
                JwsAlgorithm.HS256 => VerifyHmac(signingInput, signature),
            };
        }
        catch (CryptographicException)
        {
            return false;
        }
    }

    /// <summary>Frees the provider's keys and clears a secret. A verification under way in another thread ends undisturbed or false.</summary>
    public void Dispose()
    {
        disposed = true;
        ecdsa?.Dispose();
        rsa?.Dispose();
        CryptographicOperations.ZeroMemory(secret);
    }

    private bool VerifyEcdsa(HashAlgorithmName hash, ReadOnlySpan<byte> signingInput, ReadOnlySpan<byte> signature)
    {
        ECDsa provider = ecdsa!.Take();
        try
        {
            return provider.VerifyData(signingInput, signature, hash, DSASignatureFormat.IeeeP1363FixedFieldConcatenation);
        }
        finally
        {
            ecdsa.GiveBack(provider);
        }
    }

    private bool VerifyRsa(RSASignaturePadding padding, ReadOnlySpan<byte> signingInput, ReadOnlySpan<byte> signature)
    {
        RSA provider = rsa!.Take();
        try
        {
            return provider.VerifyData(signingInput, signature, HashAlgorithmName.SHA256, padding);
        }
        finally
        {
            rsa.GiveBack(provider);
        }
    }

    private bool VerifyHmac(ReadOnlySpan<byte> signingInput, ReadOnlySpan<byte> signature)
    {
        Span<byte> expected = stackalloc byte[HMACSHA256.HashSizeInBytes];
        HMACSHA256.HashData(secret!, signingInput, expected);
        return CryptographicOperations.FixedTimeEquals(expected, signature) && !disposed; // a secret being cleared proves nothing
    }

    private static JoseError AlgorithmsOf(JsonWebKey jwk, out IReadOnlyList<JwsAlgorithm> algorithms)
    {
        algorithms = jwk.Kty switch
        {
            "EC" => [EcCurve.ByName(jwk.Crv)!.Algorithm],
            "RSA" => [JwsAlgorithm.RS256, JwsAlgorithm.PS256],
            _ => [JwsAlgorithm.HS256],
        };
        if (jwk.Use is not (null or "sig") || (jwk.KeyOps.Count > 0 && !jwk.KeyOps.Contains("verify")))
        {
            return JoseError.KeyAlgorithmMismatch;
        }

        if (jwk.Alg is null)
        {
            return JoseError.None;
        }

        if (!JwsAlgorithms.TryParse(jwk.Alg, out JwsAlgorithm only))
        {
            return JoseError.UnsupportedAlgorithm;
        }

        bool fits = algorithms.Contains(only);
        algorithms = [only];
        return fits ? JoseError.None : JoseError.KeyAlgorithmMismatch;
    }

    private static ECParameters EcParametersOf(JsonWebKey jwk) => new()
    {
        Curve = EcCurve.ByName(jwk.Crv)!.Curve,
        Q = new ECPoint { X = Decode(jwk.X), Y = Decode(jwk.Y) },
    };

    /// <summary>A member that <see cref="JsonWebKey"/> has already checked.</summary>
    private static byte[] Decode(string? member) =>
        Base64UrlStrict.TryDecode(member, out byte[]? bytes) ? bytes : throw new CryptographicException("A key member is not base64url.");
}
