using System.Text.Json.Nodes;
using System.Web;
using Keyreeve.Core.Identity;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Interop.OpenId;

/// <summary>What must not work: half of it the library refuses, half of it the server.</summary>
[Collection(SharedWorld.Name)]
public sealed class OpenIdClientRefusalTests(InteropWorld world)
{
    [Fact]
    public async Task The_library_refuses_a_callback_with_another_state()
    {
        await using var flow = await OpenIdClientFlow.OfDemoClientAsync(world, "seal-client");
        var refused = await RedeemRefusedAsync(flow, Replace(await flow.CallbackAsync(), "state", "another-state"));
        Assert.Equal("OAUTH_INVALID_RESPONSE", (string?)refused["code"]);
        Assert.Contains("state", refused.ToJsonString(), StringComparison.Ordinal);
        Assert.Null((string?)refused["error"]);
    }

    [Fact]
    [Proves("RFC 9207", "2")]
    public async Task The_library_refuses_a_callback_of_another_issuer_and_one_without()
    {
        await using var flow = await OpenIdClientFlow.OfDemoClientAsync(world, "seal-client");
        var callback = await flow.CallbackAsync();
        foreach (var spoilt in (string[])[Replace(callback, "iss", "https://evil.example"), Replace(callback, "iss", null)])
        {
            var refused = await RedeemRefusedAsync(flow, spoilt);
            Assert.Equal("OAUTH_INVALID_RESPONSE", (string?)refused["code"]);
            Assert.Contains("iss", refused.ToJsonString(), StringComparison.Ordinal);
        }
        await flow.RedeemAsync(callback);
    }

