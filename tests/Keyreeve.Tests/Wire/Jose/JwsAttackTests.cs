using System.Security.Cryptography;
using Keyreeve.Testing;
using Keyreeve.Wire.Jose;
using Xunit;

namespace Keyreeve.Tests.Wire.Jose;

/// <summary>The known ways to get a token past a checker, by name.</summary>
public sealed class JwsAttackTests : IDisposable
{
    private const string OrderP256 = "FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551";
    private const string OrderP384 = "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973";

    private readonly ClientSigningKey es256 = TestTokens.NewEs256();
    private readonly JwsKey es256Public;

    public JwsAttackTests() => es256Public = TestTokens.VerifierOf(es256);

    public void Dispose()
    {
        es256.Dispose();
        es256Public.Dispose();
    }

    [Theory]
    [InlineData("none")]
    [InlineData("None")]
    [InlineData("NONE")]
    [InlineData("")]
    [InlineData("es256")]
    [InlineData("HS384")]
    [Proves("RFC 8725", "3.1")]
    public void Alg_none_and_its_spellings_do_not_exist(string name)
    {
        string header = TestTokens.Encode($$"""{"alg":"{{name}}"}""");
        Assert.Equal(JoseError.UnsupportedAlgorithm, TestTokens.ErrorOf($"{header}.{TestTokens.Encode(TestTokens.Claims)}."));
        Assert.False(JwsAlgorithms.TryParse(name, out _));
        Assert.False(JwsAlgorithms.TryParse(TestTokens.Utf8(name), out _));
    }

    [Fact]
    [Proves("RFC 7518", "3.4")]
    public void A_psychic_signature_of_zeros_is_refused()
    {
        Assert.False(WithSignature(new byte[64]).Verify(es256Public));

        using ClientSigningKey es384 = ClientSigningKey.FromEcdsa(ECDsa.Create(ECCurve.NamedCurves.nistP384));
        using JwsKey es384Public = TestTokens.VerifierOf(es384);
        Assert.False(es384Public.Verify(JwsAlgorithm.ES384, "input"u8, new byte[96]));
    }

    [Theory]
    [InlineData(JwsAlgorithm.ES256, OrderP256)]
    [InlineData(JwsAlgorithm.ES384, OrderP384)]
    [Proves("RFC 7518", "3.4")]
    public void R_and_s_outside_1_to_n_minus_1_are_refused(JwsAlgorithm algorithm, string orderHex)
    {
        byte[] order = Convert.FromHexString(orderHex);
        ECCurve curve = algorithm == JwsAlgorithm.ES256 ? ECCurve.NamedCurves.nistP256 : ECCurve.NamedCurves.nistP384;
        using ClientSigningKey signer = ClientSigningKey.FromEcdsa(ECDsa.Create(curve));
        using JwsKey verifier = TestTokens.VerifierOf(signer);
        byte[] good = new byte[signer.SignatureSize];
        signer.Sign("input"u8, good);
        Assert.True(verifier.Verify(algorithm, "input"u8, good));
        (byte[] r, byte[] s) = (good[..order.Length], good[order.Length..]);
        byte[] zero = new byte[order.Length];
        byte[] ones = [.. Enumerable.Repeat((byte)0xff, order.Length)];

        byte[] most = [.. order];
        most[^1]--; // both orders end in an odd byte
        byte[] one = [.. new byte[order.Length - 1], 1];
        Assert.True(algorithm.IsSignatureShaped((byte[])[.. one, .. most]));
        Assert.True(algorithm.IsSignatureShaped((byte[])[.. most, .. one]));

        foreach (byte[] outside in (byte[][])[zero, order, ones])
        {
            Assert.False(algorithm.IsSignatureShaped((byte[])[.. outside, .. one]));
            Assert.False(algorithm.IsSignatureShaped((byte[])[.. one, .. outside]));
            Assert.False(verifier.Verify(algorithm, "input"u8, [.. outside, .. s]));
            Assert.False(verifier.Verify(algorithm, "input"u8, [.. r, .. outside]));
        }
    }

    [Fact]
    [Proves("RFC 7518", "3.4")]
    public void A_der_signature_and_one_of_another_length_are_refused()
    {
        using var ecdsa = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using JwsKey key = JwsKey.FromEcdsa(ecdsa, null);
        byte[] input = TestTokens.Utf8("input");
        byte[] der = ecdsa.SignData(input, HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence);
        byte[] plain = ecdsa.SignData(input, HashAlgorithmName.SHA256);

        Assert.True(key.Verify(JwsAlgorithm.ES256, input, plain));
        Assert.False(key.Verify(JwsAlgorithm.ES256, input, der));
        Assert.False(key.Verify(JwsAlgorithm.ES256, input, plain.AsSpan(0, 63)));
        Assert.False(key.Verify(JwsAlgorithm.ES256, input, [.. plain, 0]));
        Assert.False(key.Verify(JwsAlgorithm.ES256, input, []));
    }

