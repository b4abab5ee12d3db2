using System.Text.Json.Nodes;
using Keyreeve.Core.Identity;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Interop.OpenId;

/// <summary>The happy ways, with every check that openid-client can make switched on.</summary>
[Collection(SharedWorld.Name)]
public sealed class OpenIdClientTests(InteropWorld world)
{
    [Theory]
    [InlineData("seal-client", "client_secret_basic", ClientAuthMethod.SecretBasic)]
    [InlineData("seal-client", "client_secret_post", ClientAuthMethod.SecretPost)]
    [InlineData("seal-client", "private_key_jwt", ClientAuthMethod.PrivateKeyJwt)]
    [InlineData("openid-client", "client_secret_basic", ClientAuthMethod.SecretBasic)]
    [InlineData("openid-client", "client_secret_post", ClientAuthMethod.SecretPost)]
    [InlineData("openid-client", "private_key_jwt", ClientAuthMethod.PrivateKeyJwt)]
    [Proves("TS 33.434", "A.4.2.4")]
    [Proves("RFC 7009", "2")]
    [Proves("RFC 7662", "2")]
    [Proves("RFC 7523", "3")]
    public async Task A_grant_lives_from_the_code_to_its_revocation(string model, string method, ClientAuthMethod registered)
    {
        await using var flow = await OpenIdClientFlow.StartAsync(world);
        var jwk = registered == ClientAuthMethod.PrivateKeyJwt ? await flow.Party.AskAsync("key", new() { ["alg"] = "ES256" }) : null;
        var (client, secret) = await world.RegisterLikeAsync(model, $"{model}-{method}", c => c with
        {
            AuthMethods = [registered],
            Keys = jwk is null ? null : InteropWorld.KeySetOf(jwk),
            Secrets = jwk is null ? c.Secrets : [],
        });
        await flow.BecomeAsync(client.ClientId, method, secret, strict: model == "seal-client");

        var first = await flow.TokensAsync();
        Assert.Equal(client.ClientId, (string)first["claims"]!["aud"]!);
        var second = await flow.Party.AskAsync("refresh", new() { ["token"] = (string)first["refreshToken"]! });
        var (access, refresh) = ((string)second["accessToken"]!, (string)second["refreshToken"]!);
        Assert.NotEqual((string)first["refreshToken"]!, refresh);
        Assert.True(await flow.IsActiveAsync(access));
        Assert.True(await flow.IsActiveAsync(refresh));

        await flow.Party.AskAsync("revoke", new() { ["token"] = refresh });
        Assert.False(await flow.IsActiveAsync(refresh));
        Assert.False(await flow.IsActiveAsync(access));
        Assert.False(await flow.IsActiveAsync((string)first["accessToken"]!));
        var refused = await flow.Party.RefusedAsync("refresh", new() { ["token"] = refresh });
        Assert.Equal("invalid_grant", (string?)refused["error"]);
    }

    [Fact]
    [Proves("RFC 8414", "3")]
    public async Task Discovery_says_what_the_library_needs()
    {
        await using var flow = await OpenIdClientFlow.OfDemoClientAsync(world, "openid-client");
        Assert.Equal(world.Server.Issuer, (string)flow.Metadata["issuer"]!);
        Assert.Contains("RS256", Strings(flow.Metadata["id_token_signing_alg_values_supported"]));
        Assert.Contains("openid", Strings(flow.Metadata["scopes_supported"]));
        Assert.True((bool)flow.Metadata["authorization_response_iss_parameter_supported"]!);
        foreach (var (name, value) in flow.Metadata.AsObject().Where(m => m.Key.EndsWith("_endpoint", StringComparison.Ordinal) || m.Key == "jwks_uri"))
            Assert.True(((string)value!).StartsWith(world.Server.Issuer + "/", StringComparison.Ordinal), name);
    }

    [Fact]
    [Proves("TS 33.434", "A.4.2.5")]
    public async Task The_ID_token_of_a_SEAL_client_names_user_method_and_VAL_identity()
    {
        await using var flow = await OpenIdClientFlow.OfDemoClientAsync(world, "seal-client");
        var tokens = await flow.TokensAsync("bob");
        var claims = tokens["claims"]!;
        var bob = world.Server.User("bob");
        Assert.Equal((string)bob["sub"]!, (string)claims["sub"]!);
        Assert.Equal("3gpp:acr:password", (string)claims["acr"]!);
        Assert.Equal((string)bob["valUserId"]!, (string)claims["val_user_id"]!);
        Assert.NotNull(claims["at_hash"]);
        Assert.NotNull(claims["auth_time"]);
        Assert.Equal("ES256", (string)tokens["idTokenHeader"]!["alg"]!);
        Assert.NotNull(tokens["idTokenHeader"]!["kid"]);
    }

