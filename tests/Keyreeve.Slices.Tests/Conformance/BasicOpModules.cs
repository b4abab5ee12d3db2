using System.Buffers.Text;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Keyreeve.Slices.Tests.OpenId;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Slices.Tests.Conformance;

/// <summary>
/// The modules of the basic plan, in the suite's names: here the happy flows, tokens, user info and scopes, in the other file the
/// parameters of the request.
/// </summary>
public abstract partial class BasicOpModules(OpenIdServer server) : OpPlan(server)
{
    [Fact]
    public async Task Oidcc_server()
    {
        var flow = Request();
        var user = Server.NewUser();
        var code = Response(await user.GoAsync(flow.AuthorizeAddress))["code"];
        var (status, tokens, response) = await flow.RedeemAsync(code, null);
        Assert.Equal(HttpStatusCode.OK, status);
        Assert.Equal(("no-store", "no-cache"), (response.Headers.CacheControl!.ToString(), response.Headers.Pragma.ToString()));
        Assert.Equal("application/json", response.Content.Headers.ContentType!.MediaType);
        Assert.Equal("bearer", Text(tokens, "token_type"), ignoreCase: true);
        Assert.True((long)tokens["expires_in"]! > 0);
        var claims = OpenIdServer.ClaimsOf(Text(tokens, "id_token"));
        var now = Server.Server.Time.GetUtcNow().ToUnixTimeSeconds();
        Assert.Equal((Server.Issuer, ClientId, "nonce-456"), (Text(claims, "iss"), Text(claims, "aud"), Text(claims, "nonce")));
        Assert.InRange((long)claims["iat"]!, now - 60, now);
        Assert.True((long)claims["exp"]! > now);
        Assert.InRange(Text(claims, "sub").Length, 1, 255);
        var half = SHA256.HashData(Encoding.ASCII.GetBytes(Text(tokens, "access_token"))).AsSpan(0, 16);
        Assert.Equal(Base64Url.EncodeToString(half), Text(claims, "at_hash"));
        await AssertSignedAsync(Text(tokens, "id_token"), "RS256");
        var info = await Server.GetAsync("/userinfo", Text(tokens, "access_token"));
        Assert.Equal((HttpStatusCode.OK, Text(claims, "sub")), (info.Status, Text(info.Json, "sub")));
    }

    [Fact]
    public async Task Oidcc_alternate_happy_flow()
    {
        var flow = Request(("scope", "email profile openid"));
        var reversed = OpenIdServer.Query(flow.Parameters.Reverse());
        var code = Response(await Server.NewUser().GoAsync(reversed))["code"];
        Assert.NotNull((await flow.RedeemAsync(code, null)).Body["id_token"]);
    }

    [Fact]
    public async Task Oidcc_idtoken_signature()
    {
        // The suite's client registers no algorithm: RS256 (ClientRulesTests shows that the admin API gives it).
        var (tokens, _) = await TokensAsync(Request(), Server.NewUser());
        await AssertSignedAsync(Text(tokens, "id_token"), "RS256");
        Assert.False(string.IsNullOrEmpty((string?)OpenIdServer.HeaderOf(Text(tokens, "id_token"))["kid"]));
    }

    [Fact]
    public async Task Oidcc_idtoken_unsigned()
    {
        // Not offered, not registrable (ClientRulesTests), not issued: the suite skips the module then.
        Assert.DoesNotContain("none", (await Server.GetAsync("/.well-known/openid-configuration")).Json["id_token_signing_alg_values_supported"]!.AsArray().Select(a => (string)a!));
        Assert.NotEmpty(Text((await TokensAsync(Request(), Server.NewUser())).Tokens, "id_token").Split('.')[2]);
    }

    [Fact]
    public async Task Oidcc_userinfo_get()
    {
        var (tokens, claims) = await TokensAsync(Request(), Server.NewUser());
        AssertUserInfo(await Server.GetAsync("/userinfo", Text(tokens, "access_token")), claims);
    }

    [Fact]
    public async Task Oidcc_userinfo_post_header()
    {
        var (tokens, claims) = await TokensAsync(Request(), Server.NewUser());
        AssertUserInfo(await Server.PostAsync("/userinfo", new("Bearer", Text(tokens, "access_token"))), claims);
    }

    [Fact]
    public async Task Oidcc_userinfo_post_body()
    {
        // We differ on purpose: tokens belong into the header (divergences.md, RFC 6750 2.2); the suite warns.
        var (tokens, _) = await TokensAsync(Request(), Server.NewUser());
        var answer = await Server.PostAsync("/userinfo", null, ("access_token", Text(tokens, "access_token")));
        Assert.Equal(HttpStatusCode.Unauthorized, answer.Status);
        Assert.Equal("Bearer", Assert.Single(answer.Response.Headers.WwwAuthenticate).Scheme);
    }

    [Fact]
    public async Task Oidcc_scope_profile() => await AssertScopeAsync("openid profile", "sub", "preferred_username", "name");

    [Fact]
    public async Task Oidcc_scope_email() => await AssertScopeAsync("openid email", "sub", "email", "email_verified");

    [Fact]
    public async Task Oidcc_scope_all() => await AssertScopeAsync("openid profile email", "sub", "preferred_username", "name", "email", "email_verified");

    [Fact]
    public async Task Oidcc_scope_address() => await AssertNotOfferedAsync("address");

    [Fact]
    public async Task Oidcc_scope_phone() => await AssertNotOfferedAsync("phone");

