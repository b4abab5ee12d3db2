using System.Text.Json;
using Keyreeve.Testing;
using Keyreeve.Wire.Jose;
using Xunit;

namespace Keyreeve.Tests.Wire.Jose;

public sealed class JwtClaimsTests
{
    [Fact]
    [Proves("RFC 7519", "4.1")]
    [Proves("RFC 7519", "7.2")]
    public void Registered_and_other_claims_are_read()
    {
        JwtClaims claims = Read("""
            {"iss":"https://as.example","sub":"alice","aud":["a","b"],"exp":1900000000,"nbf":1,"iat":0,"jti":"id",
             "scope":"x y","groups":["g","h"],"n":-7,"cnf":{"jkt":"t"},"mixed":["a",1],"none":null}
            """);
        Assert.Equal(("https://as.example", "alice", "id"), (claims.Issuer, claims.Subject, claims.JwtId));
        Assert.Equal(["a", "b"], claims.Audience);
        Assert.Equal((1900000000L, 1L, 0L), (claims.ExpiresAt, claims.NotBefore, claims.IssuedAt));
        Assert.Equal("x y", claims.GetString("scope"));
        Assert.Equal(["x y"], claims.GetStrings("scope"));
        Assert.Equal(["g", "h"], claims.GetStrings("groups"));
        Assert.Equal(-7, claims.GetInteger("n"));
        Assert.True(claims.TryGetRaw("cnf", out JsonElement cnf));
        Assert.Equal("t", cnf.GetProperty("jkt").GetString());
    }

    [Fact]
    public void A_claim_of_another_type_or_absent_is_null_or_empty()
    {
        JwtClaims claims = Read("""{"text":"5","number":5,"half":5.5,"huge":1e30,"mixed":["a",1],"none":null,"object":{}}""");
        Assert.Null(claims.GetString("number"));
        Assert.Null(claims.GetString("none"));
        Assert.Null(claims.GetString("absent"));
        Assert.Null(claims.GetInteger("text"));
        Assert.Null(claims.GetInteger("half"));
        Assert.Null(claims.GetInteger("huge"));
        Assert.Empty(claims.GetStrings("mixed"));
        Assert.Empty(claims.GetStrings("object"));
        Assert.Empty(claims.GetStrings("absent"));
        Assert.False(claims.TryGetRaw("absent", out _));
        Assert.Null(claims.ExpiresAt);
        Assert.Empty(claims.Audience);
    }

    [Theory]
    [InlineData("1.9", 1)]
    [InlineData("1900000000.999", 1900000000)]
    [InlineData("1.9e9", 1900000000)]
    [InlineData("0", 0)]
    [InlineData("0.5", 0)]
    [InlineData("253402300799", 253402300799)]
    [InlineData("253402300799.5", 253402300799)]
    [Proves("RFC 7519", "2")]
    public void A_numeric_date_may_have_a_fraction_and_is_rounded_down(string number, long seconds)
    {
        Assert.Equal(seconds, Read($$"""{"exp":{{number}}}""").ExpiresAt);
        Assert.Equal(seconds, Read($$"""{"nbf":{{number}}}""").NotBefore);
        Assert.Equal(seconds, Read($$"""{"iat":{{number}}}""").IssuedAt);
    }

    [Theory]
    [InlineData("\"1900000000\"")]
    [InlineData("null")]
    [InlineData("true")]
    [InlineData("[1900000000]")]
    [InlineData("-1")]
    [InlineData("-0.5")]
    [InlineData("253402300800")]
    [InlineData("1e300")]
    [InlineData("1e999")]
    [InlineData("-1e999")]
    [InlineData("99999999999999999999999999")]
    [Proves("RFC 7519", "2")]
    public void A_date_that_is_not_a_number_from_1970_to_9999_is_refused(string value)
    {
        foreach (string name in (string[])["exp", "nbf", "iat"])
        {
            Assert.Equal(JoseError.BadClaim, ErrorOf($$"""{"{{name}}":{{value}}}"""));
        }
    }

    [Theory]
    [InlineData("""{"exp":NaN}""")]
    [InlineData("""{"exp":Infinity}""")]
    [InlineData("""{"exp":01}""")]
    [InlineData("""{"exp":+1}""")]
    [InlineData("""{"exp":0x1}""")]
    [InlineData("[]")]
    [InlineData("")]
    [InlineData("{} {}")]
    [InlineData("""{"sub":"\ud800"}""")]
    [InlineData("""{"sub":"\ud83dx"}""")]
    [InlineData("""{"x":["\udc00"]}""")]
    [Proves("RFC 7519", "7.2")]
    public void What_is_not_one_json_object_of_unicode_text_is_refused(string json) => Assert.Equal(JoseError.BadJson, ErrorOf(json));

    [Theory]
    [InlineData("""{"iss":1}""")]
    [InlineData("""{"sub":null}""")]
    [InlineData("""{"jti":["a"]}""")]
    [InlineData("""{"aud":1}""")]
    [InlineData("""{"aud":["a",1]}""")]
    [InlineData("""{"aud":[["a"]]}""")]
    [InlineData("""{"aud":[]}""")]
    [InlineData("""{"aud":null}""")]
    [InlineData("""{"aud":{"a":"b"}}""")]
    [Proves("RFC 7519", "4.1")]
    public void A_registered_claim_of_the_wrong_type_is_refused(string json) => Assert.Equal(JoseError.BadClaim, ErrorOf(json));

    [Theory]
    [InlineData("""{"sub":"alice","sub":"bob"}""")]
    [InlineData("""{"sub":"alice","s\u0075b":"bob"}""")]
    [InlineData("""{"cnf":{"jkt":"a","jkt":"b"}}""")]
    [InlineData("""{"a":[{"b":[{"c":1,"c":2}]}]}""")]
    [Proves("RFC 7519", "4")]
    public void A_duplicate_claim_is_refused_at_any_depth(string json) => Assert.Equal(JoseError.DuplicateMember, ErrorOf(json));

    [Fact]
    public void Depth_and_size_are_bounded()
    {
        static string Nested(int depth) => "{\"x\":" + new string('[', depth) + new string(']', depth) + "}";
        Assert.Equal(JoseError.None, ErrorOf(Nested(JoseLimits.MaxJsonDepth - 1)));
        Assert.Equal(JoseError.BadJson, ErrorOf(Nested(JoseLimits.MaxJsonDepth)));
        Assert.Equal(JoseError.TooLarge, ErrorOf("{\"x\":\"" + new string('y', JoseLimits.MaxTokenLength) + "\"}"));
    }

    [Fact]
    public void The_claims_do_not_change_with_the_array_they_were_read_from()
    {
        byte[] json = TestTokens.Utf8("""{"scope":"read"}""");
        Assert.True(JwtClaims.TryRead(json, out JwtClaims? claims, out _));
        Array.Fill(json, (byte)'x');
        Assert.Equal("read", claims.GetString("scope"));
    }

    private static JwtClaims Read(string json)
    {
        Assert.True(JwtClaims.TryRead(TestTokens.Utf8(json), out JwtClaims? claims, out JoseError error), error.ToString());
        return claims;
    }

    private static JoseError ErrorOf(string json)
    {
        bool read = JwtClaims.TryRead(TestTokens.Utf8(json), out JwtClaims? claims, out JoseError error);
        Assert.Equal(read, claims is not null);
        return error;
    }
}