    [Fact]
    public async Task A_plain_client_gets_an_ID_token_with_RS256()
    {
        await using var flow = await OpenIdClientFlow.OfDemoClientAsync(world, "openid-client");
        Assert.Equal("RS256", (string)(await flow.TokensAsync())["idTokenHeader"]!["alg"]!);
    }

    [Fact]
    public async Task Userinfo_is_about_the_subject_of_the_ID_token()
    {
        await using var flow = await OpenIdClientFlow.OfDemoClientAsync(world, "openid-client");
        var tokens = await flow.TokensAsync();
        var subject = (string)tokens["claims"]!["sub"]!;
        var about = await flow.Party.AskAsync("userinfo", new() { ["token"] = (string)tokens["accessToken"]!, ["subject"] = subject });
        Assert.Equal(subject, (string)about["sub"]!);
        Assert.Equal("alice@val.example", (string)about["email"]!);
        Assert.Equal("Alice Anders", (string)about["name"]!);
    }

    [Fact]
    public async Task A_resource_server_verifies_the_access_token_by_the_published_keys()
    {
        await using var flow = await OpenIdClientFlow.OfDemoClientAsync(world, "seal-client");
        var token = (string)(await flow.TokensAsync())["accessToken"]!;
        var claims = await flow.Party.AskAsync("verifyAccessToken", new() { ["token"] = token, ["audience"] = "https://val.example/pump-control" });
        Assert.Equal("seal-client", (string)claims["client_id"]!);
        Assert.NotNull(claims["jti"]);
        var refused = await flow.Party.RefusedAsync("verifyAccessToken", new() { ["token"] = token, ["audience"] = "https://val.example/fleet-tracking" });
        Assert.Equal("ERR_JWT_CLAIM_VALIDATION_FAILED", (string?)refused["code"]);
    }

    [Fact]
    [Proves("RFC 7662", "2")]
    public async Task A_resource_server_learns_only_of_tokens_for_its_audience()
    {
        await using var flow = await OpenIdClientFlow.OfDemoClientAsync(world, "seal-client");
        var token = (string)(await flow.TokensAsync())["accessToken"]!;
        await using var owner = await OpenIdClientFlow.OfDemoClientAsync(world, "val-server");
        await using var other = await OpenIdClientFlow.OfDemoClientAsync(world, "machine-client");
        var told = await owner.Party.AskAsync("introspect", new() { ["token"] = token });
        Assert.True((bool)told["active"]!);
        Assert.Equal("seal-client", (string)told["client_id"]!);
        Assert.Equal("{\"active\":false}", (await other.Party.AskAsync("introspect", new() { ["token"] = token })).ToJsonString());
    }

    [Fact]
    public async Task A_revoked_access_token_is_inactive_and_opens_userinfo_no_more()
    {
        await using var flow = await OpenIdClientFlow.OfDemoClientAsync(world, "openid-client");
        var tokens = await flow.TokensAsync();
        var (token, subject) = ((string)tokens["accessToken"]!, (string)tokens["claims"]!["sub"]!);
        Assert.True(await flow.IsActiveAsync(token));
        await flow.Party.AskAsync("revoke", new() { ["token"] = token });
        Assert.False(await flow.IsActiveAsync(token));
        var refused = await flow.Party.RefusedAsync("userinfo", new() { ["token"] = token, ["subject"] = subject });
        Assert.Equal("OAUTH_WWW_AUTHENTICATE_CHALLENGE", (string?)refused["code"]);
        Assert.Equal(401, (int)refused["status"]!);
        Assert.True(await flow.IsActiveAsync((string)tokens["refreshToken"]!), "revoking an access token leaves the grant alone");
    }

