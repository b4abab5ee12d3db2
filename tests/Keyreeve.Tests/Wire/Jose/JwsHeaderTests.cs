using Keyreeve.Testing;
using Keyreeve.Wire.Jose;
using Xunit;

namespace Keyreeve.Tests.Wire.Jose;

public sealed class JwsHeaderTests
{
    [Theory]
    [InlineData("\"crit\":[]", JoseError.BadCritical)]
    [InlineData("\"crit\":\"b64\",\"b64\":true", JoseError.BadCritical)]
    [InlineData("\"crit\":null", JoseError.BadCritical)]
    [InlineData("\"crit\":[1]", JoseError.BadCritical)]
    [InlineData("\"crit\":[null]", JoseError.BadCritical)]
    [InlineData("\"crit\":[[\"b64\"]],\"b64\":true", JoseError.BadCritical)]
    [InlineData("\"crit\":[\"b64\",\"b64\"],\"b64\":true", JoseError.BadCritical)]
    [InlineData("\"crit\":[\"b64\"]", JoseError.BadCritical)]
    [InlineData("\"crit\":[\"alg\"]", JoseError.BadCritical)]
    [InlineData("\"crit\":[\"kid\"],\"kid\":\"1\"", JoseError.BadCritical)]
    [InlineData("\"crit\":[\"crit\"]", JoseError.BadCritical)]
    [InlineData("\"crit\":[\"enc\"],\"enc\":\"1\"", JoseError.BadCritical)]
    [InlineData("\"crit\":[\"\"]", JoseError.BadCritical)]
    [InlineData("\"crit\":[\"exp\"]", JoseError.BadCritical)]
    [InlineData("\"crit\":[\"exp\"],\"exp\":1", JoseError.UnsupportedCritical)]
    [InlineData("\"crit\":[\"B64\"],\"B64\":false", JoseError.UnsupportedCritical)]
    [InlineData("\"crit\":[\"b64\",\"exp\"],\"b64\":true,\"exp\":1", JoseError.UnsupportedCritical)]
    [InlineData("\"crit\":[\"b64\"],\"b64\":true", JoseError.None)]
    [InlineData("\"crit\":[\"b64\"],\"b64\":false", JoseError.UnencodedPayloadNotAllowed)]
    [InlineData("\"b64\":true", JoseError.None)]
    [InlineData("\"b64\":false", JoseError.BadHeader)]
    [InlineData("\"crit\":[\"b64\"],\"b64\":\"false\"", JoseError.BadHeader)]
    [InlineData("\"crit\":[\"b64\"],\"b64\":0", JoseError.BadHeader)]
    [Proves("RFC 7515", "4.1.11")]
    public void Crit_is_taken_only_as_it_must_be_written(string members, JoseError expected) =>
        Assert.Equal(expected, TestTokens.ErrorOf(TestTokens.WithHeader(members)));

    [Theory]
    [InlineData("{}", JoseError.BadHeader)]
    [InlineData("{\"alg\":null}", JoseError.BadHeader)]
    [InlineData("{\"alg\":[\"HS256\"]}", JoseError.BadHeader)]
    [InlineData("{\"alg\":\"HS256\",\"kid\":1}", JoseError.BadHeader)]
    [InlineData("{\"alg\":\"HS256\",\"typ\":null}", JoseError.BadHeader)]
    [InlineData("{\"alg\":\"HS256\",\"cty\":{}}", JoseError.BadHeader)]
    [InlineData("[]", JoseError.BadJson)]
    [InlineData("null", JoseError.BadJson)]
    [InlineData("\"alg\"", JoseError.BadJson)]
    [InlineData("", JoseError.BadJson)]
    [InlineData("{\"alg\":\"HS256\"", JoseError.BadJson)]
    [InlineData("{\"alg\":\"HS256\",}", JoseError.BadJson)]
    [InlineData("{\"alg\":\"HS256\"}x", JoseError.BadJson)]
    [InlineData("{\"alg\":\"HS256\"/**/}", JoseError.BadJson)]
    [Proves("RFC 7515", "4.1")]
    public void A_header_of_the_wrong_shape_is_refused(string header, JoseError expected) =>
        Assert.Equal(expected, TestTokens.ErrorOf($"{TestTokens.Encode(header)}.e30.AAAA"));

    [Fact]
    public void A_header_deeper_than_the_limit_is_refused()
    {
        static string Nested(int depth) => "{\"alg\":\"HS256\",\"x\":" + new string('[', depth) + new string(']', depth) + "}";
        Assert.Equal(JoseError.None, TestTokens.ErrorOf($"{TestTokens.Encode(Nested(JoseLimits.MaxJsonDepth - 1))}.e30.AAAA"));
        Assert.Equal(JoseError.BadJson, TestTokens.ErrorOf($"{TestTokens.Encode(Nested(JoseLimits.MaxJsonDepth))}.e30.AAAA"));
    }

    [Fact]
    [Proves("RFC 7515", "4.1")]
    public void The_members_that_matter_are_read()
    {
        JwsHeader header = TestTokens.Read(TestTokens.WithHeader("\"kid\":\"../../etc/passwd\",\"typ\":\"at+jwt\",\"cty\":\"json\",\"jti\":7")).Header;
        Assert.Equal(JwsAlgorithm.HS256, header.Algorithm);
        Assert.Equal("../../etc/passwd", header.Kid); // opaque
        Assert.Equal("at+jwt", header.Typ);
        Assert.Equal("json", header.Cty);
        Assert.False(header.UnencodedPayload);
    }

    [Theory]
    [InlineData("at+jwt", "at+jwt", true)]
    [InlineData("AT+JWT", "at+jwt", true)]
    [InlineData("application/at+jwt", "at+jwt", true)]
    [InlineData("Application/AT+jwt", "at+jwt", true)]
    [InlineData("at+jwt", "application/at+jwt", true)]
    [InlineData("JWT", "at+jwt", false)]
    [InlineData("application/application/at+jwt", "at+jwt", false)]
    [InlineData("text/at+jwt", "at+jwt", false)]
    [InlineData("at+jwt;v=1", "at+jwt", false)]
    [InlineData("", "at+jwt", false)]
    [InlineData("application/", "at+jwt", false)]
    [Proves("RFC 7515", "4.1.9")]
    public void Typ_is_compared_as_a_media_type(string typ, string expected, bool same) =>
        Assert.Equal(same, TestTokens.Read(TestTokens.WithHeader($"\"typ\":\"{typ}\"")).Header.HasTyp(expected));

    [Fact]
    [Proves("RFC 7515", "4.1.9")]
    public void A_header_without_typ_has_none()
    {
        JwsHeader header = TestTokens.Read(TestTokens.WithHeader("\"kid\":\"1\"")).Header;
        Assert.Null(header.Typ);
        Assert.False(header.HasTyp("at+jwt"));
        Assert.False(header.HasTyp(""));
    }
}
