using System.Net;
using Keyreeve.Core.Identity;
using Keyreeve.Testing;
using Keyreeve.Wire.OAuth;
using Xunit;

namespace Keyreeve.Slices.Tests.OpenId;

/// <summary>Redirect URIs that are nearly the registered ones, at a client of every kind of URI.</summary>
[Proves("RFC 9700", "4.1.3")]
[Proves("RFC 8252", "7.3")]
[Proves("TS 33.434", "A.3")]
public sealed class RedirectUriAttackTests(RedirectUriAttackTests.Registered registered) : IClassFixture<RedirectUriAttackTests.Registered>
{
    public sealed class Registered : IAsyncLifetime
    {
        public OpenIdServer Server { get; private set; } = null!;

        public SimUser User { get; private set; } = null!;

        public async ValueTask InitializeAsync()
        {
            Server = await OpenIdServer.StartAsync();
            await Server.AddClientAsync(new()
            {
                ClientId = "many-uris",
                Name = "Many",
                RedirectUris = ["https://app.example/callback", "https://app.example/query?fixed=1", "http://127.0.0.1:8400/callback", "http://[::1]:8400/callback", "http://localhost:8400/callback", "com.example.app:/callback"],
                Scopes = ScopeList.Of(["openid"]),
                Consent = ConsentRule.Implied,
            });
            User = Server.NewUser();
            await FlowOf("https://app.example/callback").CodeAsync(User);
        }

        public SealFlow FlowOf(string redirectUri)
        {
            var flow = Server.NewFlow("many-uris");
            flow.Parameters["scope"] = "openid";
            flow.Parameters["redirect_uri"] = flow.RedirectUri = redirectUri;
            return flow;
        }

        public ValueTask DisposeAsync() => Server.DisposeAsync();
    }

    [Theory]
    [InlineData("https://app.example/callback2")]
    [InlineData("https://app.example/callback/")]
    [InlineData("https://app.example/callback/evil")]
    [InlineData("https://app.example/callbac")]
    [InlineData("https://app.example/")]
    [InlineData("https://app.example")]
    [InlineData("https://app.example/callback?")]
    [InlineData("https://app.example/callback?foo=bar")]
    [InlineData("https://app.example/callback#")]
    [InlineData("https://app.example/callback#fragment")]
    [InlineData("https://app.example/callback/../callback")]
    [InlineData("https://app.example/x/../callback")]
    [InlineData("https://app.example/./callback")]
    [InlineData("https://app.example//callback")]
    [InlineData("https://app.example/Callback")]
    [InlineData("https://APP.example/callback")]
    [InlineData("HTTPS://app.example/callback")]
    [InlineData("https://app.example/%63allback")]
    [InlineData("https://app.example/callback%20")]
    [InlineData("https://app.example/callback ")]
    [InlineData(" https://app.example/callback")]
    [InlineData("https://app.example/callback%2F..")]
    [InlineData("https://app.example\\callback")]
    [InlineData("https://user@app.example/callback")]
    [InlineData("https://app.example@attacker.example/callback")]
    [InlineData("https://app.example:443/callback")]
    [InlineData("https://app.example:8443/callback")]
    [InlineData("https://app.example./callback")]
    [InlineData("https://app.example.attacker.example/callback")]
    [InlineData("https://attacker.example/https://app.example/callback")]
    [InlineData("https://sub.app.example/callback")]
    [InlineData("http://app.example/callback")]
    [InlineData("//app.example/callback")]
    [InlineData("/callback")]
    [InlineData("javascript:alert(1)")]
    [InlineData("data:text/html,x")]
    [InlineData("https://app.example/query")]
    [InlineData("https://app.example/query?fixed=2")]
    [InlineData("https://app.example/query?fixed=1&more=1")]
    [InlineData("https://app.example/query?FIXED=1")]
    [InlineData("http://localhost:8401/callback")]
    [InlineData("http://localhost/callback")]
    [InlineData("https://127.0.0.1:8400/callback")]
    [InlineData("http://127.0.0.1:8400/other")]
    [InlineData("http://127.0.0.1:8400/callback/")]
    [InlineData("http://127.0.0.1:/callback")]
    [InlineData("http://127.0.0.1:0/callback")]
    [InlineData("http://127.0.0.1:65536/callback")]
    [InlineData("http://127.0.0.1:8400@attacker.example/callback")]
    [InlineData("http://127.0.0.1.attacker.example/callback")]
    [InlineData("http://127.0.0.2:8400/callback")]
    [InlineData("http://127.1:8400/callback")]
    [InlineData("http://2130706433:8400/callback")]
    [InlineData("http://[::ffff:127.0.0.1]:8400/callback")]
    [InlineData("http://[0:0:0:0:0:0:0:1]:8400/callback")]
    [InlineData("com.example.app:/callback2")]
    [InlineData("com.example.app://callback")]
    [InlineData("COM.example.app:/callback")]
    public async Task A_redirect_URI_that_is_nearly_the_registered_one_is_a_page_and_never_a_redirect(string uri)
    {
        var before = await registered.Server.TracesAsync();
        var response = await registered.User.GetAsync(registered.FlowOf(uri).AuthorizeAddress);
        AuthorizeParameterTests.AssertErrorPage(new(response, await response.Content.ReadAsStringAsync()));
        // An error in the rest of the request does not open the door either.
        response = await registered.User.GetAsync(registered.FlowOf(uri).AuthorizeAddress + "&request=x");
        AuthorizeParameterTests.AssertErrorPage(new(response, await response.Content.ReadAsStringAsync()));
        Assert.Equal(before, await registered.Server.TracesAsync());
    }

