using System.Net;
using System.Text.Json.Nodes;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Slices.Tests.OpenId;

/// <summary>Tokens for the resource servers that the client named, and for no others.</summary>
[Proves("RFC 8707", "2")]
public sealed class ResourceIndicatorTests(OpenIdServer server) : IClassFixture<OpenIdServer>
{
    private const string Pump = "https://val.example/pump-control";
    private const string Fleet = "https://val.example/fleet-tracking";

    private string Keys => server.Issuer + "/seal/km";

    [Theory]
    [InlineData("https://elsewhere.example")]
    [InlineData("https://val.example/pump-control/")]
    [InlineData("https://VAL.example/pump-control")]
    [InlineData("https://val.example/pump%2Dcontrol")]
    [InlineData("https://val.example/pump-control#x")]
    [InlineData("https://val.example/fleet-tracking")] // known, but no scope asked for opens it
    [InlineData("pump-control")]
    [InlineData("/pump-control")]
    [InlineData("//val.example/pump-control")]
    [InlineData("https://val.example/pump control")]
    public async Task A_resource_that_is_unknown_malformed_or_out_of_reach_is_invalid_target(string resource)
    {
        var flow = Flow("openid val:pump-control");
        flow.Parameters["resource"] = resource;
        var refused = await server.GetAsync(flow.AuthorizeAddress);
        Assert.Equal(("invalid_target", "state-123"), (refused["error"], refused["state"]));
        (await server.PostAsync("/token", server.Server.Basic("val-server"), ("grant_type", "client_credentials"), ("scope", "val:pump-control"), ("resource", resource)))
            .AssertError(HttpStatusCode.BadRequest, "invalid_target");
    }

    [Fact]
    public async Task More_resources_than_anybody_needs_are_refused()
    {
        var many = Enumerable.Range(0, 17).Select(i => ("resource", $"https://{i}.example")).ToArray();
        (await server.PostAsync("/token", server.Server.Basic("val-server"), [("grant_type", "client_credentials"), .. many])).AssertError(HttpStatusCode.BadRequest, "invalid_target");
        (await server.PostAsync("/token", server.Server.Basic("val-server"), ("grant_type", "client_credentials"), ("resource", "https://a.example/" + new string('a', 2000))))
            .AssertError(HttpStatusCode.BadRequest, "invalid_target");
    }

    [Fact]
    public async Task The_token_is_for_the_resource_of_the_request_and_carries_its_scopes_alone()
    {
        var flow = Flow("openid val:pump-control val:fleet-tracking seal:key_management");
        var tokens = await TokensAsync(flow, $"&resource={Uri.EscapeDataString(Pump)}");
        AssertToken(tokens, "val:pump-control", Pump);
        // Who signed in is said by the ID token, which is for the client; the access token is not for /userinfo.
        Assert.NotNull(tokens["id_token"]);
        Assert.Equal(HttpStatusCode.Unauthorized, (await server.GetAsync("/userinfo", (string)tokens["access_token"]!)).Status);
        Assert.True(await server.IsActiveAsync("val-server", (string)tokens["access_token"]!));
        Assert.False(await server.IsActiveAsync("machine-client", (string)tokens["access_token"]!));
    }

    [Fact]
    [Proves("RFC 8707", "2.2")]
    public async Task Of_the_resources_granted_each_token_may_be_for_some_and_never_for_others()
    {
        var flow = Flow("openid val:pump-control val:fleet-tracking seal:key_management");
        var code = await CodeAsync(flow, $"&resource={Uri.EscapeDataString(Pump)}&resource={Uri.EscapeDataString(Keys)}");
        // A resource that was not granted is refused and does not use the code up.
        (await RedeemAsync(flow, code, Fleet)).AssertError(HttpStatusCode.BadRequest, "invalid_target");
        (await RedeemAsync(flow, code, Pump, "https://elsewhere.example")).AssertError(HttpStatusCode.BadRequest, "invalid_target");
        var tokens = (await RedeemAsync(flow, code, Keys)).Json;
        AssertToken(tokens, "seal:key_management", Keys);

        // The refresh token keeps the grant whole.
        var refresh = (string)tokens["refresh_token"]!;
        (await RefreshAsync(refresh, null, Fleet)).AssertError(HttpStatusCode.BadRequest, "invalid_target");
        (await RefreshAsync(refresh, "val:fleet-tracking")).AssertError(HttpStatusCode.BadRequest, "invalid_target");
        (await RefreshAsync(refresh, "seal:key_management", Pump)).AssertError(HttpStatusCode.BadRequest, "invalid_target");
        var pump = (await RefreshAsync(refresh, null, Pump)).Json;
        AssertToken(pump, "val:pump-control", Pump);
        var both = (await RefreshAsync((string)pump["refresh_token"]!, null)).Json;
        AssertToken(both, "val:pump-control seal:key_management", Pump, Keys);
    }

