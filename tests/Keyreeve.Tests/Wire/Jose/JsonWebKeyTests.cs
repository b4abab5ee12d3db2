using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Keyreeve.Testing;
using Keyreeve.Wire.Jose;
using Xunit;

namespace Keyreeve.Tests.Wire.Jose;

public sealed class JsonWebKeyTests
{
    private static readonly JsonWebKey Ec = NewEc();
    private static readonly JsonWebKey Rsa = NewRsa(2048);
    private static readonly string EcMembers = $"\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"{Ec.X}\",\"y\":\"{Ec.Y}\"";
    private static readonly string RsaMembers = $"\"kty\":\"RSA\",\"n\":\"{Rsa.N}\",\"e\":\"AQAB\"";

    [Fact]
    [Proves("RFC 7517", "4")]
    public void A_key_is_written_as_it_was_read()
    {
        foreach (string json in (string[])[
            $$"""{"kty":"EC","kid":"a/../b","use":"sig","alg":"ES256","crv":"P-256","x":"{{Ec.X}}","y":"{{Ec.Y}}","key_ops":["verify"],"x5c":["MIIB"]}""",
            $$"""{"kty":"RSA","kid":"1","n":"{{Rsa.N}}","e":"AQAB"}"""])
        {
            JsonWebKey key = Read(json);
            Assert.Equal(json, Written(key.WritePublic));
            Assert.Equal(key, Read(Written(key.WritePublic)));
            Assert.NotEqual(key, key.WithKid("another"));
        }
    }

    [Theory]
    [InlineData("d")]
    [InlineData("p")]
    [InlineData("q")]
    [InlineData("dp")]
    [InlineData("dq")]
    [InlineData("qi")]
    [InlineData("oth")]
    [InlineData("k")]
    public void A_registered_key_with_a_private_member_is_refused(string member)
    {
        Assert.Equal(JoseError.PrivateKeyNotAllowed, ErrorOf($$"""{ {{EcMembers}},"{{member}}":"AA"}"""));
        Assert.Equal(JoseError.PrivateKeyNotAllowed, ErrorOf($$"""{ "{{member}}":"AA",{{RsaMembers}} }"""));
    }

    [Fact]
    [Proves("RFC 7518", "6.2.1")]
    public void An_ec_key_needs_a_known_curve_and_coordinates_of_its_length()
    {
        Assert.Equal(JoseError.None, ErrorOf($$"""{ {{EcMembers}} }"""));
        Assert.Equal(JoseError.BadKey, ErrorOf($$"""{"kty":"EC","x":"{{Ec.X}}","y":"{{Ec.Y}}"}"""));
        Assert.Equal(JoseError.BadKey, ErrorOf($$"""{"kty":"EC","crv":"P-256","x":"{{Ec.X}}"}"""));
        Assert.Equal(JoseError.BadKey, ErrorOf($$"""{"kty":"EC","crv":"P-384","x":"{{Ec.X}}","y":"{{Ec.Y}}"}"""));
        Assert.Equal(JoseError.BadKey, ErrorOf($$"""{"kty":"EC","crv":"P-256","x":"{{Ec.X}}=","y":"{{Ec.Y}}"}"""));
        Assert.Equal(JoseError.BadKey, ErrorOf($$"""{"kty":"EC","crv":"P-256","x":"AAAA{{Ec.X}}","y":"{{Ec.Y}}"}"""));
        Assert.Equal(JoseError.UnsupportedKey, ErrorOf($$"""{"kty":"EC","crv":"secp256k1","x":"{{Ec.X}}","y":"{{Ec.Y}}"}"""));
        Assert.Equal(JoseError.UnsupportedKey, ErrorOf("""{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"""));
    }

    [Fact]
    [Proves("RFC 7518", "6.2.1")]
    public void A_point_that_is_not_on_its_curve_is_refused()
    {
        string one = Base64UrlStrict.Encode([.. new byte[31], 1]);
        string zero = Base64UrlStrict.Encode(new byte[32]);
        foreach ((string x, string y) in ((string, string)[])[(one, one), (zero, zero), (Ec.X!, one), (Ec.Y!, Ec.X!),
            (Base64UrlStrict.Encode([.. Enumerable.Repeat((byte)0xff, 32)]), Ec.Y!)])
        {
            JsonWebKey key = Read($$"""{"kty":"EC","crv":"P-256","x":"{{x}}","y":"{{y}}"}""");
            Assert.False(JwsKey.TryFromJwk(key, out _, out JoseError error));
            Assert.Equal(JoseError.BadKey, error);
        }
    }

