using System.Net;
using System.Text.Json.Nodes;
using Keyreeve.Core.Identity;
using Keyreeve.Slices.Tests.OpenId;
using Keyreeve.Testing;
using Keyreeve.Wire.OAuth;
using Xunit;

namespace Keyreeve.Slices.Tests.Conformance;

// Inside Keyreeve.*, "Client" alone is the namespace of the SDK.
using Client = Keyreeve.Core.Identity.Client;

/// <summary>
/// RFC 9700 (BCP 240) as a list of checks, one test an item; each is short, and the attacks in full stand in the tests of the slice.
/// Item 6 (sender-constrained tokens) is not here.
/// </summary>
[Proves("RFC 9700", "4.1.3")]
[Proves("RFC 9700", "4.12")]
[Proves("RFC 9700", "4.16")]
public sealed class Rfc9700Tests(OpenIdServer server) : IClassFixture<OpenIdServer>
{
    [Fact]
    public async Task Item_01_redirect_URIs_are_compared_as_strings()
    {
        await AddAsync("strings", c => c with { RedirectUris = ["https://rp.example/cb"] });
        foreach (var near in (string[])["https://rp.example/cb/", "https://rp.example/cbx", "https://rp.example/", "https://rp.example/cb?a=b", "https://rp.example/x/../cb",
            "https://RP.example/cb", "https://rp.example/%63b", "https://rp.example@attacker.example/cb", "https://rp.example/cb#x"])
            AssertPage(await server.NewUser().GoAsync(Plain("strings", ("redirect_uri", near)).AuthorizeAddress));
        Assert.StartsWith("https://rp.example/cb?", (await server.NewUser().GoAsync(Plain("strings", ("redirect_uri", "https://rp.example/cb")).AuthorizeAddress)).Location, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Item_02_errors_are_redirected_only_when_client_and_URI_are_proved()
    {
        AssertPage(await server.NewUser().GoAsync(Plain("nobody", ("response_type", "token")).AuthorizeAddress));
        AssertPage(await server.NewUser().GoAsync(Plain("openid-client", ("redirect_uri", "https://attacker.example/"), ("scope", "nonsense")).AuthorizeAddress));
        Assert.Equal("invalid_scope", (await server.NewUser().GoAsync(Seal(("scope", "openid nonsense")).AuthorizeAddress))["error"]);
    }

    [Fact]
    public async Task Item_03_a_public_client_without_PKCE_is_refused_with_and_without_a_nonce()
    {
        await AddAsync("public", c => c with { AuthMethods = [ClientAuthMethod.None], PkceOptional = false });
        foreach (var nonce in (string?[])["n", null])
            Assert.Equal("invalid_request", (await server.NewUser().GoAsync(Plain("public", ("nonce", nonce)).AuthorizeAddress))["error"]);
    }

    [Fact]
    [Proves("TS 33.434", "A.4.1")]
    public async Task Item_04_PKCE_is_demanded_by_default_S256_alone_and_not_to_be_downgraded()
    {
        await AddAsync("downgrade", c => c);
        Assert.Equal("invalid_request", (await server.NewUser().GoAsync(Plain("openid-client").AuthorizeAddress))["error"]);
        Assert.Equal("invalid_request", (await server.NewUser().GoAsync(Plain("openid-client", ("code_challenge", SealFlow.Verifier), ("code_challenge_method", "plain")).AuthorizeAddress))["error"]);
        Assert.Equal("invalid_request", (await server.NewUser().GoAsync(Plain("openid-client", ("code_challenge", PkceChallenge.Of(SealFlow.Verifier).Value)).AuthorizeAddress))["error"]);
        var flow = Plain("downgrade");
        Assert.Equal("invalid_grant", Error(await flow.RedeemAsync(await flow.CodeAsync())));
    }

    [Theory]
    [InlineData("token")]
    [InlineData("id_token token")]
    [InlineData("code token")]
    [Proves("TS 33.434", "A.4.1")]
    public async Task Item_05_there_is_no_implicit_grant(string type) =>
        Assert.Equal("unsupported_response_type", (await server.NewUser().GoAsync(Seal(("response_type", type)).AuthorizeAddress))["error"]);

    [Fact]
    public async Task Item_07_a_replayed_refresh_token_ends_the_family_and_its_access_tokens()
    {
        await AddAsync("rotated", c => c with { AuthMethods = [ClientAuthMethod.None], PkceOptional = false });
        var flow = server.NewFlow("rotated");
        flow.Parameters["scope"] = "openid";
        var code = await flow.CodeAsync();
        var first = await PublicAsync(("grant_type", "authorization_code"), ("code", code), ("redirect_uri", OpenIdServer.Callback), ("code_verifier", SealFlow.Verifier));
        var second = await PublicAsync(("grant_type", "refresh_token"), ("refresh_token", Refresh(first.Json)));
        Assert.NotEqual(Refresh(first.Json), Refresh(second.Json));
        server.Server.Time.Advance(TimeSpan.FromSeconds(61));
        (await PublicAsync(("grant_type", "refresh_token"), ("refresh_token", Refresh(first.Json)))).AssertError(HttpStatusCode.BadRequest, "invalid_grant");
        (await PublicAsync(("grant_type", "refresh_token"), ("refresh_token", Refresh(second.Json)))).AssertError(HttpStatusCode.BadRequest, "invalid_grant");
        Assert.Equal(HttpStatusCode.Unauthorized, (await server.GetAsync("/userinfo", Access(second.Json))).Status);

        Task<Answer> PublicAsync(params (string, string)[] form) => server.PostAsync("/token", null, [("client_id", "rotated"), .. form]);
    }

    [Fact]
    public async Task Item_08_a_token_is_for_its_audience_and_its_scope()
    {
        var tokens = await Seal(("scope", "openid val:pump-control")).TokensAsync();
        Assert.NotNull(OpenIdServer.ClaimsOf(Access(tokens))["aud"]);
        Assert.True(await server.IsActiveAsync("val-server", Access(tokens)));
        Assert.False(await server.IsActiveAsync("machine-client", Access(tokens)));
    }

    [Fact]
    [Proves("TS 33.434", "A.4.1")]
    public async Task Item_09_there_is_no_password_grant()
    {
        foreach (var client in (string[])["openid-client", "seal-client"])
            (await server.PostAsync("/token", server.Server.Basic(client), ("grant_type", "password"), ("username", "alice"), ("password", "x"))).AssertError(HttpStatusCode.BadRequest, "unsupported_grant_type");
    }

    [Fact]
    public async Task Item_10_asymmetric_client_authentication_is_offered() =>
        Assert.Contains("private_key_jwt", (await server.GetAsync("/.well-known/openid-configuration")).Json["token_endpoint_auth_methods_supported"]!.AsArray().Select(m => (string)m!));

    [Fact]
    public async Task Item_11_no_script_of_another_origin_is_let_in_to_the_pages()
    {
        foreach (var address in (string[])[Seal().AuthorizeAddress, "/login", "/consent", "/end_session", "/account"])
        {
            var answer = await server.SendAsync(new(HttpMethod.Get, address) { Headers = { { "Origin", "https://attacker.example" } } });
            Assert.DoesNotContain(answer.Response.Headers, h => h.Key.StartsWith("Access-Control-", StringComparison.OrdinalIgnoreCase));
        }
    }

    [Fact]
    public async Task Item_12_no_referrer_leaves_the_pages_and_nothing_foreign_is_on_them()
    {
        var arrival = await server.NewUser().GoAsync(Seal().AuthorizeAddress);
        Assert.Equal("no-referrer", arrival.Response.Headers.GetValues("Referrer-Policy").Single());
        var page = await LoginPageAsync();
        Assert.Equal("no-referrer", page.Headers.GetValues("Referrer-Policy").Single());
        Assert.StartsWith("default-src 'none'", page.Headers.GetValues("Content-Security-Policy").Single(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Item_13_iss_stands_in_every_authorization_response()
    {
        var metadata = (await server.GetAsync("/.well-known/oauth-authorization-server")).Json;
        Assert.True((bool)metadata["authorization_response_iss_parameter_supported"]!);
        Assert.Equal((string)metadata["issuer"]!, (await server.NewUser().GoAsync(Seal().AuthorizeAddress))["iss"]);
        Assert.Equal((string)metadata["issuer"]!, (await server.NewUser().GoAsync(Seal(("prompt", "none")).AuthorizeAddress))["iss"]);
    }

    [Fact]
    public async Task Item_14_a_code_is_bound_to_client_redirect_URI_and_challenge()
    {
        var flow = Seal();
        var code = await flow.CodeAsync();
        Assert.Equal("invalid_grant", Error(await server.NewFlow("openid-client").RedeemAsync(code)));
        Assert.Equal("invalid_grant", Error(await flow.RedeemAsync(code, new string('v', 43))));
        flow.RedirectUri = "http://127.0.0.1:8401/callback";
        Assert.Equal("invalid_grant", Error(await flow.RedeemAsync(code)));
        flow.RedirectUri = OpenIdServer.Callback;
        Assert.Equal(HttpStatusCode.OK, (await flow.RedeemAsync(code)).Status);
    }

    [Theory]
    [InlineData("/login")]
    [InlineData("/consent")]
    [InlineData("/end_session/confirm")]
    [InlineData("/account/sessions/end")]
    public async Task Item_15_a_form_counts_with_its_antiforgery_token(string path)
    {
        var user = server.NewUser();
        await Seal().CodeAsync(user);
        var before = await server.TracesAsync();
        var answer = await user.PostAsync(path, new Dictionary<string, string> { ["decision"] = "end", ["ticket"] = "x" });
        Assert.Equal((HttpStatusCode.BadRequest, before), (answer.StatusCode, await server.TracesAsync()));
    }

    [Fact]
    public async Task Item_16_access_tokens_are_short_and_revocable()
    {
        var tokens = await Seal().TokensAsync();
        Assert.InRange((int)tokens["expires_in"]!, 1, 600);
        await server.PostAsync("/revoke", server.Server.Basic("seal-client"), ("token", Access(tokens)));
        Assert.False(await server.IsActiveAsync("seal-client", Access(tokens)));
    }

    [Fact]
    public async Task Item_17_nothing_sends_a_browser_to_an_address_that_is_not_registered()
    {
        const string Evil = "https%3A%2F%2Fattacker.example%2F";
        var user = server.NewUser();
        await Seal().CodeAsync(user);
        foreach (var address in (string[])["/end_session?post_logout_redirect_uri=" + Evil, "/login?return_to=" + Evil, "/login?ticket=" + Evil, "/authorize/resume?ticket=" + Evil, "/consent?ticket=" + Evil,
            "/authorize?client_id=seal-client&redirect_uri=" + Evil])
        {
            var answer = await user.GetAsync(address);
            Assert.Null(answer.Headers.Location);
            Assert.DoesNotContain("attacker.example", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Item_18_redirects_are_303()
    {
        var user = server.NewUser();
        Assert.Equal(HttpStatusCode.SeeOther, (await user.PostAsync("/authorize", Seal().Parameters)).StatusCode);
        Assert.Equal(HttpStatusCode.SeeOther, (await user.PostAsync("/end_session", new Dictionary<string, string> { ["state"] = "x" })).StatusCode);
        Assert.Equal(HttpStatusCode.SeeOther, (await user.GoAsync(Seal().AuthorizeAddress)).Response.StatusCode);
    }

    [Fact]
    public async Task Item_19_headers_of_a_proxy_that_is_not_there_are_not_believed()
    {
        var request = new HttpRequestMessage(HttpMethod.Get, "/.well-known/openid-configuration");
        foreach (var header in (string[])["X-Forwarded-Host", "X-Forwarded-For", "X-SSL-Client-Cert", "X-SSL-Client-Verify", "X-Forwarded-Client-Cert"])
            request.Headers.TryAddWithoutValidation(header, "attacker.example");
        Assert.Equal(server.Issuer, (string)(await server.SendAsync(request)).Json["issuer"]!);
    }

    [Fact]
    public async Task Item_20_a_client_cannot_be_taken_for_a_user()
    {
        // A subject is u- and 22 characters; no client may be registered so (ClientRulesTests).
        var tokens = await Seal().TokensAsync();
        Assert.Matches("^u-[A-Za-z0-9_-]{22}$", (string)OpenIdServer.ClaimsOf(Access(tokens))["sub"]!);
        var machine = await server.PostAsync("/token", server.Server.Basic("machine-client"), ("grant_type", "client_credentials"));
        Assert.Equal("machine-client", (string)OpenIdServer.ClaimsOf(Access(machine.Json))["sub"]!);
        Assert.Equal(HttpStatusCode.Unauthorized, (await server.GetAsync("/userinfo", Access(machine.Json))).Status);
    }

    [Fact]
    public async Task Item_21_no_page_can_be_framed()
    {
        foreach (var page in (HttpResponseMessage[])[await LoginPageAsync(), await server.NewUser().GetAsync("/end_session"), await server.NewUser().GetAsync("/authorize")])
        {
            Assert.Contains("frame-ancestors 'none'", page.Headers.GetValues("Content-Security-Policy").Single(), StringComparison.Ordinal);
            Assert.Equal("DENY", page.Headers.GetValues("X-Frame-Options").Single());
        }
    }

    [Theory]
    [InlineData("http://rp.example/cb", false)]
    [InlineData("http://localhost.attacker.example/cb", false)]
    [InlineData("https://rp.example/cb", true)]
    [InlineData("http://127.0.0.1/cb", true)]
    public void Item_22_a_redirect_URI_without_TLS_is_registrable_for_loopback_alone(string uri, bool registrable) =>
        Assert.Equal(registrable, RedirectUri.WhyNotRegistrable(uri) is null);

    [Fact]
    public async Task Item_23_a_confidential_client_authenticates_by_the_method_it_registered()
    {
        var secret = (string)server.Server.Client("seal-client")["clientSecret"]!;
        var flow = Seal();
        var code = await flow.CodeAsync();
        (string, string)[] form = [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", OpenIdServer.Callback), ("code_verifier", SealFlow.Verifier), ("client_id", "seal-client")];
        (await server.PostAsync("/token", null, form)).AssertError(HttpStatusCode.Unauthorized, "invalid_client");
        (await server.PostAsync("/token", null, [.. form, ("client_secret", secret)])).AssertError(HttpStatusCode.Unauthorized, "invalid_client");
        Assert.Equal(HttpStatusCode.OK, (await server.PostAsync("/token", server.Server.Basic("seal-client"), form)).Status);
    }

    private async Task AddAsync(string id, Func<Client, Client> change) => await server.AddClientAsync(change(new()
    {
        ClientId = id,
        Name = id,
        Profile = ClientProfile.OpenId,
        RedirectUris = [OpenIdServer.Callback],
        Scopes = ScopeList.Of(["openid"]),
        PkceOptional = true,
    }));

    private SealFlow Seal(params (string Name, string? Value)[] changes) => Change(server.NewFlow(), changes);

    private SealFlow Plain(string clientId, params (string Name, string? Value)[] changes) => Change(server.PlainFlow(clientId), changes);

    private static SealFlow Change(SealFlow flow, (string Name, string? Value)[] changes)
    {
        foreach (var (name, value) in changes)
            if (value is null)
                flow.Parameters.Remove(name);
            else
                flow.Parameters[name] = value;
        return flow;
    }

    private async Task<HttpResponseMessage> LoginPageAsync()
    {
        var user = server.NewUser();
        return await user.GetAsync((await user.GetAsync(Seal().AuthorizeAddress)).Headers.Location!.OriginalString);
    }

    private static void AssertPage(Arrival arrival) => Assert.Equal((null, HttpStatusCode.BadRequest), (arrival.Location, arrival.Response.StatusCode));

    private static string Error((HttpStatusCode Status, JsonObject Body, HttpResponseMessage Response) answer) => (string)answer.Body["error"]!;

    private static string Access(JsonObject tokens) => (string)tokens["access_token"]!;

    private static string Refresh(JsonObject tokens) => (string)tokens["refresh_token"]!;
}