    [Fact]
    public async Task Oidcc_ensure_other_scope_order_succeeds() =>
        Assert.NotNull((await TokensAsync(Request(("scope", "email openid")), Server.NewUser())).Tokens["id_token"]);

    [Fact]
    public async Task Oidcc_claims_essential()
    {
        // We differ on purpose: claims come by scope, which the consent page shows (divergences.md, 5.5). The request is not refused for it.
        const string claims = "{\"userinfo\":{\"name\":{\"essential\":true}}}";
        var (tokens, _) = await TokensAsync(Request(("claims", claims)), Server.NewUser());
        Assert.Null((await Server.GetAsync("/userinfo", Text(tokens, "access_token"))).Json["name"]);
        (tokens, _) = await TokensAsync(Request(("claims", claims), ("scope", "openid profile")), Server.NewUser());
        Assert.Equal("Alice Anders", Text((await Server.GetAsync("/userinfo", Text(tokens, "access_token"))).Json, "name"));
    }

    [Fact]
    public async Task Oidcc_codereuse()
    {
        var flow = Request();
        var code = Response(await Server.NewUser().GoAsync(flow.AuthorizeAddress))["code"];
        Assert.Equal(HttpStatusCode.OK, (await flow.RedeemAsync(code, null)).Status);
        var again = await flow.RedeemAsync(code, null);
        Assert.Equal((HttpStatusCode.BadRequest, "invalid_grant"), (again.Status, Text(again.Body, "error")));
    }

    [Fact]
    public async Task Oidcc_codereuse_30seconds()
    {
        var flow = Request();
        var code = Response(await Server.NewUser().GoAsync(flow.AuthorizeAddress))["code"];
        var (_, tokens, _) = await flow.RedeemAsync(code, null);
        Assert.Equal(HttpStatusCode.OK, (await Server.GetAsync("/userinfo", Text(tokens, "access_token"))).Status);
        Server.Server.Time.Advance(TimeSpan.FromSeconds(30));
        var again = await flow.RedeemAsync(code, null);
        Assert.Equal((HttpStatusCode.BadRequest, "invalid_grant"), (again.Status, Text(again.Body, "error")));
        Assert.Equal(HttpStatusCode.Unauthorized, (await Server.GetAsync("/userinfo", Text(tokens, "access_token"))).Status);
    }

    [Fact]
    public async Task Oidcc_server_client_secret_post()
    {
        var flow = Request();
        var code = Response(await Server.NewUser().GoAsync(flow.AuthorizeAddress))["code"];
        var answer = await Server.PostAsync("/token", null, ("grant_type", "authorization_code"), ("code", code), ("redirect_uri", OpenIdServer.Callback),
            ("client_id", ClientId), ("client_secret", (string)Server.Server.Client(ClientId)["clientSecret"]!));
        Assert.Equal(HttpStatusCode.OK, answer.Status);
        await AssertSignedAsync(Text(answer.Json, "id_token"), "RS256");
    }

    [Fact]
    public async Task Oidcc_refresh_token()
    {
        var (first, before) = await TokensAsync(Request(), Server.NewUser());
        var refresh = Text(first, "refresh_token");
        // 1*VSCHAR (RFC 6749 A.17)
        Assert.All(refresh, c => Assert.InRange(c, ' ', '~'));
        var stolen = await Server.NewFlow(SecondClientId).RefreshAsync(refresh);
        Assert.Equal((HttpStatusCode.BadRequest, "invalid_grant"), (stolen.Status, Text(stolen.Body, "error")));
        var (status, second, _) = await Server.NewFlow(ClientId).RefreshAsync(refresh);
        Assert.Equal(HttpStatusCode.OK, status);
        Assert.NotEqual(Text(first, "access_token"), Text(second, "access_token"));
        var after = OpenIdServer.ClaimsOf(Text(second, "id_token"));
        foreach (var same in (string[])["iss", "sub", "aud", "auth_time"])
            Assert.Equal(before[same]!.ToJsonString(), after[same]!.ToJsonString());
        Assert.Equal(HttpStatusCode.OK, (await Server.GetAsync("/userinfo", Text(second, "access_token"))).Status);
    }

    private static void AssertUserInfo(Answer answer, JsonObject claims)
    {
        Assert.Equal((HttpStatusCode.OK, "application/json"), (answer.Status, answer.Response.Content.Headers.ContentType!.MediaType));
        Assert.Equal(Text(claims, "sub"), Text(answer.Json, "sub"));
    }

    /// <summary>The scope's claims come from the user info endpoint, and the ID token stays without them.</summary>
    private async Task AssertScopeAsync(string scope, params string[] expected)
    {
        var (tokens, claims) = await TokensAsync(Request(("scope", scope)), Server.NewUser());
        var info = (await Server.GetAsync("/userinfo", Text(tokens, "access_token"))).Json;
        Assert.Equal(expected.Order(StringComparer.Ordinal), info.Select(m => m.Key).Order(StringComparer.Ordinal));
        Assert.Empty(claims.Select(c => c.Key).Intersect(expected.Except(["sub"])));
    }

    /// <summary>We have no such claims of users and do not offer the scope (divergences.md, 5.4): the suite skips the module.</summary>
    private async Task AssertNotOfferedAsync(string scope)
    {
        Assert.DoesNotContain(scope, (await Server.GetAsync("/.well-known/openid-configuration")).Json["scopes_supported"]!.AsArray().Select(s => (string)s!));
        Assert.Equal("invalid_scope", await ErrorAsync(Request(("scope", "openid " + scope)), Server.NewUser()));
    }
}