    [Fact]
    [Proves("RFC 7518", "6.3.1")]
    public void An_rsa_key_has_2048_to_8192_bits_and_an_odd_exponent()
    {
        Assert.Equal(JoseError.BadKey, ErrorOf(RsaJson(ModulusOf(1024), "AQAB")));
        byte[] bits2047 = ModulusOf(2048);
        bits2047[0] = 0x7f;
        Assert.Equal(JoseError.BadKey, ErrorOf(RsaJson(bits2047, "AQAB")));
        Assert.Equal(JoseError.BadKey, ErrorOf(RsaJson([0, .. ModulusOf(2048)], "AQAB")));
        Assert.Equal(JoseError.BadKey, ErrorOf(RsaJson([.. Enumerable.Repeat((byte)0xff, 1025)], "AQAB")));
        Assert.Equal(JoseError.BadKey, ErrorOf(RsaJson([], "AQAB")));
        foreach (string exponent in (string[])["", "AA", "AQ", "Ag", "AAEAAQ", "AQAA", "AQAAAAE"]) // none, 0, 1, 2, leading zero, even, 2^32+1
        {
            Assert.Equal(JoseError.BadKey, ErrorOf(RsaJson(ModulusOf(2048), exponent)));
        }

        Assert.Equal(JoseError.None, ErrorOf(RsaJson(ModulusOf(2048), "Aw")));
        Assert.Throws<ArgumentException>(() => NewRsa(1024));
    }

    [Theory]
    [InlineData("[]", JoseError.BadJson)]
    [InlineData("", JoseError.BadJson)]
    [InlineData("{}", JoseError.BadKey)]
    [InlineData("{\"kty\":1}", JoseError.BadKey)]
    [InlineData("{\"kty\":\"EC\",\"kty\":\"RSA\"}", JoseError.DuplicateMember)]
    [InlineData("{\"kty\":\"EC\",\"kid\":7}", JoseError.BadKey)]
    [InlineData("{\"kty\":\"EC\",\"key_ops\":\"verify\"}", JoseError.BadKey)]
    [InlineData("{\"kty\":\"EC\",\"key_ops\":[\"verify\",\"verify\"]}", JoseError.BadKey)]
    [InlineData("{\"kty\":\"EC\",\"x5c\":[1]}", JoseError.BadKey)]
    [InlineData("{\"kty\":\"EC\",\"x5c\":[\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\"]}", JoseError.BadKey)]
    [InlineData("{\"kty\":\"\"}", JoseError.UnsupportedKey)]
    [Proves("RFC 7517", "4")]
    public void A_key_of_the_wrong_shape_is_refused(string json, JoseError expected) => Assert.Equal(expected, ErrorOf(json));

    [Fact]
    public void A_duplicate_is_found_even_in_an_element_of_a_lenient_reader()
    {
        using var document = JsonDocument.Parse($$"""{ {{EcMembers}},"kid":"a","kid":"b"}""");
        Assert.False(JsonWebKey.TryRead(document.RootElement, out _, out JoseError error));
        Assert.Equal(JoseError.DuplicateMember, error);

        using var surrogate = JsonDocument.Parse($$"""{ {{EcMembers}},"kid":"\ud800"}""");
        Assert.False(JsonWebKey.TryRead(surrogate.RootElement, out _, out error));
        using var name = JsonDocument.Parse($$"""{ {{EcMembers}},"\ud800":"a"}""");
        Assert.False(JsonWebKey.TryRead(name.RootElement, out _, out error));
        Assert.False(JsonWebKey.TryRead(default(JsonElement), out _, out error));
    }

    [Fact]
    public void A_key_too_long_is_refused_unread() =>
        Assert.Equal(JoseError.TooLarge, ErrorOf("{\"x\":\"" + new string('x', JoseLimits.MaxKeyLength) + "\"}"));

