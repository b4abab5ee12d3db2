using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Keyreeve.Testing;
using Keyreeve.Wire.Jose;
using Xunit;

namespace Keyreeve.Slices.Tests.OpenId;

/// <summary>Introspection answers that a resource server can show to others.</summary>
[Proves("RFC 9701", "5")]
public sealed class SignedIntrospectionTests(OpenIdServer server) : IClassFixture<OpenIdServer>
{
    private const string Signed = "application/token-introspection+jwt";

    [Fact]
    public async Task The_signed_answer_says_what_the_plain_one_says_to_this_caller_and_no_other()
    {
        var token = (string)(await server.NewFlow().TokensAsync())["access_token"]!;
        foreach (var caller in (string[])["seal-client", "val-server"])
        {
            var plain = await server.IntrospectAsync(caller, token);
            var answer = await AskAsync(caller, token, Signed);
            Assert.Equal(HttpStatusCode.OK, answer.Status);
            Assert.Equal(Signed, answer.Response.Content.Headers.ContentType!.ToString());
            Assert.True(answer.Response.Headers.CacheControl!.NoStore);
            var header = OpenIdServer.HeaderOf(answer.Text);
            Assert.Equal(("token-introspection+jwt", "ES256"), ((string)header["typ"]!, (string)header["alg"]!));
            var claims = OpenIdServer.ClaimsOf(answer.Text);
            Assert.Equal(["iss", "aud", "iat", "token_introspection"], claims.Select(m => m.Key));
            Assert.Equal((server.Issuer, caller), ((string)claims["iss"]!, (string)claims["aud"]!));
            Assert.InRange((long)claims["iat"]! - server.Server.Time.GetUtcNow().ToUnixTimeSeconds(), -60, 0);
            Assert.True(JsonNode.DeepEquals(plain, claims["token_introspection"]), answer.Text);
            await AssertVerifiesAsync(answer.Text);
        }
    }

    [Fact]
    public async Task A_no_is_signed_as_well_and_tells_as_little()
    {
        var token = (string)(await server.NewFlow().TokensAsync())["access_token"]!;
        foreach (var (caller, asked) in ((string, string)[])[("machine-client", token), ("openid-client", token), ("seal-client", "x")])
            Assert.Equal("{\"active\":false}", OpenIdServer.ClaimsOf((await AskAsync(caller, asked, Signed)).Text)["token_introspection"]!.ToJsonString());
    }

    [Fact]
    [Proves("RFC 9701", "8.1")]
    public async Task A_signed_answer_is_no_access_token_and_no_hint()
    {
        var tokens = await server.NewFlow().TokensAsync();
        var answer = (await AskAsync("seal-client", (string)tokens["access_token"]!, Signed)).Text;
        Assert.Equal(HttpStatusCode.Unauthorized, (await server.GetAsync("/userinfo", answer)).Status);
        Assert.False(await server.IsActiveAsync("seal-client", answer));
        var flow = server.NewFlow();
        flow.Parameters["id_token_hint"] = answer;
        Assert.Equal("invalid_request", (await server.GetAsync(flow.AuthorizeAddress))["error"]);
    }

    [Fact]
    public async Task It_is_signed_by_the_algorithm_of_the_callers_registration()
    {
        await server.ChangeClientAsync("openid-client", c => c with { Audience = "https://val.example/pump-control" });
        var token = (string)(await server.NewFlow().TokensAsync())["access_token"]!;
        var answer = (await AskAsync("openid-client", token, Signed)).Text;
        Assert.Equal("RS256", (string)OpenIdServer.HeaderOf(answer)["alg"]!);
        await AssertVerifiesAsync(answer);
        var supported = (await server.GetAsync("/.well-known/openid-configuration")).Json["introspection_signing_alg_values_supported"]!.AsArray();
        Assert.Equal(["ES256", "RS256"], supported.Select(a => (string)a!));
        // The other tests of this server are about a client that is no resource server.
        await server.ChangeClientAsync("openid-client", c => c with { Audience = null });
    }

    [Theory]
    [InlineData(null, false)]
    [InlineData("", false)]
    [InlineData("*/*", false)]
    [InlineData("application/*", false)]
    [InlineData("application/json", false)]
    [InlineData("application/jwt", false)]
    [InlineData("application/token-introspection", false)]
    [InlineData("application/token-introspection+jwt;q=0", false)]
    [InlineData("application/token-introspection+jwt;q=0.5, application/json", false)]
    [InlineData("application/token-introspection+jwt;q=0.5, */*;q=0.6", false)]
    [InlineData("junk, ;;;", false)]
    [InlineData("Application/Token-Introspection+JWT", true)]
    [InlineData("application/token-introspection+jwt, application/json;q=0.9", true)]
    [InlineData("application/json, application/token-introspection+jwt", true)]
    [InlineData("application/token-introspection+jwt;q=0.5, application/json;q=0.4, */*", true)]
    [InlineData("text/html, application/token-introspection+jwt;q=0.1", true)]
    [Proves("RFC 9701", "4")]
    public async Task Only_who_names_it_and_prefers_nothing_else_gets_it(string? accept, bool signed)
    {
        var answer = await AskAsync("seal-client", "x", accept);
        Assert.Equal(signed ? Signed : "application/json", answer.Response.Content.Headers.ContentType!.ToString());
        if (!signed)
            Assert.Equal("{\"active\":false}", answer.Text);
    }

    [Fact]
    public async Task A_refused_caller_gets_the_plain_error()
    {
        var refused = await server.SendAsync(Request(null, "x", Signed));
        refused.AssertError(HttpStatusCode.Unauthorized, "invalid_client");
    }

    private Task<Answer> AskAsync(string caller, string token, string? accept) => server.SendAsync(Request(caller, token, accept));

    private HttpRequestMessage Request(string? caller, string token, string? accept)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, "/introspect") { Content = new FormUrlEncodedContent([KeyValuePair.Create("token", token)]) };
        if (caller is not null)
            request.Headers.Authorization = server.Server.Basic(caller);
        if (accept is not null)
            request.Headers.TryAddWithoutValidation("Accept", accept);
        return request;
    }

    private async Task AssertVerifiesAsync(string jwt)
    {
        Assert.True(JwsCompact.TryRead(jwt, out var jws, out _));
        Assert.True(JsonWebKeySet.TryRead(Encoding.UTF8.GetBytes((await server.GetAsync("/jwks")).Text), out var set, out _));
        var key = set.Keys.Single(k => k.Kid == jws.Header.Kid);
        Assert.True(JwsKey.TryFromJwk(key, out var verifying, out _));
        Assert.True(jws.Verify(verifying));
    }
}
