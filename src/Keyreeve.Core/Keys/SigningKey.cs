using System.Security.Cryptography;
using Keyreeve.Wire.Jose;

namespace Keyreeve.Core.Keys;

/// <summary>
/// A signing key in use. It signs and tells its public half; nothing gets the private one out again.
/// Instances are used by many threads: each thread takes its own handle on the key, because the framework does not promise
/// that one is safe to share.
/// </summary>
public sealed class SigningKey : IJwsSigner, IDisposable
{
    /// <summary>RSA 3072: 2048 is the least, 3072 what the profile prefers.</summary>
    private const int RsaBits = 3072;

    private readonly ThreadLocal<AsymmetricAlgorithm> _private;

    private SigningKey(SigningKeyRow row, byte[] pkcs8, JsonWebKey jwk)
    {
        Row = row;
        PublicKey = jwk;
        SignatureSize = row.Algorithm.SignatureSize(RsaBits / 8);
        _private = new(() => Import(row.Algorithm, pkcs8), trackAllValues: true);
        HeaderAccessToken = JwsWriter.Header(this, "at+jwt");
        HeaderIdToken = JwsWriter.Header(this, "JWT");
        HeaderIntrospection = JwsWriter.Header(this, "token-introspection+jwt");
    }

    /// <summary>The row it was made from.</summary>
    public SigningKeyRow Row { get; }

    /// <inheritdoc />
    public JwsAlgorithm Algorithm => Row.Algorithm;

    /// <inheritdoc />
    public string KeyId => Row.KeyId;

    /// <inheritdoc />
    public int SignatureSize { get; }

    /// <summary>The public half, with kid, alg and use.</summary>
    public JsonWebKey PublicKey { get; }

    /// <summary>The JOSE header of access tokens, written once.</summary>
    public byte[] HeaderAccessToken { get; }

    /// <summary>The JOSE header of ID tokens, written once.</summary>
    public byte[] HeaderIdToken { get; }

    /// <summary>The JOSE header of signed introspection answers, written once.</summary>
    public byte[] HeaderIntrospection { get; }

    /// <summary>Makes a key and its sealed row.</summary>
    public static (SigningKeyRow Row, SigningKey Key) Generate(JwsAlgorithm algorithm, int generation, DateTimeOffset now, DateTimeOffset activates, Kek kek)
    {
        using AsymmetricAlgorithm made = algorithm switch
        {
            JwsAlgorithm.ES256 => ECDsa.Create(ECCurve.NamedCurves.nistP256),
            JwsAlgorithm.ES384 => ECDsa.Create(ECCurve.NamedCurves.nistP384),
            JwsAlgorithm.RS256 or JwsAlgorithm.PS256 => RSA.Create(RsaBits),
            JwsAlgorithm.HS256 => throw new ArgumentOutOfRangeException(nameof(algorithm), "a signing key is asymmetric"),
        };
        var pkcs8 = made.ExportPkcs8PrivateKey();
        var jwk = PublicOf(made, algorithm);
        var row = new SigningKeyRow
        {
            KeyId = jwk.Kid!,
            Algorithm = algorithm,
            Generation = generation,
            SealedPrivateKey = [],
            CreatedAt = now.ToUnixTimeSeconds(),
            ActivatesAt = activates.ToUnixTimeSeconds(),
        };
        row = row with { SealedPrivateKey = kek.Seal(row.Purpose, pkcs8) };
        return (row, new SigningKey(row, pkcs8, jwk));
    }

    /// <summary>Opens a stored key; null when this KEK does not open it.</summary>
    public static SigningKey? Open(SigningKeyRow row, Kek kek)
    {
        if (!kek.TryOpen(row.Purpose, row.SealedPrivateKey, out var pkcs8))
            return null;
        using var key = Import(row.Algorithm, pkcs8);
        return new(row, pkcs8, PublicOf(key, row.Algorithm));
    }

    /// <inheritdoc />
    public int Sign(ReadOnlySpan<byte> signingInput, Span<byte> signature) => _private.Value switch
    {
        ECDsa ec => ec.SignData(signingInput, signature, Algorithm == JwsAlgorithm.ES384 ? HashAlgorithmName.SHA384 : HashAlgorithmName.SHA256),
        RSA rsa => rsa.SignData(signingInput, signature, HashAlgorithmName.SHA256, Algorithm == JwsAlgorithm.PS256 ? RSASignaturePadding.Pss : RSASignaturePadding.Pkcs1),
        _ => throw new InvalidOperationException("no such key kind"),
    };

    /// <inheritdoc />
    public void Dispose()
    {
        foreach (var key in _private.Values)
            key.Dispose();
        _private.Dispose();
    }

    /// <inheritdoc />
    public override string ToString() => $"{Algorithm} {KeyId}";

    private static AsymmetricAlgorithm Import(JwsAlgorithm algorithm, byte[] pkcs8)
    {
        AsymmetricAlgorithm key = algorithm is JwsAlgorithm.RS256 or JwsAlgorithm.PS256 ? RSA.Create() : ECDsa.Create();
        key.ImportPkcs8PrivateKey(pkcs8, out _);
        return key;
    }

    private static JsonWebKey PublicOf(AsymmetricAlgorithm key, JwsAlgorithm algorithm)
    {
        var jwk = key is ECDsa ec ? JsonWebKey.FromEcdsa(ec) : JsonWebKey.FromRsa((RSA)key, algorithm);
        return jwk.WithKid(jwk.Thumbprint());
    }
}