    [Fact]
    [Proves("RFC 8725", "3.1")]
    public void An_rsa_public_key_is_never_an_hmac_secret()
    {
        using var rsa = RSA.Create(2048);
        using JwsKey key = JwsKey.FromRsa(rsa, null, JwsAlgorithm.RS256);
        foreach (byte[] asSecret in (byte[][])[rsa.ExportParameters(false).Modulus!, rsa.ExportSubjectPublicKeyInfo(),
            TestTokens.Utf8(rsa.ExportSubjectPublicKeyInfoPem()), rsa.ExportRSAPublicKey()])
        {
            using ClientSigningKey forger = ClientSigningKey.FromSecret(asSecret);
            JwsCompact forged = TestTokens.Read(TestTokens.Signed("""{"alg":"HS256"}""", forger));
            Assert.False(forged.Verify(key));
        }
    }

    [Fact]
    [Proves("RFC 8725", "3.1")]
    public void The_key_and_not_the_header_selects_the_algorithm()
    {
        using var rsa = RSA.Create(2048);
        using JwsKey rs256Only = JwsKey.FromRsa(rsa, null, JwsAlgorithm.RS256);
        byte[] pss = rsa.SignData("input"u8.ToArray(), HashAlgorithmName.SHA256, RSASignaturePadding.Pss);

        using JwsKey ps256Only = JwsKey.FromRsa(rsa, null, JwsAlgorithm.PS256);
        Assert.True(ps256Only.Verify(JwsAlgorithm.PS256, "input"u8, pss));
        Assert.False(rs256Only.Verify(JwsAlgorithm.PS256, "input"u8, pss));
        Assert.False(ps256Only.Verify(JwsAlgorithm.RS256, "input"u8, pss));
        Assert.False(es256Public.Verify(JwsAlgorithm.HS256, "input"u8, new byte[32]));
    }

    [Fact]
    [Proves("RFC 7797", "7")]
    public void A_jwt_with_an_unencoded_payload_is_refused()
    {
        string header = """{"alg":"HS256","typ":"JWT","b64":false,"crit":["b64"]}""";
        using ClientSigningKey key = TestTokens.NewHs256();
        Assert.Equal(JoseError.UnencodedPayloadNotAllowed, TestTokens.ErrorOf(TestTokens.Signed(header, key)));

        using JwsKey verifier = JwsKey.FromSecret(TestTokens.Secret, null);
        byte[] signature = new byte[32];
        key.Sign(TestTokens.Utf8(TestTokens.Encode(header) + ".body"), signature);
        string detached = $"{TestTokens.Encode(header)}..{Base64UrlStrict.Encode(signature)}";
        Assert.False(DetachedJws.TryVerify(detached, "body"u8, verifier, out JoseError error));
        Assert.Equal(JoseError.UnencodedPayloadNotAllowed, error);
    }

    [Theory]
    [InlineData("""{"alg":"ES256","alg":"HS256"}""")]
    [InlineData("""{"alg":"ES256","\u0061lg":"ES256"}""")]
    [InlineData("""{"alg":"ES256","x":{"y":1,"y":2}}""")]
    [Proves("RFC 7515", "4")]
    public void A_duplicate_header_member_is_refused_at_any_depth(string header) =>
        Assert.Equal(JoseError.DuplicateMember, TestTokens.ErrorOf(TestTokens.Signed(header, es256)));

