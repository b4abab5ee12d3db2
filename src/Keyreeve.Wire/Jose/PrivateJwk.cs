using System.Security.Cryptography;

namespace Keyreeve.Wire.Jose;

/// <summary>Makes a signing key of the private members of a JWK.</summary>
internal static class PrivateJwk
{
    internal static JoseError TryImport(in JwkMembers members, JwsAlgorithm? rsaAlgorithm, out ClientSigningKey? key)
    {
        key = null;
        JoseError error = JsonWebKey.FromPublicMembers(members, out JsonWebKey? jwk);
        if (error != JoseError.None)
        {
            return error;
        }

        if (jwk!.Use is not (null or "sig") || (jwk.KeyOps.Count > 0 && !jwk.KeyOps.Contains("sign")))
        {
            return JoseError.KeyAlgorithmMismatch;
        }

        error = jwk.Kty == "EC" ? ImportEc(members, jwk, out key) : ImportRsa(members, jwk, rsaAlgorithm, out key);
        if (key is not null && !SignsForItsPublicHalf(key))
        {
            key.Dispose();
            key = null;
            return JoseError.BadKey;
        }

        return error;
    }

    private static JoseError ImportEc(in JwkMembers members, JsonWebKey jwk, out ClientSigningKey? key)
    {
        key = null;
        EcCurve curve = EcCurve.ByName(jwk.Crv)!;
        if (jwk.Alg is not null && jwk.Alg != curve.Algorithm.Name())
        {
            return JoseError.KeyAlgorithmMismatch;
        }

        if (!Base64UrlStrict.TryDecode(members.D, out byte[]? d) || d.Length != curve.FieldSize
            || !Base64UrlStrict.TryDecode(jwk.X, out byte[]? x) || !Base64UrlStrict.TryDecode(jwk.Y, out byte[]? y))
        {
            return JoseError.BadKey;
        }

        try
        {
            var ecdsa = ECDsa.Create(new ECParameters { Curve = curve.Curve, Q = new ECPoint { X = x, Y = y }, D = d });
            key = ClientSigningKey.FromEcdsa(ecdsa, jwk.Kid);
            return JoseError.None;
        }
        catch (CryptographicException)
        {
            return JoseError.BadKey;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(d);
        }
    }

    private static JoseError ImportRsa(in JwkMembers members, JsonWebKey jwk, JwsAlgorithm? rsaAlgorithm, out ClientSigningKey? key)
    {
        key = null;
        JwsAlgorithm algorithm;
        if (jwk.Alg is null)
        {
            if (rsaAlgorithm is not { } given)
            {
                return JoseError.KeyAlgorithmMismatch;
            }

            algorithm = given;
        }
        else if (!JwsAlgorithms.TryParse(jwk.Alg, out algorithm))
        {
            return JoseError.UnsupportedAlgorithm;
        }

        if (algorithm is not (JwsAlgorithm.RS256 or JwsAlgorithm.PS256) || (rsaAlgorithm is { } asked && asked != algorithm))
        {
            return JoseError.KeyAlgorithmMismatch;
        }

        if (!TryRsaParameters(members, out RSAParameters parameters))
        {
            return JoseError.BadKey;
        }

        try
        {
            key = ClientSigningKey.FromRsa(RSA.Create(parameters), algorithm, jwk.Kid);
            return JoseError.None;
        }
        catch (CryptographicException)
        {
            return JoseError.BadKey;
        }
        finally
        {
            foreach (byte[]? part in (ReadOnlySpan<byte[]?>)[parameters.D, parameters.P, parameters.Q, parameters.DP, parameters.DQ, parameters.InverseQ])
            {
                CryptographicOperations.ZeroMemory(part);
            }
        }
    }

    /// <summary>All of p, q, dp, dq, qi must be there: the provider needs them, and only <c>d</c> is optional to nobody.</summary>
    private static bool TryRsaParameters(in JwkMembers members, out RSAParameters parameters)
    {
        parameters = default;
        if (!Base64UrlStrict.TryDecode(members.N, out byte[]? modulus) || !Base64UrlStrict.TryDecode(members.E, out byte[]? exponent))
        {
            return false;
        }

        int half = (modulus.Length + 1) / 2;
        if (!TryNumber(members.D, modulus.Length, out byte[]? d)
            || !TryNumber(members.P, half, out byte[]? p) || !TryNumber(members.Q, half, out byte[]? q)
            || !TryNumber(members.Dp, half, out byte[]? dp) || !TryNumber(members.Dq, half, out byte[]? dq)
            || !TryNumber(members.Qi, half, out byte[]? qi))
        {
            return false;
        }

        parameters = new RSAParameters { Modulus = modulus, Exponent = exponent, D = d, P = p, Q = q, DP = dp, DQ = dq, InverseQ = qi };
        return true;
    }

    /// <summary>A number left-padded to the length .NET wants; JWK writes it as short as it is.</summary>
    private static bool TryNumber(string? text, int length, out byte[]? number)
    {
        number = null;
        if (text is null || !Base64UrlStrict.TryDecode(text, out byte[]? bytes) || bytes.Length == 0 || bytes.Length > length)
        {
            return false;
        }

        number = new byte[length];
        bytes.CopyTo(number.AsSpan(length - bytes.Length));
        return true;
    }

    /// <summary>One signature, checked by the public half: a mismatched pair would otherwise be found at the first refused request.</summary>
    private static bool SignsForItsPublicHalf(ClientSigningKey key)
    {
        try
        {
            byte[] signature = new byte[key.SignatureSize];
            int written = key.Sign("check"u8, signature);
            if (!JwsKey.TryFromJwk(key.PublicJwk!, out JwsKey? verifier, out _))
            {
                return false;
            }

            using (verifier)
            {
                return verifier.Verify(key.Algorithm, "check"u8, signature.AsSpan(0, written));
            }
        }
        catch (CryptographicException)
        {
            return false;
        }
    }
}