    [Fact]
    public async Task A_grant_without_resources_can_be_narrowed_at_each_token()
    {
        var flow = Flow("openid val:pump-control val:fleet-tracking");
        var tokens = (await RedeemAsync(flow, await CodeAsync(flow, ""), Fleet)).Json;
        AssertToken(tokens, "val:fleet-tracking", Fleet);
        var refreshed = (await RefreshAsync((string)tokens["refresh_token"]!, null)).Json;
        AssertToken(refreshed, "openid val:pump-control val:fleet-tracking", server.Issuer + "/userinfo", Pump, Fleet);
        AssertToken((await RefreshAsync((string)refreshed["refresh_token"]!, null, Fleet, Pump)).Json, "val:pump-control val:fleet-tracking", Pump, Fleet);
    }

    [Fact]
    public async Task A_machines_token_is_narrowed_too()
    {
        var answer = await server.PostAsync("/token", server.Server.Basic("val-server"), ("grant_type", "client_credentials"), ("resource", Keys));
        AssertToken(answer.Json, "seal:key_management seal:key_provisioning", Keys);
        answer = await server.PostAsync("/token", server.Server.Basic("val-server"), ("grant_type", "client_credentials"), ("scope", "val:pump-control seal:key_provisioning"), ("resource", Pump));
        AssertToken(answer.Json, "val:pump-control", Pump);
        Assert.Null(OpenIdServer.ClaimsOf((string)answer.Json["access_token"]!)["SKeyProv"]);
        (await server.PostAsync("/token", server.Server.Basic("val-server"), ("grant_type", "client_credentials"), ("scope", "val:pump-control"), ("resource", Keys)))
            .AssertError(HttpStatusCode.BadRequest, "invalid_target");
    }

    [Fact]
    public async Task Resources_that_the_user_cannot_grant_are_not_there()
    {
        // bob has no fleet-tracking: without its scope nothing opens the one resource that was named.
        var flow = Flow("openid val:fleet-tracking val:pump-control");
        Assert.Equal("invalid_target", (await server.NewUser("bob").GoAsync(flow.AuthorizeAddress + "&resource=" + Uri.EscapeDataString(Fleet)))["error"]);
        var code = await CodeAsync(flow, $"&resource={Uri.EscapeDataString(Fleet)}&resource={Uri.EscapeDataString(Pump)}", "bob");
        var tokens = (await RedeemAsync(flow, code)).Json;
        AssertToken(tokens, "val:pump-control", Pump);
        (await RefreshAsync((string)tokens["refresh_token"]!, null, Fleet)).AssertError(HttpStatusCode.BadRequest, "invalid_target");
    }

    [Fact]
    public async Task A_pushed_request_may_name_resources()
    {
        var flow = Flow("openid val:pump-control seal:key_management");
        var form = flow.Parameters.Select(p => (p.Key, p.Value)).Append(("resource", Pump)).Append(("resource", Keys)).ToArray();
        var reference = (string)(await server.PostAsync("/par", server.Server.Basic("seal-client"), form)).Json["request_uri"]!;
        var arrival = await server.NewUser().GoAsync("/authorize?client_id=seal-client&request_uri=" + Uri.EscapeDataString(reference));
        AssertToken((await RedeemAsync(flow, arrival["code"]!)).Json, "val:pump-control seal:key_management", Pump, Keys);
    }

    private SealFlow Flow(string scope)
    {
        var flow = server.NewFlow();
        flow.Parameters["scope"] = scope;
        return flow;
    }

    private async Task<string> CodeAsync(SealFlow flow, string more, string username = "alice")
    {
        var arrival = await server.NewUser(username).GoAsync(flow.AuthorizeAddress + more);
        Assert.True(arrival["code"] is not null, arrival.Location ?? arrival.Html);
        return arrival["code"]!;
    }

    private async Task<JsonObject> TokensAsync(SealFlow flow, string more) => (await RedeemAsync(flow, await CodeAsync(flow, more))).Json;

    private Task<Answer> RedeemAsync(SealFlow flow, string code, params string[] resources) => server.PostAsync("/token", server.Server.Basic("seal-client"),
        [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", flow.RedirectUri), ("code_verifier", SealFlow.Verifier), .. resources.Select(r => ("resource", r))]);

    private Task<Answer> RefreshAsync(string token, string? scope, params string[] resources) => server.PostAsync("/token", server.Server.Basic("seal-client"),
        [("grant_type", "refresh_token"), ("refresh_token", token), ("scope", scope ?? ""), .. resources.Select(r => ("resource", r))]);

    private static void AssertToken(JsonObject answer, string scope, params string[] audience)
    {
        Assert.True(answer["access_token"] is not null, answer.ToJsonString());
        var claims = OpenIdServer.ClaimsOf((string)answer["access_token"]!);
        Assert.Equal((scope, scope), ((string)claims["scope"]!, (string)answer["scope"]!));
        Assert.Equal(audience, claims["aud"] is JsonArray several ? several.Select(a => (string)a!) : [(string)claims["aud"]!]);
    }
}
