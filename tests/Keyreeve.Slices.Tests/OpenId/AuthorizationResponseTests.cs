using System.Net;
using Keyreeve.Core.Identity;
using Keyreeve.Testing;
using Keyreeve.Wire.OAuth;
using Xunit;

namespace Keyreeve.Slices.Tests.OpenId;

/// <summary>The way back to the client: state verbatim, iss always, 303 always, nothing injected.</summary>
[Proves("TS 33.434", "A.4.2.3")]
[Proves("RFC 9207", "2")]
[Proves("RFC 9700", "4.12")]
[Proves("OAuth 2.0 Form Post Response Mode", "2")]
public sealed class AuthorizationResponseTests(OpenIdServer server) : IClassFixture<OpenIdServer>
{
    public static TheoryData<string> HostileStates() =>
    [
        "\"><script>alert(1)</script>",
        "' onmouseover='alert(1)",
        "a\\\"b\\'c",
        "%0d%0aSet-Cookie: stolen=1",
        "&code=forged&iss=https://attacker.example",
        "#fragment?query=1;a=b",
        "a+b c%20d",
        "übergröße 漢字 🔑",
        "\u202Ereversed\u2066",
        "   ",
        "{\"json\":[1,2]}",
        "</form><form action=https://attacker.example>",
        new string('s', OAuthLimits.MaxState),
        new string('"', OAuthLimits.MaxState),
    ];

    [Theory]
    [MemberData(nameof(HostileStates))]
    public async Task State_comes_back_verbatim_in_the_query(string state)
    {
        var (user, flow) = await LoggedInAsync();
        flow.Parameters["state"] = state;
        foreach (var error in (string?[])[null, "login"])
        {
            // The second time with an error: prompt=none beside another value.
            if (error is not null)
                flow.Parameters["prompt"] = "none login";
            var response = await user.GetAsync(flow.AuthorizeAddress);
            var answer = new Answer(response, await response.Content.ReadAsStringAsync());
            Assert.Equal(HttpStatusCode.SeeOther, answer.Status);
            Assert.Equal(state, answer["state"]);
            Assert.Equal(server.Issuer, answer["iss"]);
            Assert.Equal(error is null, answer["code"] is not null);
            Assert.All(answer.Location!, c => Assert.True(c is > ' ' and < '\x7F' and not ('"' or '<' or '>' or '\\')));
            Assert.DoesNotContain(response.Headers, h => h.Key == "Set-Cookie" && h.Value.Any(v => v.Contains("stolen", StringComparison.Ordinal)));
            Assert.Equal("no-referrer", response.Headers.GetValues("Referrer-Policy").Single());
        }
    }

    [Theory]
    [MemberData(nameof(HostileStates))]
    public async Task State_comes_back_verbatim_in_a_form(string state)
    {
        var (user, flow) = await LoggedInAsync();
        flow.Parameters["state"] = state;
        flow.Parameters["response_mode"] = "form_post";
        var arrival = await user.GoAsync(flow.AuthorizeAddress);
        var form = AssertFormPost(arrival);
        Assert.Equal(["code", "state", "iss"], form.Keys);
        Assert.Equal(state, form["state"]);
        Assert.Equal(server.Issuer, form["iss"]);
        var (status, _, _) = await flow.RedeemAsync(form["code"]);
        Assert.Equal(HttpStatusCode.OK, status);
    }

    [Theory]
    [InlineData("prompt", "none login", "invalid_request")]
    [InlineData("scope", "openid no-such-scope", "invalid_scope")]
    [InlineData("response_type", "token", "unsupported_response_type")]
    public async Task Errors_are_posted_too_when_the_client_asked_for_it(string name, string value, string error)
    {
        var (user, flow) = await LoggedInAsync();
        flow.Parameters["response_mode"] = "form_post";
        flow.Parameters[name] = value;
        var form = AssertFormPost(await user.GoAsync(flow.AuthorizeAddress));
        Assert.Equal(["error", "error_description", "state", "iss"], form.Keys);
        Assert.Equal((error, "state-123", server.Issuer), (form["error"], form["state"], form["iss"]));
    }

