using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Slices.Tests.OpenId;

/// <summary>Tokens that are taken back, and those who may not take them back.</summary>
[Proves("RFC 7009", "2")]
[Proves("RFC 7009", "2.1")]
[Proves("TS 33.434", "A.8")]
public sealed class RevokeTests(OpenIdServer server) : IClassFixture<OpenIdServer>
{
    [Fact]
    public async Task A_revoked_access_token_is_refused_at_once_everywhere_and_its_family_lives()
    {
        var flow = server.NewFlow();
        var tokens = await flow.TokensAsync();
        Assert.Equal(HttpStatusCode.OK, (await server.GetAsync("/userinfo", Access(tokens))).Status);
        Assert.Equal((HttpStatusCode.OK, null), await KeyAsync(Access(tokens)));
        await RevokeAsync("seal-client", Access(tokens));
        var answer = await server.GetAsync("/userinfo", Access(tokens));
        Assert.Equal(HttpStatusCode.Unauthorized, answer.Status);
        Assert.Contains("error=\"invalid_token\"", answer.Response.Headers.WwwAuthenticate.Single().Parameter, StringComparison.Ordinal);
        Assert.Equal((HttpStatusCode.Unauthorized, "03"), await KeyAsync(Access(tokens)));
        Assert.Equal("{\"active\":false}", (await server.IntrospectAsync("seal-client", Access(tokens))).ToJsonString());
        Assert.Equal("{\"active\":false}", (await server.IntrospectAsync("val-server", Access(tokens))).ToJsonString());
        Assert.Equal(HttpStatusCode.OK, (await flow.RefreshAsync(Refresh(tokens))).Status);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_revoked_refresh_token_takes_the_family_and_its_access_tokens_along(bool replaced)
    {
        var flow = server.NewFlow();
        var first = await flow.TokensAsync();
        var (_, second, _) = await flow.RefreshAsync(Refresh(first));
        await RevokeAsync("seal-client", Refresh(replaced ? first : second));
        foreach (var dead in (string[])[Access(first), Access(second), Refresh(first), Refresh(second)])
            Assert.False(await server.IsActiveAsync("seal-client", dead));
        Assert.Equal(HttpStatusCode.Unauthorized, (await server.GetAsync("/userinfo", Access(second))).Status);
        var (status, body, _) = await flow.RefreshAsync(Refresh(second));
        Assert.Equal((HttpStatusCode.BadRequest, "invalid_grant"), (status, (string)body["error"]!));
    }

    [Fact]
    public async Task Another_clients_token_gets_the_same_200_and_stays_alive()
    {
        var flow = server.NewFlow();
        var tokens = await flow.TokensAsync();
        var before = await server.TracesAsync();
        foreach (var caller in (string[])["openid-client", "machine-client", "val-server"])
            foreach (var token in (string[])[Access(tokens), Refresh(tokens)])
                await RevokeAsync(caller, token);
        Assert.Equal(before, await server.TracesAsync());
        Assert.True(await server.IsActiveAsync("seal-client", Access(tokens)));
        Assert.Equal(HttpStatusCode.OK, (await flow.RefreshAsync(Refresh(tokens))).Status);
    }

    [Theory]
    [InlineData("x")]
    [InlineData("a.b.c")]
    [InlineData("AAAAAAAAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    [InlineData("a wrong secret")]
    public async Task What_is_no_live_token_gets_200_and_changes_nothing(string token)
    {
        var flow = server.NewFlow();
        var tokens = await flow.TokensAsync();
        if (token == "a wrong secret")
            token = Refresh(tokens)[..23] + new string('A', 43);
        var before = await server.TracesAsync();
        await RevokeAsync("seal-client", token);
        await RevokeAsync("seal-client", token);
        Assert.Equal(before, await server.TracesAsync());
        Assert.Equal(HttpStatusCode.OK, (await flow.RefreshAsync(Refresh(tokens))).Status);
    }

    [Fact]
    public async Task A_wrong_hint_does_not_save_a_token()
    {
        var tokens = await server.NewFlow().TokensAsync();
        Assert.Equal(HttpStatusCode.OK, (await server.PostAsync("/revoke", server.Server.Basic("seal-client"), ("token", Access(tokens)), ("token_type_hint", "refresh_token"))).Status);
        Assert.False(await server.IsActiveAsync("seal-client", Access(tokens)));
    }

    [Fact]
    public async Task Who_cannot_prove_itself_revokes_nothing()
    {
        var tokens = await server.NewFlow().TokensAsync();
        (await server.PostAsync("/revoke", null, ("token", Access(tokens)))).AssertError(HttpStatusCode.Unauthorized, "invalid_client");
        (await server.PostAsync("/revoke", null, ("token", Refresh(tokens)), ("client_id", "seal-client"))).AssertError(HttpStatusCode.Unauthorized, "invalid_client");
        (await server.PostAsync("/revoke", server.Server.Basic("seal-client"))).AssertError(HttpStatusCode.BadRequest, "invalid_request");
        Assert.True(await server.IsActiveAsync("seal-client", Access(tokens)));
        Assert.True(await server.IsActiveAsync("seal-client", Refresh(tokens)));
    }

    [Fact]
    public async Task A_machines_token_can_be_taken_back_too()
    {
        var answer = await server.PostAsync("/token", server.Server.Basic("val-server"), ("grant_type", "client_credentials"));
        await RevokeAsync("val-server", (string)answer.Json["access_token"]!);
        Assert.False(await server.IsActiveAsync("val-server", (string)answer.Json["access_token"]!));
    }

    private async Task RevokeAsync(string clientId, string token)
    {
        var answer = await server.PostAsync("/revoke", server.Server.Basic(clientId), ("token", token));
        Assert.Equal((HttpStatusCode.OK, ""), (answer.Status, answer.Text));
        Assert.True(answer.Response.Headers.CacheControl!.NoStore);
    }

    /// <summary>Asks the SKM-S for alice's key.</summary>
    private async Task<(HttpStatusCode Status, string? ErrorCode)> KeyAsync(string token)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, "/seal/km/v1/requests")
        {
            Headers = { Authorization = new("Bearer", token) },
            Content = JsonContent.Create(new JsonObject
            {
                ["version"] = "1.0.0",
                ["sKmsUri"] = server.Issuer + "/seal/km",
                ["serviceId"] = "pump-control",
                ["userId"] = "sip:alice@val.example",
                ["dateTime"] = server.Server.Time.GetUtcNow().ToUnixTimeSeconds(),
                ["requestId"] = "revoke-test",
            }),
        };
        var answer = await server.SendAsync(request);
        return (answer.Status, (string?)answer.Json["errorCode"]);
    }

    private static string Access(JsonObject tokens) => (string)tokens["access_token"]!;

    private static string Refresh(JsonObject tokens) => (string)tokens["refresh_token"]!;
}