    [Fact]
    [Proves("RFC 7518", "6.4")]
    public void A_secret_is_read_only_when_asked_for_and_never_shown()
    {
        string k = Base64UrlStrict.Encode(TestTokens.Secret);
        byte[] json = TestTokens.Utf8($$"""{"kty":"oct","kid":"s","k":"{{k}}"}""");
        Assert.False(JsonWebKey.TryRead(json, out _, out JoseError error));
        Assert.Equal(JoseError.PrivateKeyNotAllowed, error);

        Assert.True(JsonWebKey.TryReadSecret(json, out JsonWebKey? key, out _));
        Assert.DoesNotContain(k, key.ToString(), StringComparison.Ordinal);
        Assert.Contains("Kid = s", key.ToString(), StringComparison.Ordinal);
        Assert.Throws<InvalidOperationException>(() => Written(key.WritePublic));

        foreach (int length in (int[])[0, 31, JoseLimits.MaxSecretLength + 1])
        {
            string other = Base64UrlStrict.Encode(new byte[length]);
            Assert.False(JsonWebKey.TryReadSecret(TestTokens.Utf8($$"""{"kty":"oct","k":"{{other}}"}"""), out _, out error));
            Assert.Equal(JoseError.BadKey, error);
        }
    }

    [Theory]
    [InlineData("\"use\":\"enc\"", JoseError.KeyAlgorithmMismatch, "4.2")]
    [InlineData("\"use\":\"\"", JoseError.KeyAlgorithmMismatch, "4.2")]
    [InlineData("\"use\":\"sig\"", JoseError.None, "4.2")]
    [InlineData("\"key_ops\":[\"sign\"]", JoseError.KeyAlgorithmMismatch, "4.3")]
    [InlineData("\"key_ops\":[\"sign\",\"verify\"]", JoseError.None, "4.3")]
    [InlineData("\"alg\":\"ES256\"", JoseError.None, "4.4")]
    [InlineData("\"alg\":\"ES384\"", JoseError.KeyAlgorithmMismatch, "4.4")]
    [InlineData("\"alg\":\"HS256\"", JoseError.KeyAlgorithmMismatch, "4.4")]
    [InlineData("\"alg\":\"RS256\"", JoseError.KeyAlgorithmMismatch, "4.4")]
    [InlineData("\"alg\":\"none\"", JoseError.UnsupportedAlgorithm, "4.4")]
    [Proves("RFC 7517", "4.2")]
    [Proves("RFC 7517", "4.3")]
    [Proves("RFC 7517", "4.4")]
    public void Use_key_ops_and_alg_narrow_what_a_key_may_do(string member, JoseError expected, string section)
    {
        bool made = JwsKey.TryFromJwk(Read($$"""{ {{EcMembers}},{{member}} }"""), out JwsKey? key, out JoseError error);
        Assert.True(error == expected, section);
        Assert.Equal(expected == JoseError.None, made);
        key?.Dispose();
    }

    [Fact]
    [Proves("RFC 7517", "4.4")]
    public void An_rsa_key_that_names_its_algorithm_verifies_no_other()
    {
        Assert.True(JwsKey.TryFromJwk(Read($$"""{ {{RsaMembers}} }"""), out JwsKey? both, out _));
        Assert.Equal([JwsAlgorithm.RS256, JwsAlgorithm.PS256], both.Algorithms);
        Assert.True(JwsKey.TryFromJwk(Read($$"""{ {{RsaMembers}},"alg":"PS256"}"""), out JwsKey? one, out _));
        Assert.Equal([JwsAlgorithm.PS256], one.Algorithms);
        Assert.False(JwsKey.TryFromJwk(Read($$"""{ {{RsaMembers}},"alg":"RS512"}"""), out _, out JoseError error));
        Assert.Equal(JoseError.UnsupportedAlgorithm, error);
        both.Dispose();
        one.Dispose();
    }

    [Fact]
    [Proves("RFC 7638", "3")]
    public void A_thumbprint_depends_on_the_required_members_alone()
    {
        string expected = Base64UrlStrict.Encode(SHA256.HashData(Encoding.UTF8.GetBytes($$"""{"crv":"P-256","kty":"EC","x":"{{Ec.X}}","y":"{{Ec.Y}}"}""")));
        Assert.Equal(expected, Read($$"""{"use":"sig","alg":"ES256","kid":"z",{{EcMembers}} }""").Thumbprint());
        Assert.Equal(expected, Ec.Kid);
    }