    [Theory]
    [InlineData("seal-client", true)]
    [InlineData("openid-client", false)]
    [Proves("OAuth 2.0 Form Post Response Mode", "2")]
    public async Task The_library_takes_its_code_from_a_posted_form(string clientId, bool strict)
    {
        await using var flow = await OpenIdClientFlow.OfDemoClientAsync(world, clientId);
        flow.Parameters["response_mode"] = "form_post";
        var arrival = await flow.VisitAsync(await flow.AuthorizeAsync());
        Assert.Null(arrival.Location);
        Assert.Contains($"action=\"{OpenIdClientFlow.RedirectUri}\"", arrival.Html, StringComparison.Ordinal);
        var form = new JsonObject(SimUser.Form(arrival.Html!)!.Select(f => new KeyValuePair<string, JsonNode?>(f.Key, f.Value)));
        Assert.Equal(["code", "iss", "state"], form.Select(f => f.Key).Order(StringComparer.Ordinal));
        var tokens = await flow.Party.AskAsync("redeem", new() { ["form"] = form });
        Assert.Equal(strict, tokens["claims"]!["val_user_id"] is not null && ((string)tokens["scope"]!).Contains("seal:", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("extra", "foobar")]
    [InlineData("display", "popup")]
    [InlineData("ui_locales", "se de-CH")]
    [InlineData("claims_locales", "se")]
    [InlineData("login_hint", "bob@val.example")]
    [InlineData("acr_values", "1 2")]
    [InlineData("scope", "val:pump-control email profile openid")]
    [InlineData("max_age", "10000")]
    public async Task What_a_plain_client_may_add_disturbs_nothing(string name, string value)
    {
        await using var flow = await OpenIdClientFlow.OfDemoClientAsync(world, "openid-client");
        flow.Parameters[name] = value;
        Assert.NotNull((await flow.TokensAsync())["claims"]!["auth_time"]);
    }

    [Fact]
    public async Task Without_prompt_a_session_gives_the_same_authentication_and_with_prompt_login_a_new_one()
    {
        await using var flow = await OpenIdClientFlow.OfDemoClientAsync(world, "openid-client");
        var user = new SimUser(world.Server);
        async Task<JsonNode> ClaimsAsync() => (await flow.RedeemAsync((await user.GoAsync(await flow.AuthorizeAsync())).Location!))["claims"]!;
        var first = await ClaimsAsync();
        var pages = user.Seen.Count;
        flow.Parameters["prompt"] = "none";
        var silent = await ClaimsAsync();
        Assert.Equal(pages, user.Seen.Count);
        Assert.Equal(first["sub"]!.ToString(), silent["sub"]!.ToString());
        Assert.Equal(first["auth_time"]!.ToString(), silent["auth_time"]!.ToString());
        // Seconds are what an ID token can show: the server's clock goes on by a few.
        world.Server.Time.Advance(TimeSpan.FromSeconds(3));
        flow.Parameters["prompt"] = "login";
        var again = await ClaimsAsync();
        Assert.True((long)again["auth_time"]! > (long)first["auth_time"]!);
        Assert.Equal("/login", user.Seen[pages]);
    }

    [Theory]
    [InlineData("ES256")]
    [InlineData("ES384")]
    [InlineData("RS256")]
    [InlineData("PS256")]
    [Proves("RFC 7523", "2.2")]
    public async Task A_machine_authenticates_by_a_signature_of_every_algorithm_we_publish(string alg)
    {
        await using var flow = await OpenIdClientFlow.StartAsync(world);
        var jwk = await flow.Party.AskAsync("key", new() { ["alg"] = alg });
        await world.RegisterLikeAsync("machine-client", "machine-" + alg, c => c with { AuthMethods = [ClientAuthMethod.PrivateKeyJwt], Secrets = [], Keys = InteropWorld.KeySetOf(jwk) });
        await flow.BecomeAsync("machine-" + alg, "private_key_jwt", null, strict: false);
        Assert.Contains(alg, Strings(flow.Metadata["token_endpoint_auth_signing_alg_values_supported"]));
        var tokens = await flow.Party.AskAsync("clientCredentials", new() { ["scope"] = "val:fleet-tracking" });
        Assert.Null(tokens["claims"]);
        Assert.Null(tokens["refreshToken"]);
        Assert.Equal("val:fleet-tracking", (string)tokens["scope"]!);
        // Every request carries a fresh assertion; the endpoints of the token's later life take it too.
        Assert.True(await flow.IsActiveAsync((string)tokens["accessToken"]!));
    }

    [Theory]
    [InlineData("client_secret_basic")]
    [InlineData("client_secret_post")]
    [Proves("RFC 6749", "4.4")]
    public async Task A_machine_gets_a_token_for_itself(string method)
    {
        await using var flow = await OpenIdClientFlow.OfDemoClientAsync(world, "machine-client", method);
        var tokens = await flow.Party.AskAsync("clientCredentials", new() { ["scope"] = "val:fleet-tracking" });
        Assert.Equal("bearer", (string)tokens["tokenType"]!);
        var claims = await flow.Party.AskAsync("verifyAccessToken", new() { ["token"] = (string)tokens["accessToken"]!, ["audience"] = "https://val.example/fleet-tracking" });
        Assert.Equal("machine-client", (string)claims["sub"]!);
    }

    [Theory]
    [InlineData("client_secret_basic")]
    [InlineData("client_secret_post")]
    [Proves("RFC 6749", "2.3.1")]
    public async Task A_secret_of_awkward_characters_survives_both_encodings(string method)
    {
        const string secret = "a:b%41+c d/e?f=g&h~i\"j\\k'l<m>n{o}p|q^r`s!t*u(v)w@x#y$z,;";
        await using var flow = await OpenIdClientFlow.StartAsync(world);
        await world.RegisterLikeAsync("machine-client", "awkward:" + method, c => c, secret);
        await flow.BecomeAsync("awkward:" + method, method, secret, strict: false);
        Assert.NotNull((await flow.Party.AskAsync("clientCredentials", new() { ["scope"] = "val:fleet-tracking" }))["accessToken"]);
    }

    private static string[] Strings(JsonNode? array) => [.. array!.AsArray().Select(v => (string)v!)];
}