    [Theory]
    [InlineData("https://app.example/callback", '?')]
    [InlineData("https://app.example/query?fixed=1", '&')]
    [InlineData("http://localhost:8400/callback", '?')]
    [InlineData("http://127.0.0.1:8400/callback", '?')]
    [InlineData("http://127.0.0.1:61234/callback", '?')]
    [InlineData("http://127.0.0.1/callback", '?')]
    [InlineData("http://[::1]:61234/callback", '?')]
    [InlineData("com.example.app:/callback", '?')]
    public async Task A_registered_redirect_URI_and_any_port_of_a_loopback_literal_get_the_code(string uri, char separator)
    {
        var flow = registered.FlowOf(uri);
        var response = await registered.User.GetAsync(flow.AuthorizeAddress);
        var answer = new Answer(response, "");
        Assert.Equal(HttpStatusCode.SeeOther, answer.Status);
        Assert.StartsWith(uri + separator + "code=", answer.Location, StringComparison.Ordinal);
        Assert.Equal(registered.Server.Issuer, answer["iss"]);
        var (status, _, _) = await flow.RedeemAsync(answer["code"]!);
        Assert.Equal(HttpStatusCode.OK, status);
    }

    [Fact]
    public async Task A_code_for_one_loopback_port_is_not_redeemed_with_another()
    {
        var flow = registered.FlowOf("http://127.0.0.1:61234/callback");
        var code = await flow.CodeAsync(registered.User);
        flow.RedirectUri = "http://127.0.0.1:61235/callback";
        var (status, body, _) = await flow.RedeemAsync(code);
        Assert.Equal((HttpStatusCode.BadRequest, "invalid_grant"), (status, (string)body["error"]!));
    }

    [Fact]
    public async Task With_several_URIs_registered_none_is_guessed()
    {
        await registered.Server.AddClientAsync(new()
        {
            ClientId = "two-uris",
            Name = "Two",
            Profile = ClientProfile.OpenId,
            RedirectUris = ["https://app.example/a", "https://app.example/b"],
            Scopes = ScopeList.Of(["profile"]),
        });
        var flow = registered.Server.NewFlow("two-uris");
        flow.Parameters.Remove("redirect_uri");
        flow.Parameters["scope"] = "profile";
        AuthorizeParameterTests.AssertErrorPage(await registered.Server.GetAsync(flow.AuthorizeAddress));
    }
}