    [Fact]
    public void A_token_of_a_megabyte_is_refused_without_work()
    {
        string valid = TestTokens.Signed("""{"alg":"ES256"}""", es256);
        string huge = valid[..valid.LastIndexOf('.')] + new string('A', 1 << 20) + valid[valid.LastIndexOf('.')..];
        Assert.Equal(JoseError.TooLarge, TestTokens.ErrorOf(huge));

        long before = GC.GetAllocatedBytesForCurrentThread();
        _ = JwsCompact.TryRead(huge, out _, out _);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Fact]
    public void A_header_or_a_signature_longer_than_any_real_one_is_refused_before_it_is_decoded()
    {
        string longHeader = TestTokens.Encode($$"""{"alg":"ES256","kid":"{{new string('k', JoseLimits.MaxHeaderLength)}}"}""");
        Assert.Equal(JoseError.TooLarge, TestTokens.ErrorOf($"{longHeader}.e30.AAAA"));
        string longSignature = Base64UrlStrict.Encode(new byte[JwsAlgorithms.MaxSignatureSize + 1]);
        Assert.Equal(JoseError.TooLarge, TestTokens.ErrorOf($"{TestTokens.Encode("""{"alg":"ES256"}""")}.e30.{longSignature}"));
    }

    [Theory]
    [InlineData("jwk")]
    [InlineData("x5c")]
    [InlineData("jku")]
    [InlineData("x5u")]
    [Proves("RFC 7515", "4.1")]
    public void A_key_that_the_token_brings_along_is_ignored(string member)
    {
        using ClientSigningKey attacker = TestTokens.NewEs256();
        JsonWebKey jwk = attacker.PublicJwk!;
        string value = member switch
        {
            "jwk" => $$"""{"kty":"EC","crv":"P-256","x":"{{jwk.X}}","y":"{{jwk.Y}}"}""",
            "x5c" => """["MIIB"]""",
            _ => "\"https://evil.example/keys\"",
        };
        JwsCompact jws = TestTokens.Read(TestTokens.Signed($$"""{"alg":"ES256","{{member}}":{{value}}}""", attacker));
        Assert.False(jws.Verify(es256Public));
    }

    [Fact]
    [Proves("RFC 7515", "4.1.3")]
    public void The_header_key_is_given_when_asked_for_and_never_with_private_members()
    {
        JsonWebKey jwk = es256.PublicJwk!;
        string point = $"\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"{jwk.X}\",\"y\":\"{jwk.Y}\"";

        JwsCompact good = TestTokens.Read(TestTokens.Signed($$"""{"alg":"ES256","jwk":{ {{point}} } }""", es256));
        Assert.True(good.TryReadHeaderKey(out JsonWebKey? key, out _));
        Assert.Equal(jwk.Thumbprint(), key.Thumbprint());
        Assert.True(JwsKey.TryFromJwk(key, out JwsKey? verifier, out _));
        Assert.True(good.Verify(verifier));
        verifier.Dispose();

        JwsCompact leaking = TestTokens.Read(TestTokens.Signed($$"""{"alg":"ES256","jwk":{ {{point}},"d":"AA"} }""", es256));
        Assert.False(leaking.TryReadHeaderKey(out _, out JoseError error));
        Assert.Equal(JoseError.PrivateKeyNotAllowed, error);

        Assert.False(TestTokens.Read(TestTokens.Signed("""{"alg":"ES256"}""", es256)).TryReadHeaderKey(out _, out error));
        Assert.Equal(JoseError.BadHeader, error);
    }

    [Theory]
    [InlineData("")]
    [InlineData(".")]
    [InlineData("a.b")]
    [InlineData("a.b.c.d")]
    [InlineData("a.b.c.d.e")]
    [InlineData("....")]
    [Proves("RFC 7515", "7.1")]
    public void Anything_but_two_dots_is_refused(string token) => Assert.Equal(JoseError.NotThreeParts, TestTokens.ErrorOf(token));

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [Proves("RFC 7515", "2")]
    public void Padding_white_space_and_other_spellings_are_refused_in_every_part(int part)
    {
        string[] parts = TestTokens.Signed("""{"alg":"ES256"}""", es256, "payload!").Split('.');
        foreach (string spoilt in (string[])[parts[part] + "=", parts[part] + "==", parts[part] + "%3D", " " + parts[part], parts[part] + "\n", "\t" + parts[part],
            parts[part].Insert(4, "\r\n"), "+" + parts[part], "/" + parts[part], parts[part] + "\0", "é" + parts[part], "\ud800" + parts[part]])
        {
            string[] changed = [.. parts];
            changed[part] = spoilt;
            Assert.Equal(JoseError.BadBase64Url, TestTokens.ErrorOf(string.Join('.', changed)));
        }
    }

    [Fact]
    [Proves("RFC 7515", "2")]
    public void A_signature_has_one_spelling()
    {
        string token = TestTokens.Signed("""{"alg":"ES256"}""", es256); // 64 bytes leave four bits over in the last character
        const string alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        int last = alphabet.IndexOf(token[^1]);
        for (int other = last + 1; other < last + 16; other++)
        {
            Assert.Equal(JoseError.BadBase64Url, TestTokens.ErrorOf(token[..^1] + alphabet[other]));
        }
    }

    [Fact]
    [Proves("RFC 8259", "8.1")]
    public void A_header_that_is_not_utf_8_or_not_unicode_is_refused()
    {
        Assert.Equal(JoseError.BadJson, ErrorOfHeader([.. "{\"alg\":\"ES256\",\"kid\":\""u8, 0xc3, 0x28, .. "\"}"u8]));
        Assert.Equal(JoseError.BadJson, ErrorOfHeader([0xef, 0xbb, 0xbf, .. "{\"alg\":\"ES256\"}"u8]));
        Assert.Equal(JoseError.BadJson, ErrorOfHeader("""{"alg":"ES256","kid":"\ud800"}"""u8.ToArray()));
        Assert.Equal(JoseError.BadJson, ErrorOfHeader("""{"alg":"ES256","\udc00":1}"""u8.ToArray()));
        Assert.Equal(JoseError.None, ErrorOfHeader("""{"alg":"ES256","kid":"\ud83d\ude00"}"""u8.ToArray()));
    }

    private static JoseError ErrorOfHeader(byte[] header) => TestTokens.ErrorOf($"{Base64UrlStrict.Encode(header)}.e30.AAAA");

    private static JwsCompact WithSignature(byte[] signature) => TestTokens.Read(
        $"{TestTokens.Encode("""{"alg":"ES256"}""")}.{TestTokens.Encode(TestTokens.Claims)}.{Base64UrlStrict.Encode(signature)}");
}
