using System.Security.Cryptography;
using Keyreeve.Testing;
using Keyreeve.Wire.Jose;
using Xunit;

namespace Keyreeve.Tests.Wire.Jose;

public sealed class ClientSigningKeyTests
{
    [Fact]
    [Proves("RFC 7518", "6.2.2")]
    public void A_private_ec_key_is_read_and_signs_for_its_public_half()
    {
        foreach (ECCurve curve in (ECCurve[])[ECCurve.NamedCurves.nistP256, ECCurve.NamedCurves.nistP384])
        {
            using var ecdsa = ECDsa.Create(curve);
            using ClientSigningKey key = ReadEc(Ec(ecdsa));
            using JwsKey verifier = TestTokens.VerifierOf(key);
            byte[] signature = new byte[key.SignatureSize];
            key.Sign("input"u8, signature);
            Assert.True(verifier.Verify(key.Algorithm, "input"u8, signature));
            Assert.Equal(key.PublicJwk!.Thumbprint(), key.KeyId);
        }
    }

    [Fact]
    [Proves("RFC 7518", "6.2.2")]
    public void A_private_half_that_belongs_to_another_key_is_refused()
    {
        using var one = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var two = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        ECParameters mixed = one.ExportParameters(true);
        mixed.D = two.ExportParameters(true).D;
        Assert.Equal(JoseError.BadKey, ErrorOf(Ec(mixed)));

        foreach (byte[] d in (byte[][])[new byte[32], [.. Enumerable.Repeat((byte)0xff, 32)], new byte[31], [], new byte[33]])
        {
            mixed.D = d;
            Assert.Equal(JoseError.BadKey, ErrorOf(Ec(mixed)));
        }
    }

    [Fact]
    [Proves("RFC 7518", "6.3.2")]
    public void A_private_rsa_key_needs_all_its_numbers_and_one_algorithm()
    {
        using var rsa = RSA.Create(2048);
        string json = Rsa(rsa.ExportParameters(true), ",\"alg\":\"PS256\"");
        Assert.True(ClientSigningKey.TryReadPrivate(TestTokens.Utf8(json), out ClientSigningKey? key, out _));
        Assert.Equal(JwsAlgorithm.PS256, key.Algorithm);
        key.Dispose();

        Assert.Equal(JoseError.KeyAlgorithmMismatch, ErrorOf(Rsa(rsa.ExportParameters(true), "")));
        Assert.Equal(JoseError.KeyAlgorithmMismatch, ErrorOf(json, JwsAlgorithm.RS256));
        Assert.Equal(JoseError.KeyAlgorithmMismatch, ErrorOf(Rsa(rsa.ExportParameters(true), ",\"alg\":\"ES256\"")));
        Assert.Equal(JoseError.UnsupportedAlgorithm, ErrorOf(Rsa(rsa.ExportParameters(true), ",\"alg\":\"RS1\"")));
        Assert.Equal(JoseError.KeyAlgorithmMismatch, ErrorOf(Rsa(rsa.ExportParameters(true), ",\"alg\":\"PS256\",\"use\":\"enc\"")));
        foreach (string member in (string[])["d", "p", "q", "dp", "dq", "qi"])
        {
            Assert.Equal(JoseError.BadKey, ErrorOf(json.Replace($"\"{member}\":", $"\"no-{member}\":", StringComparison.Ordinal)));
        }

        RSAParameters swapped = rsa.ExportParameters(true);
        using var other = RSA.Create(2048);
        swapped.Modulus = other.ExportParameters(false).Modulus;
        Assert.Equal(JoseError.BadKey, ErrorOf(Rsa(swapped, ",\"alg\":\"RS256\"")));
    }

    [Fact]
    public void A_signing_key_never_shows_itself()
    {
        using var ecdsa = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        string json = Ec(ecdsa);
        using ClientSigningKey key = ReadEc(json);
        string d = Base64UrlStrict.Encode(ecdsa.ExportParameters(true).D);
        Assert.DoesNotContain(d, key.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain(d, key.PublicJwk!.ToString(), StringComparison.Ordinal);
        Assert.Null(key.PublicJwk.K);
        Assert.Equal(JoseError.PrivateKeyNotAllowed, PublicError(json));
    }

    [Fact]
    public void A_secret_and_a_key_of_no_kind_are_not_private_keys()
    {
        Assert.Equal(JoseError.UnsupportedKey, ErrorOf($$"""{"kty":"oct","k":"{{Base64UrlStrict.Encode(TestTokens.Secret)}}"}"""));
        Assert.Equal(JoseError.BadJson, ErrorOf("x"));
        Assert.Equal(JoseError.TooLarge, ErrorOf(new string(' ', JoseLimits.MaxKeyLength + 1)));
        using ClientSigningKey secret = TestTokens.NewHs256();
        Assert.Null(secret.PublicJwk);
        Assert.Equal("", secret.KeyId);
    }

    private static string Ec(ECDsa ecdsa) => Ec(ecdsa.ExportParameters(true));

    private static string Ec(ECParameters key) =>
        $$"""{"kty":"EC","crv":"{{(key.Q.X!.Length == 32 ? "P-256" : "P-384")}}","x":"{{Base64UrlStrict.Encode(key.Q.X)}}","y":"{{Base64UrlStrict.Encode(key.Q.Y)}}","d":"{{Base64UrlStrict.Encode(key.D)}}"}""";

    private static string Rsa(RSAParameters key, string more)
    {
        static string E(byte[]? number) => Base64UrlStrict.Encode(number.AsSpan(number.AsSpan().IndexOfAnyExcept((byte)0)));
        return $$"""{"kty":"RSA","n":"{{E(key.Modulus)}}","e":"{{E(key.Exponent)}}","d":"{{E(key.D)}}","p":"{{E(key.P)}}","q":"{{E(key.Q)}}","dp":"{{E(key.DP)}}","dq":"{{E(key.DQ)}}","qi":"{{E(key.InverseQ)}}"{{more}} }""";
    }

    private static ClientSigningKey ReadEc(string json)
    {
        Assert.True(ClientSigningKey.TryReadPrivate(TestTokens.Utf8(json), out ClientSigningKey? key, out JoseError error), error.ToString());
        return key;
    }

    private static JoseError ErrorOf(string json, JwsAlgorithm? rsaAlgorithm = null)
    {
        Assert.False(ClientSigningKey.TryReadPrivate(TestTokens.Utf8(json), out ClientSigningKey? key, out JoseError error, rsaAlgorithm));
        Assert.Null(key);
        return error;
    }

    private static JoseError PublicError(string json)
    {
        _ = JsonWebKey.TryRead(TestTokens.Utf8(json), out _, out JoseError error);
        return error;
    }
}