    [Fact]
    public async Task The_library_refuses_an_ID_token_for_another_nonce()
    {
        await using var flow = await OpenIdClientFlow.OfDemoClientAsync(world, "seal-client");
        var arrival = await flow.VisitAsync(Replace(await flow.AuthorizeAsync(), "nonce", "somebody-elses"));
        var refused = await RedeemRefusedAsync(flow, arrival.Location!);
        Assert.Equal("OAUTH_JWT_CLAIM_COMPARISON_FAILED", (string?)refused["code"]);
        Assert.Contains("nonce", refused.ToJsonString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("seal-client")]
    [InlineData("openid-client")]
    [Proves("TS 33.434", "A.4.2.4")]
    public async Task A_replayed_code_is_invalid_grant_and_ends_what_it_gave(string clientId)
    {
        await using var flow = await OpenIdClientFlow.OfDemoClientAsync(world, clientId);
        var callback = await flow.CallbackAsync();
        var tokens = await flow.RedeemAsync(callback);
        Assert.True(await flow.IsActiveAsync((string)tokens["accessToken"]!));
        Assert.Equal("invalid_grant 400", ErrorOf(await RedeemRefusedAsync(flow, callback)));
        Assert.False(await flow.IsActiveAsync((string)tokens["accessToken"]!));
        Assert.False(await flow.IsActiveAsync((string)tokens["refreshToken"]!));
    }

    [Fact]
    [Proves("RFC 7636", "4.6")]
    public async Task A_verifier_for_another_challenge_is_invalid_grant()
    {
        await using var flow = await OpenIdClientFlow.OfDemoClientAsync(world, "openid-client");
        // The SHA-256 of nothing that anybody holds.
        var arrival = await flow.VisitAsync(Replace(await flow.AuthorizeAsync(), "code_challenge", new string('A', 43)));
        Assert.Equal("invalid_grant 400", ErrorOf(await RedeemRefusedAsync(flow, arrival.Location!)));
    }

    [Fact]
    public async Task A_code_of_another_client_is_invalid_grant_and_stays_good_for_its_own()
    {
        await using var owner = await OpenIdClientFlow.OfDemoClientAsync(world, "openid-client");
        await using var thief = await OpenIdClientFlow.OfDemoClientAsync(world, "seal-client");
        var callback = await owner.CallbackAsync();
        var state = HttpUtility.ParseQueryString(new Uri(await thief.AuthorizeAsync()).Query)["state"];
        Assert.Equal("invalid_grant 400", ErrorOf(await RedeemRefusedAsync(thief, Replace(callback, "state", state))));
        await owner.RedeemAsync(callback);
    }

    [Theory]
    [InlineData("client_secret_basic")]
    [InlineData("client_secret_post")]
    [Proves("RFC 6749", "5.2")]
    public async Task A_wrong_secret_is_invalid_client(string method)
    {
        await using var flow = await OpenIdClientFlow.StartAsync(world);
        await flow.BecomeAsync("machine-client", method, new string('x', 43), strict: false);
        var refused = await flow.Party.RefusedAsync("clientCredentials", new() { ["scope"] = "val:fleet-tracking" });
        AssertInvalidClient(refused);
    }

    [Fact]
    public async Task A_client_may_not_use_a_method_it_is_not_registered_for()
    {
        await using var flow = await OpenIdClientFlow.OfDemoClientAsync(world, "val-server", "client_secret_post");
        var refused = await flow.Party.RefusedAsync("clientCredentials", new() { ["scope"] = "val:pump-control" });
        AssertInvalidClient(refused);
    }

    [Fact]
    [Proves("RFC 7523", "3")]
    public async Task An_assertion_by_an_unregistered_key_is_invalid_client()
    {
        await using var flow = await OpenIdClientFlow.StartAsync(world);
        var registered = await flow.Party.AskAsync("key", new() { ["alg"] = "ES256" });
        await world.RegisterLikeAsync("machine-client", "machine-other-key", c => c with { AuthMethods = [ClientAuthMethod.PrivateKeyJwt], Secrets = [], Keys = InteropWorld.KeySetOf(registered) });
        // The same kid, another key.
        await flow.Party.AskAsync("key", new() { ["alg"] = "ES256" });
        await flow.BecomeAsync("machine-other-key", "private_key_jwt", null, strict: false);
        var refused = await flow.Party.RefusedAsync("clientCredentials", new() { ["scope"] = "val:fleet-tracking" });
        AssertInvalidClient(refused);
    }

    [Theory]
    [InlineData("seal-client")]
    [InlineData("openid-client")]
    public async Task A_client_of_the_code_grant_gets_no_token_for_itself(string clientId)
    {
        await using var flow = await OpenIdClientFlow.OfDemoClientAsync(world, clientId);
        Assert.Equal("unauthorized_client 400", ErrorOf(await flow.Party.RefusedAsync("clientCredentials", new() { ["scope"] = "val:pump-control" })));
    }

    [Fact]
    [Proves("TS 33.434", "A.4.2.2")]
    public async Task The_library_hears_of_a_missing_acr_values_at_the_redirect_URI()
    {
        await using var flow = await OpenIdClientFlow.OfDemoClientAsync(world, "seal-client");
        flow.Parameters.Remove("acr_values");
        var refused = await RedeemRefusedAsync(flow, await flow.CallbackAsync());
        Assert.Equal("OAUTH_AUTHORIZATION_RESPONSE_ERROR", (string?)refused["code"]);
        Assert.Equal("invalid_request", (string?)refused["error"]);
    }

    [Theory]
    [InlineData("request", "eyJhbGciOiJub25lIn0.e30.", "request_not_supported")]
    [InlineData("request_uri", "https://client.example/request", "request_uri_not_supported")]
    [InlineData("registration", "{}", "registration_not_supported")]
    [InlineData("prompt", "none", "login_required")]
    [InlineData("prompt", "none login", "invalid_request")]
    [InlineData("response_type", "token", "unsupported_response_type")]
    [InlineData("code_challenge_method", "plain", "invalid_request")]
    public async Task The_library_hears_why_a_request_is_refused(string name, string value, string error)
    {
        await using var flow = await OpenIdClientFlow.OfDemoClientAsync(world, "openid-client");
        flow.Parameters[name] = value;
        Assert.Equal(error, (string?)(await RedeemRefusedAsync(flow, await flow.CallbackAsync()))["error"]);
    }

    [Fact]
    public async Task A_user_who_denies_is_access_denied_to_the_library()
    {
        await using var flow = await OpenIdClientFlow.OfDemoClientAsync(world, "openid-client");
        flow.Parameters["prompt"] = "consent";
        var arrival = await new SimUser(world.Server) { ConsentDecision = "deny" }.GoAsync(await flow.AuthorizeAsync());
        var refused = await RedeemRefusedAsync(flow, arrival.Location!);
        Assert.Equal("access_denied", (string?)refused["error"]);
    }

    private static Task<JsonObject> RedeemRefusedAsync(OpenIdClientFlow flow, string callback) => flow.Party.RefusedAsync("redeem", new() { ["callback"] = callback });

    private static void AssertInvalidClient(JsonObject refused)
    {
        Assert.Equal(401, (int)refused["status"]!);
        // The library tells of the challenge and leaves the body to its caller.
        var error = (string?)refused["error"] ?? (string?)JsonNode.Parse((string)refused["body"]!)!["error"];
        Assert.Equal("invalid_client", error);
    }

    private static string ErrorOf(JsonObject refused) => $"{refused["error"]} {refused["status"]}";

    /// <summary>The URL with another value for a parameter it has, or without it for null.</summary>
    private static string Replace(string url, string name, string? value)
    {
        var parts = url.Split('?', 2);
        var pairs = parts[1].Split('&');
        Assert.Contains(pairs, p => p.StartsWith(name + "=", StringComparison.Ordinal));
        var kept = pairs.Select(p => !p.StartsWith(name + "=", StringComparison.Ordinal) ? p : value is null ? null : name + "=" + Uri.EscapeDataString(value));
        return parts[0] + "?" + string.Join('&', kept.OfType<string>());
    }
}
