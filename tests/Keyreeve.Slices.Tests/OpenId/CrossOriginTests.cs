using System.Net;
using Keyreeve.Core.Identity;
using Keyreeve.Testing;
using Keyreeve.Wire.OAuth;
using Xunit;

namespace Keyreeve.Slices.Tests.OpenId;

// Inside Keyreeve.*, "Client" alone is the namespace of the SDK.
using Client = Keyreeve.Core.Identity.Client;

/// <summary>Which scripts may read what: those of an origin of the client's own, at the endpoints for applications, and no page at all.</summary>
[Proves("RFC 9700", "2.6")]
public sealed class CrossOriginTests(CrossOriginTests.World world) : IClassFixture<CrossOriginTests.World>
{
    private const string Ours = "https://app.example";

    public sealed class World : IAsyncLifetime
    {
        public OpenIdServer Server { get; } = new();

        public async ValueTask InitializeAsync()
        {
            await Server.InitializeAsync();
            await Server.AddClientAsync(new Client
            {
                ClientId = "browser-app",
                Name = "App",
                Profile = ClientProfile.OpenId,
                AuthMethods = [ClientAuthMethod.None],
                RedirectUris = [OpenIdServer.Callback, Ours + "/callback", "https://app.example:8443/callback", "com.example.app:/callback"],
                Scopes = ScopeList.Of(["openid"]),
                Consent = ConsentRule.Always,
            });
        }

        public ValueTask DisposeAsync() => Server.DisposeAsync();
    }

    private OpenIdServer Server => world.Server;

    [Theory]
    [InlineData("https://attacker.example")]
    [InlineData("https://app.example.attacker.example")]
    [InlineData("https://app.example:444")]
    [InlineData("http://app.example")]
    [InlineData("http://127.0.0.1:8400")]
    [InlineData("https://APP.example")]
    [InlineData("https://app.example/")]
    [InlineData("https://user@app.example")]
    [InlineData("com.example.app:")]
    [InlineData("null")]
    [InlineData("*")]
    public async Task Another_origin_reads_nothing(string origin)
    {
        var tokens = await TokensAsync(origin);
        Assert.Equal(HttpStatusCode.OK, tokens.Status);
        AssertNotAllowed(tokens);
        AssertNotAllowed(await UserInfoAsync((string)tokens.Json["access_token"]!, origin));
        AssertNotAllowed(await SendAsync(HttpMethod.Post, "/revoke", origin, ("client_id", "browser-app"), ("token", "x")));
    }

    [Theory]
    [InlineData(Ours)]
    [InlineData("https://app.example:8443")]
    public async Task An_origin_of_the_client_reads_tokens_userinfo_and_revocations(string origin)
    {
        var tokens = await TokensAsync(origin);
        AssertAllowed(tokens, origin);
        AssertAllowed(await UserInfoAsync((string)tokens.Json["access_token"]!, origin), origin);
        AssertAllowed(await SendAsync(HttpMethod.Post, "/revoke", origin, ("client_id", "browser-app"), ("token", "x")), origin);
        // Also why it gets no tokens.
        var refused = await SendAsync(HttpMethod.Post, "/token", origin, ("client_id", "browser-app"), ("grant_type", "authorization_code"), ("code", "x"));
        Assert.Equal("invalid_grant", refused.Error);
        AssertAllowed(refused, origin);
    }

    [Fact]
    public async Task One_clients_origin_is_no_other_clients()
    {
        var token = (string)(await Server.NewFlow().TokensAsync())["access_token"]!;
        AssertNotAllowed(await UserInfoAsync(token, Ours));
        var request = new HttpRequestMessage(HttpMethod.Post, "/token") { Content = new FormUrlEncodedContent([KeyValuePair.Create("grant_type", "client_credentials")]), Headers = { Authorization = Server.Server.Basic("machine-client") } };
        request.Headers.Add("Origin", Ours);
        AssertNotAllowed(await Server.SendAsync(request));
    }

