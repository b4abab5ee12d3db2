using System.Numerics;
using System.Security.Cryptography;

namespace Keyreeve.Wire.Jose;

/// <content>What each key type must look like before it is a <see cref="JsonWebKey"/> (RFC 7518, 6).</content>
public sealed partial record JsonWebKey
{
    /// <summary>
    /// The public half of an EC key, for publishing. The <c>kid</c> is the thumbprint unless given; <c>use</c> is "sig".
    /// </summary>
    /// <exception cref="ArgumentException">Neither P-256 nor P-384.</exception>
    public static JsonWebKey FromEcdsa(ECDsa key, string? kid = null)
    {
        ECParameters parameters = key.ExportParameters(includePrivateParameters: false);
        EcCurve curve = EcCurve.Of(parameters.Curve) ?? throw new ArgumentException("Only P-256 and P-384 are supported.", nameof(key));
        var jwk = new JsonWebKey("EC")
        {
            Crv = curve.Name,
            X = Base64UrlStrict.Encode(parameters.Q.X),
            Y = Base64UrlStrict.Encode(parameters.Q.Y),
            Use = "sig",
            Alg = curve.Algorithm.Name(),
        };
        return jwk with { Kid = kid ?? jwk.Thumbprint() };
    }

    /// <summary>
    /// The public half of a key for agreement: without <c>kid</c>, <c>use</c> and <c>alg</c> as an ephemeral key (<c>epk</c>), or with
    /// <c>use</c> "enc" for publishing if <paramref name="kid"/> is given.
    /// </summary>
    /// <exception cref="ArgumentException">Neither P-256 nor P-384.</exception>
    public static JsonWebKey FromEcdh(ECDiffieHellman key, string? kid = null)
    {
        ECParameters parameters = key.ExportParameters(includePrivateParameters: false);
        EcCurve curve = EcCurve.Of(parameters.Curve) ?? throw new ArgumentException("Only P-256 and P-384 are supported.", nameof(key));
        return new JsonWebKey("EC")
        {
            Crv = curve.Name,
            X = Base64UrlStrict.Encode(parameters.Q.X),
            Y = Base64UrlStrict.Encode(parameters.Q.Y),
            Kid = kid,
            Use = kid is null ? null : "enc",
        };
    }

    /// <summary>
    /// The public half of an RSA key, for publishing with the one algorithm it is for. The <c>kid</c> is the thumbprint unless given.
    /// </summary>
    /// <exception cref="ArgumentException">The modulus or the algorithm does not fit.</exception>
    public static JsonWebKey FromRsa(RSA key, JwsAlgorithm algorithm, string? kid = null)
    {
        RSAParameters parameters = key.ExportParameters(includePrivateParameters: false);
        if (algorithm is not (JwsAlgorithm.RS256 or JwsAlgorithm.PS256) || !IsRsaModulus(parameters.Modulus) || !IsRsaExponent(parameters.Exponent))
        {
            throw new ArgumentException("An RSA key of 2048 to 8192 bits is for RS256 or PS256.", nameof(key));
        }

        var jwk = new JsonWebKey("RSA")
        {
            N = Base64UrlStrict.Encode(parameters.Modulus),
            E = Base64UrlStrict.Encode(parameters.Exponent),
            Use = "sig",
            Alg = algorithm.Name(),
        };
        return jwk with { Kid = kid ?? jwk.Thumbprint() };
    }

    /// <summary>The public members alone; private ones are the caller's to refuse or to use.</summary>
    [Spec("RFC 7518", "6.2.1")]
    [Spec("RFC 7518", "6.3.1")]
    internal static JoseError FromPublicMembers(in JwkMembers members, out JsonWebKey? key)
    {
        key = null;
        switch (members.Kty)
        {
            case "EC":
                if (EcCurve.ByName(members.Crv) is not { } curve)
                {
                    return members.Crv is null ? JoseError.BadKey : JoseError.UnsupportedKey;
                }

                if (!HasLength(members.X, curve.FieldSize) || !HasLength(members.Y, curve.FieldSize))
                {
                    return JoseError.BadKey;
                }

                key = Common(members) with { Crv = curve.Name, X = members.X, Y = members.Y };
                return JoseError.None;

            case "RSA":
                if (!Base64UrlStrict.TryDecode(members.N, out byte[]? modulus) || !IsRsaModulus(modulus)
                    || !Base64UrlStrict.TryDecode(members.E, out byte[]? exponent) || !IsRsaExponent(exponent))
                {
                    return JoseError.BadKey;
                }

                key = Common(members) with { N = members.N, E = members.E };
                return JoseError.None;

            default:
                return JoseError.UnsupportedKey;
        }
    }

    private static JoseError FromSecretMembers(in JwkMembers members, out JsonWebKey? key)
    {
        key = null;
        if (members.Kty != "oct")
        {
            return JoseError.UnsupportedKey;
        }

        if (members.K is null || !Base64UrlStrict.TryDecode(members.K, out byte[]? secret))
        {
            return JoseError.BadKey;
        }

        bool fits = secret.Length is >= JoseLimits.MinSecretLength and <= JoseLimits.MaxSecretLength;
        CryptographicOperations.ZeroMemory(secret);
        if (!fits)
        {
            return JoseError.BadKey;
        }

        key = Common(members) with { K = members.K };
        return JoseError.None;
    }

    private static JsonWebKey Common(in JwkMembers members) => new(members.Kty!)
    {
        Kid = members.Kid,
        Use = members.Use,
        Alg = members.Alg,
        KeyOps = members.KeyOps ?? [],
        X5c = members.X5c ?? [],
    };

    private static bool HasLength(string? text, int length) =>
        text is not null && Base64UrlStrict.TryDecode(text, out byte[]? bytes) && bytes.Length == length;

    /// <summary>Odd, without leading zeros (RFC 7518, 6.3.1.1), and between the limits.</summary>
    private static bool IsRsaModulus(byte[]? modulus) =>
        modulus is { Length: > 0 and <= JoseLimits.MaxRsaBits / 8 } && modulus[0] != 0 && (modulus[^1] & 1) == 1
        && ((modulus.Length - 1) * 8) + BitOperations.Log2(modulus[0]) + 1 >= JoseLimits.MinRsaBits;

    /// <summary>Odd and 3..2^32-1: a long exponent would make each verification as dear as the sender likes.</summary>
    private static bool IsRsaExponent(byte[]? exponent) =>
        exponent is { Length: > 0 and <= 4 } && exponent[0] != 0 && (exponent[^1] & 1) == 1 && (exponent.Length > 1 || exponent[0] >= 3);
}
