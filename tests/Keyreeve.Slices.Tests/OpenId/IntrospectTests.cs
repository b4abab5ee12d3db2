using System.Net;
using System.Text.Json.Nodes;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Slices.Tests.OpenId;

/// <summary>Who may learn what of a token.</summary>
[Proves("RFC 7662", "2")]
[Proves("RFC 7662", "2.2")]
public sealed class IntrospectTests(OpenIdServer server) : IClassFixture<OpenIdServer>
{
    private const string Inactive = "{\"active\":false}";

    [Fact]
    public async Task The_client_and_the_resource_server_it_is_for_learn_of_a_token()
    {
        var token = Access(await server.NewFlow().TokensAsync());
        foreach (var caller in (string[])["seal-client", "val-server"])
        {
            var answer = await server.IntrospectAsync(caller, token);
            Assert.Equal(["active", "iss", "sub", "aud", "exp", "iat", "jti", "client_id", "scope", "auth_time", "acr", "val_user_id", "val_service_ids", "val_ue_id", "token_type"], answer.Select(m => m.Key));
            var claims = OpenIdServer.ClaimsOf(token);
            Assert.All(answer.Where(m => m.Key is not ("active" or "token_type")), m => Assert.True(JsonNode.DeepEquals(m.Value, claims[m.Key])));
            Assert.True((bool)answer["active"]!);
            Assert.Equal("bearer", (string)answer["token_type"]!);
        }
    }

    [Fact]
    public async Task Everybody_else_gets_exactly_active_false()
    {
        var tokens = await server.NewFlow().TokensAsync();
        foreach (var caller in (string[])["machine-client", "openid-client"])
            Assert.Equal(Inactive, (await server.IntrospectAsync(caller, Access(tokens))).ToJsonString());
        // A refresh token is its client's business alone, whatever audience it opens.
        foreach (var caller in (string[])["val-server", "machine-client", "openid-client"])
            Assert.Equal(Inactive, (await server.IntrospectAsync(caller, Refresh(tokens))).ToJsonString());
        var own = await server.IntrospectAsync("seal-client", Refresh(tokens));
        Assert.Equal(["active", "iss", "sub", "client_id", "scope", "exp", "token_type"], own.Select(m => m.Key));
    }

    [Fact]
    public async Task A_refresh_token_with_the_right_family_and_a_wrong_secret_is_inactive_and_ends_nothing()
    {
        var flow = server.NewFlow();
        var tokens = await flow.TokensAsync();
        var guess = Refresh(tokens)[..23] + new string('A', 43);
        Assert.Equal(Inactive, (await server.IntrospectAsync("seal-client", guess)).ToJsonString());
        Assert.Equal(HttpStatusCode.OK, (await flow.RefreshAsync(Refresh(tokens))).Status);
    }

    [Theory]
    [InlineData("x")]
    [InlineData("a.b.c")]
    [InlineData("AAAAAAAAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    [InlineData("漢字")]
    public async Task What_is_no_token_is_inactive(string token) =>
        Assert.Equal(Inactive, (await server.IntrospectAsync("seal-client", token)).ToJsonString());

    [Theory]
    [InlineData("access_token")]
    [InlineData("refresh_token")]
    [InlineData("nonsense")]
    public async Task A_wrong_hint_does_not_hide_a_token(string hint)
    {
        var tokens = await server.NewFlow().TokensAsync();
        foreach (var token in (string[])[Access(tokens), Refresh(tokens)])
            Assert.True((bool)(await server.PostAsync("/introspect", server.Server.Basic("seal-client"), ("token", token), ("token_type_hint", hint))).Json["active"]!);
    }

    [Fact]
    public async Task A_caller_who_cannot_prove_itself_learns_nothing_not_even_inactive()
    {
        var token = Access(await server.NewFlow().TokensAsync());
        (await server.PostAsync("/introspect", null, ("token", token))).AssertError(HttpStatusCode.Unauthorized, "invalid_client");
        (await server.PostAsync("/introspect", null, ("token", token), ("client_id", "seal-client"))).AssertError(HttpStatusCode.Unauthorized, "invalid_client");
        (await server.PostAsync("/introspect", new("Basic", "c2VhbC1jbGllbnQ6d3Jvbmc="), ("token", token))).AssertError(HttpStatusCode.Unauthorized, "invalid_client");
        (await server.PostAsync("/introspect", new("Bearer", token), ("token", token))).AssertError(HttpStatusCode.Unauthorized, "invalid_client");
    }

    [Fact]
    public async Task Without_a_token_there_is_nothing_to_look_at()
    {
        var basic = server.Server.Basic("seal-client");
        (await server.PostAsync("/introspect", basic)).AssertError(HttpStatusCode.BadRequest, "invalid_request");
        (await server.PostAsync("/introspect", basic, ("token", ""))).AssertError(HttpStatusCode.BadRequest, "invalid_request");
        (await server.PostAsync("/introspect", basic, ("token", "a"), ("token", "b"))).AssertError(HttpStatusCode.BadRequest, "invalid_request");
    }

    [Fact]
    public async Task An_expired_token_is_inactive()
    {
        await using var own = await OpenIdServer.StartAsync("Tokens:AccessTokenSeconds=10", "Tokens:LeewaySeconds=0");
        own.Server.Time.StandStill();
        var token = Access(await own.NewFlow().TokensAsync());
        Assert.True(await own.IsActiveAsync("seal-client", token));
        own.Server.Time.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal(Inactive, (await own.IntrospectAsync("seal-client", token)).ToJsonString());
    }

    private static string Access(JsonObject tokens) => (string)tokens["access_token"]!;

    private static string Refresh(JsonObject tokens) => (string)tokens["refresh_token"]!;
}