    [Fact]
    [Proves("RFC 7517", "5")]
    public void A_set_leaves_out_what_it_does_not_know_and_keeps_equal_names()
    {
        string json = $$"""
            {"keys":[{"kty":"OKP","crv":"Ed25519","x":"AA","kid":"1"},{ {{EcMembers}},"kid":"1"},{ {{RsaMembers}},"kid":"1"},
             {"kty":"RSA","n":"AQAB","e":"AQAB","kid":"small"},{"kty":"EC","crv":"P-256"},{ {{EcMembers}},"kid":"2"}],"more":1}
            """;
        Assert.True(JsonWebKeySet.TryRead(TestTokens.Utf8(json), out JsonWebKeySet? set, out _));
        Assert.Equal(["1", "1", "2"], set.Keys.Select(key => key.Kid!));
        Assert.Equal(["EC", "RSA"], set.WithKid("1").Select(key => key.Kty));
        Assert.Equal(3, set.WithKid(null).Count());
        Assert.Empty(set.WithKid("3"));

        Assert.True(JsonWebKeySet.TryRead(TestTokens.Utf8(Written(set.WritePublic)), out JsonWebKeySet? again, out _));
        Assert.Equal(set, again);
    }

    [Fact]
    [Proves("RFC 7517", "5")]
    public void A_set_with_a_private_key_or_without_keys_is_refused()
    {
        Assert.Equal(JoseError.PrivateKeyNotAllowed, SetError($$"""{"keys":[{ {{EcMembers}} },{ {{EcMembers}},"d":"AA"}]}"""));
        Assert.Equal(JoseError.PrivateKeyNotAllowed, SetError("""{"keys":[{"kty":"OKP","crv":"Ed25519","x":"AA","d":"AA"}]}"""));
        Assert.Equal(JoseError.PrivateKeyNotAllowed, SetError("""{"keys":[{"kty":"oct","k":"AA"}]}"""));
        Assert.Equal(JoseError.DuplicateMember, SetError("""{"keys":[],"keys":[]}"""));
        Assert.Equal(JoseError.BadJson, SetError("""{"keys":[1]}"""));
        Assert.Equal(JoseError.BadJson, SetError("""{"keys":{}}"""));
        Assert.Equal(JoseError.BadJson, SetError("{}"));
        Assert.Equal(JoseError.BadJson, SetError("[]"));
        Assert.Equal(JoseError.None, SetError("""{"keys":[]}"""));
    }

    [Fact]
    public void A_set_with_too_many_keys_or_bytes_is_refused()
    {
        static string Set(int count) => "{\"keys\":[" + string.Join(",", Enumerable.Repeat("{\"kty\":\"x\"}", count)) + "]}";
        Assert.Equal(JoseError.None, SetError(Set(JoseLimits.MaxKeysInSet)));
        Assert.Equal(JoseError.TooLarge, SetError(Set(JoseLimits.MaxKeysInSet + 1)));
        Assert.Equal(JoseError.TooLarge, SetError(new string(' ', JoseLimits.MaxKeySetLength + 1)));
    }

    private static JsonWebKey NewEc()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        return JsonWebKey.FromEcdsa(key);
    }

    private static JsonWebKey NewRsa(int bits)
    {
        using var key = RSA.Create(bits);
        return JsonWebKey.FromRsa(key, JwsAlgorithm.RS256);
    }

    private static byte[] ModulusOf(int bits)
    {
        byte[] modulus = new byte[bits / 8];
        Array.Fill(modulus, (byte)0xff);
        return modulus;
    }

    private static string RsaJson(byte[] modulus, string exponent) =>
        $$"""{"kty":"RSA","n":"{{Base64UrlStrict.Encode(modulus)}}","e":"{{exponent}}"}""";

    private static JsonWebKey Read(string json)
    {
        Assert.True(JsonWebKey.TryRead(TestTokens.Utf8(json), out JsonWebKey? key, out JoseError error), error.ToString());
        return key;
    }

    private static JoseError ErrorOf(string json)
    {
        bool read = JsonWebKey.TryRead(TestTokens.Utf8(json), out JsonWebKey? key, out JoseError error);
        Assert.Equal(read, key is not null);
        return error;
    }

    private static JoseError SetError(string json)
    {
        bool read = JsonWebKeySet.TryRead(TestTokens.Utf8(json), out JsonWebKeySet? set, out JoseError error);
        Assert.Equal(read, set is not null);
        return error;
    }

    private static string Written(Action<Utf8JsonWriter> write)
    {
        using var stream = new MemoryStream();
        using (var writer = new Utf8JsonWriter(stream))
        {
            write(writer);
        }

        return Encoding.UTF8.GetString(stream.ToArray());
    }
}