    [Fact]
    public async Task Without_state_in_the_request_there_is_none_in_the_response()
    {
        var flow = server.PlainFlow("openid-client");
        await server.ChangeClientAsync("openid-client", c => c with { PkceOptional = true });
        flow.Parameters.Remove("state");
        var arrival = await server.NewUser().GoAsync(flow.AuthorizeAddress);
        Assert.NotNull(arrival["code"]);
        Assert.DoesNotContain("state=", arrival.Location, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Every_redirect_is_a_303_so_that_no_browser_posts_a_password_on()
    {
        var user = server.NewUser("bob");
        var flow = server.NewFlow();
        var statuses = new List<HttpStatusCode>();

        async Task<HttpResponseMessage> NextAsync(Task<HttpResponseMessage> sent)
        {
            var response = await sent;
            statuses.Add(response.StatusCode);
            return response;
        }

        var login = await NextAsync(user.PostAsync("/authorize", flow.Parameters));
        login = await NextAsync(user.GetAsync(login.Headers.Location!.OriginalString));
        var page = await user.GetAsync(login.Headers.Location!.OriginalString);
        var form = SimUser.Form(await page.Content.ReadAsStringAsync())!;
        form["username"] = "bob";
        form["password"] = user.Password;
        var resume = await NextAsync(user.PostAsync("/login", form));
        var consent = await NextAsync(user.GetAsync(resume.Headers.Location!.OriginalString));
        page = await user.GetAsync(consent.Headers.Location!.OriginalString);
        form = SimUser.Form(await page.Content.ReadAsStringAsync())!;
        form["decision"] = "allow";
        resume = await NextAsync(user.PostAsync("/consent", form));
        await NextAsync(user.GetAsync(resume.Headers.Location!.OriginalString));
        Assert.Equal(Enumerable.Repeat(HttpStatusCode.SeeOther, 6), statuses);
    }

    [Fact]
    public async Task Cross_origin_scripts_are_never_let_in_to_the_pages()
    {
        var flow = server.NewFlow();
        foreach (var (method, address) in ((HttpMethod, string)[])[(HttpMethod.Get, flow.AuthorizeAddress), (HttpMethod.Options, "/authorize"), (HttpMethod.Options, "/login"), (HttpMethod.Get, "/login")])
        {
            var request = new HttpRequestMessage(method, address) { Headers = { { "Origin", "https://attacker.example" }, { "Access-Control-Request-Method", "POST" } } };
            var answer = await server.SendAsync(request);
            Assert.DoesNotContain(answer.Response.Headers, h => h.Key.StartsWith("Access-Control-", StringComparison.OrdinalIgnoreCase));
        }
    }

    private static Dictionary<string, string> AssertFormPost(Arrival arrival)
    {
        Assert.Null(arrival.Location);
        Assert.Equal(HttpStatusCode.OK, arrival.Response.StatusCode);
        Assert.Null(arrival.Response.Headers.Location);
        Assert.Equal("text/html", arrival.Response.Content.Headers.ContentType!.MediaType);
        Assert.True(arrival.Response.Headers.CacheControl!.NoStore);
        var html = arrival.Html!;
        Assert.Contains($"method=\"post\" action=\"{OpenIdServer.Callback}\"", html, StringComparison.Ordinal);
        Assert.Contains("<noscript>", html, StringComparison.Ordinal);
        Assert.DoesNotContain("<script>alert", html, StringComparison.Ordinal);
        Assert.DoesNotContain("attacker.example>", html, StringComparison.Ordinal);
        var policy = arrival.Response.Headers.GetValues("Content-Security-Policy").Single();
        var nonce = System.Text.RegularExpressions.Regex.Match(policy, "script-src 'nonce-([0-9a-f]{32})'").Groups[1].Value;
        Assert.Contains($"<script nonce=\"{nonce}\">", html, StringComparison.Ordinal);
        Assert.Equal(1, html.Split("<script").Length - 1);
        Assert.Contains("form-action 'self' http://127.0.0.1:8400;", policy, StringComparison.Ordinal);
        return SimUser.Form(html)!;
    }

    private async Task<(SimUser User, SealFlow Flow)> LoggedInAsync()
    {
        var user = server.NewUser();
        await server.NewFlow().CodeAsync(user);
        return (user, server.NewFlow());
    }
}