    [Fact]
    public async Task A_browser_may_ask_before_and_is_never_told_that_cookies_go_along()
    {
        foreach (var path in (string[])["/token", "/revoke", "/userinfo"])
        {
            var request = new HttpRequestMessage(HttpMethod.Options, path);
            request.Headers.Add("Origin", Ours);
            request.Headers.Add("Access-Control-Request-Method", "POST");
            request.Headers.Add("Access-Control-Request-Headers", "authorization,content-type");
            var answer = await Server.SendAsync(request);
            Assert.Equal(HttpStatusCode.NoContent, answer.Status);
            AssertAllowed(answer, Ours);
            Assert.Equal("authorization, content-type", answer.Response.Headers.GetValues("Access-Control-Allow-Headers").Single());
        }
    }

    [Theory]
    [InlineData("/authorize")]
    [InlineData("/authorize/resume")]
    [InlineData("/login")]
    [InlineData("/consent")]
    [InlineData("/account")]
    [InlineData("/")]
    [InlineData("/par")]
    [InlineData("/introspect")]
    [InlineData("/admin/v1/clients")]
    [InlineData("/seal/km/v1/requests")]
    public async Task Pages_and_the_doors_of_servers_are_for_no_script(string path)
    {
        foreach (var method in (HttpMethod[])[HttpMethod.Options, HttpMethod.Get, HttpMethod.Post])
        {
            var request = new HttpRequestMessage(method, path);
            request.Headers.Add("Origin", Ours);
            request.Headers.Add("Access-Control-Request-Method", "POST");
            AssertNotAllowed(await Server.SendAsync(request));
        }
    }

    [Fact]
    public async Task The_listener_that_asks_for_certificates_is_for_no_script()
    {
        using var mtls = Server.Server.NewClient("mtls");
        foreach (var method in (HttpMethod[])[HttpMethod.Options, HttpMethod.Post])
        {
            var request = new HttpRequestMessage(method, "/revoke");
            if (method == HttpMethod.Post)
                request.Content = new FormUrlEncodedContent([KeyValuePair.Create("client_id", "browser-app"), KeyValuePair.Create("token", "x")]);
            request.Headers.Add("Origin", Ours);
            request.Headers.Add("Access-Control-Request-Method", "POST");
            var response = await mtls.SendAsync(request);
            Assert.False(response.Headers.Contains("Access-Control-Allow-Origin"));
        }
    }

    [Fact]
    public async Task What_is_public_is_for_every_script()
    {
        foreach (var path in (string[])["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "/jwks"])
        {
            var answer = await SendAsync(HttpMethod.Get, path, "https://anybody.example");
            Assert.Equal("*", answer.Response.Headers.GetValues("Access-Control-Allow-Origin").Single());
        }
    }

    private async Task<Answer> TokensAsync(string origin)
    {
        var flow = Server.NewFlow("browser-app");
        flow.Parameters["scope"] = "openid";
        var code = await flow.CodeAsync(Server.NewUser());
        return await SendAsync(HttpMethod.Post, "/token", origin,
            ("grant_type", "authorization_code"), ("client_id", "browser-app"), ("code", code), ("redirect_uri", OpenIdServer.Callback), ("code_verifier", SealFlow.Verifier));
    }

    private Task<Answer> UserInfoAsync(string token, string origin)
    {
        var request = new HttpRequestMessage(HttpMethod.Get, "/userinfo") { Headers = { Authorization = new("Bearer", token) } };
        request.Headers.TryAddWithoutValidation("Origin", origin);
        return Server.SendAsync(request);
    }

    private Task<Answer> SendAsync(HttpMethod method, string path, string origin, params (string Name, string Value)[] form)
    {
        var request = new HttpRequestMessage(method, path) { Content = form.Length == 0 ? null : new FormUrlEncodedContent(form.Select(f => KeyValuePair.Create(f.Name, f.Value))) };
        request.Headers.TryAddWithoutValidation("Origin", origin);
        return Server.SendAsync(request);
    }

    private static void AssertAllowed(Answer answer, string origin)
    {
        Assert.Equal(origin, answer.Response.Headers.GetValues("Access-Control-Allow-Origin").Single());
        Assert.Contains("Origin", answer.Response.Headers.Vary);
        Assert.False(answer.Response.Headers.Contains("Access-Control-Allow-Credentials"));
    }

    private static void AssertNotAllowed(Answer answer) =>
        Assert.DoesNotContain(answer.Response.Headers, h => h.Key.StartsWith("Access-Control-", StringComparison.OrdinalIgnoreCase));
}
