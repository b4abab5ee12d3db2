using System.Text.Json;

namespace Keyreeve.Wire.Jose;

/// <summary>The signature algorithms that exist here (RFC 7518, 3.1). There is no <c>none</c> to forget a check for.</summary>
public enum JwsAlgorithm
{
    /// <summary>ECDSA over P-256 with SHA-256.</summary>
    ES256,

    /// <summary>ECDSA over P-384 with SHA-384.</summary>
    ES384,

    /// <summary>RSASSA-PKCS1-v1_5 with SHA-256.</summary>
    RS256,

    /// <summary>RSASSA-PSS with SHA-256, MGF1 over SHA-256 and a salt of 32 bytes.</summary>
    PS256,

    /// <summary>HMAC with SHA-256.</summary>
    HS256,
}

/// <summary>Names and sizes of <see cref="JwsAlgorithm"/>. Names are compared byte for byte: <c>es256</c> is unknown.</summary>
[Spec("RFC 7518", "3.1")]
public static class JwsAlgorithms
{
    /// <summary>Bytes of the longest signature any algorithm here makes: RSA at <see cref="JoseLimits.MaxRsaBits"/>.</summary>
    public const int MaxSignatureSize = JoseLimits.MaxRsaBits / 8;

    /// <summary>All of them, in the order of the enum.</summary>
    public static IReadOnlyList<JwsAlgorithm> All { get; } =
        [JwsAlgorithm.ES256, JwsAlgorithm.ES384, JwsAlgorithm.RS256, JwsAlgorithm.PS256, JwsAlgorithm.HS256];

    /// <summary>The algorithm of that name; false for every other name, <c>none</c> among them.</summary>
    public static bool TryParse(string? name, out JwsAlgorithm algorithm)
    {
        (bool known, algorithm) = name switch
        {
            "ES256" => (true, JwsAlgorithm.ES256),
            "ES384" => (true, JwsAlgorithm.ES384),
            "RS256" => (true, JwsAlgorithm.RS256),
            "PS256" => (true, JwsAlgorithm.PS256),
            "HS256" => (true, JwsAlgorithm.HS256),
            _ => (false, default),
        };
        return known;
    }

    /// <summary>As above, for a name in UTF-8.</summary>
    public static bool TryParse(ReadOnlySpan<byte> utf8Name, out JwsAlgorithm algorithm)
    {
        foreach (JwsAlgorithm candidate in (ReadOnlySpan<JwsAlgorithm>)Enumerated)
        {
            if (utf8Name.SequenceEqual(Utf8Name(candidate)))
            {
                algorithm = candidate;
                return true;
            }
        }

        algorithm = default;
        return false;
    }

    /// <summary>As above, for a JSON value, without making a string of it.</summary>
    internal static bool TryParse(JsonElement name, out JwsAlgorithm algorithm)
    {
        if (name.ValueKind == JsonValueKind.String)
        {
            foreach (JwsAlgorithm candidate in (ReadOnlySpan<JwsAlgorithm>)Enumerated)
            {
                if (name.ValueEquals(Utf8Name(candidate)))
                {
                    algorithm = candidate;
                    return true;
                }
            }
        }

        algorithm = default;
        return false;
    }

    /// <summary>The registered name: "ES256".</summary>
    public static string Name(this JwsAlgorithm algorithm) => algorithm switch
    {
        JwsAlgorithm.ES256 => "ES256",
        JwsAlgorithm.ES384 => "ES384",
        JwsAlgorithm.RS256 => "RS256",
        JwsAlgorithm.PS256 => "PS256",
        JwsAlgorithm.HS256 => "HS256",
    };

    /// <summary>True for the algorithms whose verifying key is public.</summary>
    public static bool IsAsymmetric(this JwsAlgorithm algorithm) => algorithm != JwsAlgorithm.HS256;

    /// <summary>Bytes of a signature; for RSA that is the length of the modulus, which the caller gives.</summary>
    public static int SignatureSize(this JwsAlgorithm algorithm, int rsaModulusBytes = 0) => algorithm switch
    {
        JwsAlgorithm.ES256 => 64,
        JwsAlgorithm.ES384 => 96,
        JwsAlgorithm.RS256 => rsaModulusBytes,
        JwsAlgorithm.PS256 => rsaModulusBytes,
        JwsAlgorithm.HS256 => 32,
    };

    /// <summary>
    /// True if <paramref name="signature"/> could be one of this algorithm: its exact length and, for ECDSA, r and s both in 1..n-1.
    /// All-zero signatures have verified under any key in libraries that left this to the provider.
    /// </summary>
    [Spec("RFC 7518", "3.4")]
    public static bool IsSignatureShaped(this JwsAlgorithm algorithm, ReadOnlySpan<byte> signature, int rsaModulusBytes = 0) =>
        signature.Length == algorithm.SignatureSize(rsaModulusBytes) && algorithm switch
        {
            JwsAlgorithm.ES256 => EcCurve.P256.IsSignatureInRange(signature),
            JwsAlgorithm.ES384 => EcCurve.P384.IsSignatureInRange(signature),
            JwsAlgorithm.RS256 => true,
            JwsAlgorithm.PS256 => true,
            JwsAlgorithm.HS256 => true,
        };

    private static readonly JwsAlgorithm[] Enumerated = [.. All];

    private static ReadOnlySpan<byte> Utf8Name(JwsAlgorithm algorithm) => algorithm switch
    {
        JwsAlgorithm.ES256 => "ES256"u8,
        JwsAlgorithm.ES384 => "ES384"u8,
        JwsAlgorithm.RS256 => "RS256"u8,
        JwsAlgorithm.PS256 => "PS256"u8,
        JwsAlgorithm.HS256 => "HS256"u8,
    };
}
