using System.Security.Cryptography;

namespace Keyreeve.Wire.Jose;

/// <summary>What writer and reader of ECDH-ES share: keys that may take part, and the key derivation.</summary>
[Spec("RFC 7518", "4.6")]
internal static class EcAgreement
{
    /// <summary>True if the key's <c>kty</c>, <c>use</c>, <c>key_ops</c> and <c>alg</c> allow key agreement.</summary>
    internal static bool IsFor(JsonWebKey jwk) =>
        jwk.Kty == "EC"
        && jwk.Use is null or "enc"
        && (jwk.KeyOps.Count == 0 || jwk.KeyOps.Any(op => op is "deriveKey" or "deriveBits"))
        && (jwk.Alg is null || (JweAlgorithms.TryParse(jwk.Alg, out JweKeyManagement algorithm) && algorithm.Agrees()));

    /// <exception cref="CryptographicException">The point is not on the curve.</exception>
    internal static ECDiffieHellman Import(JsonWebKey publicKey) => ECDiffieHellman.Create(ParametersOf(publicKey));

    internal static ECParameters ParametersOf(JsonWebKey jwk) => new()
    {
        Curve = EcCurve.ByName(jwk.Crv)!.Curve,
        Q = new ECPoint { X = Decode(jwk.X), Y = Decode(jwk.Y) },
    };

    /// <summary>The key that wraps, or for ECDH-ES alone the content key. Clears <paramref name="z"/>.</summary>
    internal static byte[] Derive(byte[] z, JweKeyManagement management, JweContent content, ReadOnlySpan<byte> partyU, ReadOnlySpan<byte> partyV)
    {
        try
        {
            return management == JweKeyManagement.EcdhEs
                ? ConcatKdf.Derive(z, content.Name(), partyU, partyV, content.KeySize())
                : ConcatKdf.Derive(z, management.Name(), partyU, partyV, management.WrappingKeySize());
        }
        finally
        {
            CryptographicOperations.ZeroMemory(z);
        }
    }

    /// <summary>A member that <see cref="JsonWebKey"/> has already checked.</summary>
    private static byte[] Decode(string? member) =>
        Base64UrlStrict.TryDecode(member, out byte[]? bytes) ? bytes : throw new CryptographicException("A key member is not base64url.");
}
