using System.Net;
using System.Text.Json.Nodes;
using Keyreeve.Core.Identity;
using Keyreeve.Testing;
using Keyreeve.Wire.OAuth;
using Xunit;

namespace Keyreeve.Slices.Tests.OpenId;

// Inside Keyreeve.*, "Client" alone is the namespace of the SDK.
using Client = Keyreeve.Core.Identity.Client;

/// <summary>What a logout ends and what it leaves, and who may not have one.</summary>
[Proves("OpenID Connect RP-Initiated Logout 1.0", "2")]
public sealed class LogoutTests(OpenIdServer server) : IClassFixture<OpenIdServer>
{
    private const string Landing = "https://rp.example/out?of=here";

    [Fact]
    [Proves("RFC 9700", "4.14.2")]
    public async Task A_logout_ends_the_session_its_codes_its_refresh_tokens_and_its_access_tokens_and_nothing_else()
    {
        await server.AddClientAsync(Plain("no-refresh") with { Grants = [GrantType.AuthorizationCode], PkceOptional = false });
        var user = await server.AddUserAsync("leaving");
        var (flow, tokens) = await LogInAsync(user);
        var seal = await server.NewFlow().TokensAsync(user);
        var unrefreshed = server.NewFlow("no-refresh");
        unrefreshed.Parameters["scope"] = "openid";
        user.Seen.Clear();
        var third = await unrefreshed.TokensAsync(user);
        var code = await flow.CodeAsync(user);
        var elsewhere = server.NewUser("leaving");
        var (_, other) = await LogInAsync(elsewhere);

        var traces = await server.TracesAsync();
        var answer = await user.GetAsync(Address(Hint(tokens), Landing, "s"));
        Assert.Equal((HttpStatusCode.SeeOther, Landing + "&state=s"), (answer.StatusCode, answer.Headers.Location!.OriginalString));
        Assert.Equal(traces + 1, await server.TracesAsync());

        Assert.Null(user.CookieOf("__Host-keyreeve-session"));
        foreach (var (client, dead) in ((string, JsonObject)[])[("rp", tokens), ("seal-client", seal), ("no-refresh", third)])
        {
            Assert.False(await server.IsActiveAsync(client, Access(dead)));
            Assert.Equal(HttpStatusCode.Unauthorized, (await server.GetAsync("/userinfo", Access(dead))).Status);
            if (dead["refresh_token"] is not null)
                Assert.Equal("invalid_grant", (string)(await server.NewFlow(client).RefreshAsync((string)dead["refresh_token"]!)).Body["error"]!);
        }
        Assert.Equal("invalid_grant", (string)(await flow.RedeemAsync(code)).Body["error"]!);

        Assert.True(await server.IsActiveAsync("rp", Access(other)));
        Assert.Equal(HttpStatusCode.OK, (await flow.RefreshAsync((string)other["refresh_token"]!)).Status);
        Assert.NotNull((await elsewhere.GoAsync(Silent())).Location);
        // Once more is none: nobody is logged in, and nothing is written.
        traces = await server.TracesAsync();
        Assert.Equal(Landing + "&state=s", (await user.GetAsync(Address(Hint(tokens), Landing, "s"))).Headers.Location!.OriginalString);
        Assert.Equal(traces, await server.TracesAsync());
    }

    [Fact]
    public async Task What_stood_on_an_earlier_login_in_the_same_browser_ends_too()
    {
        var user = server.NewUser();
        var (_, first) = await LogInAsync(user);
        var (_, second) = await LogInAsync(user, "login");
        Assert.Equal(OpenIdServer.ClaimsOf(Hint(first))["sid"]!.ToString(), OpenIdServer.ClaimsOf(Hint(second))["sid"]!.ToString());
        await user.GetAsync(Address(Hint(second), Landing));
        Assert.False(await server.IsActiveAsync("rp", Access(first)));
        // Another person in that browser is another session.
        user = server.NewUser();
        var (_, alices) = await LogInAsync(user);
        var bob = await TakeOverAsync(user, "bob");
        Assert.NotEqual(OpenIdServer.ClaimsOf(Hint(alices))["sid"]!.ToString(), OpenIdServer.ClaimsOf(Hint(bob))["sid"]!.ToString());
    }

    [Fact]
    public async Task An_expired_hint_counts_and_a_posted_request_is_served_alike()
    {
        var user = server.NewUser();
        var (_, tokens) = await LogInAsync(user);
        server.Server.Time.Advance(TimeSpan.FromMinutes(11));
        // From another site the browser sends the form without our cookie, and follows with it.
        var posted = await server.PostAsync("/end_session", null, ("id_token_hint", Hint(tokens)), ("post_logout_redirect_uri", Landing), ("state", "s"));
        Assert.Equal(HttpStatusCode.SeeOther, posted.Status);
        Assert.StartsWith("/end_session/resume?ticket=", posted.Location, StringComparison.Ordinal);
        Assert.DoesNotContain(Hint(tokens)[..40], posted.Location, StringComparison.Ordinal);
        var answer = await user.GetAsync(posted.Location!);
        Assert.Equal(Landing + "&state=s", answer.Headers.Location!.OriginalString);
        Assert.Equal("login_required", (await user.GoAsync(Silent()))["error"]);
    }

    [Theory]
    [InlineData("access token")]
    [InlineData("another client beside it")]
    [InlineData("client removed")]
    [InlineData("another session of the same user")]
    [InlineData("another user")]
    public async Task What_does_not_fit_is_asked_about(string what)
    {
        var user = await server.AddUserAsync("asked-" + what.Replace(' ', '-'));
        var (_, tokens) = await LogInAsync(user);
        var hint = Hint(tokens);
        var more = "";
        switch (what)
        {
            case "access token":
                hint = Access(tokens);
                break;
            case "another client beside it":
                more = "&client_id=openid-client";
                break;
            case "client removed":
                await server.AddClientAsync(Plain("gone"));
                var gone = server.PlainFlow("gone");
                var (_, body, _) = await gone.RedeemAsync(await gone.CodeAsync(user), null);
                hint = Hint(body);
                await server.ChangeClientAsync("gone", c => c with { Disabled = true });
                break;
            case "another session of the same user":
                hint = Hint((await LogInAsync(server.NewUser(await NameOfAsync(tokens)))).Tokens);
                break;
            default:
                hint = Hint((await LogInAsync(server.NewUser("bob"))).Tokens);
                break;
        }
        var traces = await server.TracesAsync();
        var page = await user.GetAsync(Address(hint, Landing, "s") + more);
        Assert.Equal(HttpStatusCode.OK, page.StatusCode);
        Assert.Contains("value=\"end\"", await page.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.Equal(traces, await server.TracesAsync());
        Assert.True(await server.IsActiveAsync("rp", Access(tokens)));
    }

    [Fact]
    [Proves("RFC 9700", "4.7")]
    public async Task The_answer_counts_with_the_token_of_this_browser_and_for_the_session_that_was_shown()
    {
        var user = server.NewUser();
        var (_, tokens) = await LogInAsync(user);
        var form = await AskedAsync(user, "/end_session");
        form["decision"] = "end";
        var without = new Dictionary<string, string>(form);
        without.Remove("form_token");
        Assert.Equal(HttpStatusCode.BadRequest, (await user.PostAsync("/end_session/confirm", without)).StatusCode);
        var stranger = server.NewUser("bob");
        await LogInAsync(stranger);
        var strangers = await AskedAsync(stranger, "/end_session");
        Assert.Equal(HttpStatusCode.BadRequest, (await user.PostAsync("/end_session/confirm", new Dictionary<string, string>(form) { ["ticket"] = strangers["ticket"] })).StatusCode);
        // A ticket of a sign-in is none of a logout.
        var login = await user.GetAsync(server.NewFlow().AuthorizeAddress + "&prompt=login");
        var ticket = login.Headers.Location!.OriginalString.Split('=')[1];
        Assert.Equal(HttpStatusCode.BadRequest, (await user.PostAsync("/end_session/confirm", new Dictionary<string, string>(form) { ["ticket"] = ticket })).StatusCode);
        Assert.Equal(HttpStatusCode.BadRequest, (await user.GetAsync("/end_session/resume?ticket=" + ticket)).StatusCode);
        Assert.True(await server.IsActiveAsync("rp", Access(tokens)));
        // Somebody else signed in here meanwhile: that one is asked.
        var bob = await TakeOverAsync(user, "bob");
        var again = await user.PostAsync("/end_session/confirm", form);
        Assert.Contains("value=\"end\"", await again.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.True(await server.IsActiveAsync("rp", Access(bob)));
    }

    [Fact]
    public async Task Who_is_asked_in_spite_of_a_good_hint_goes_back_to_the_application_after_a_yes()
    {
        var user = server.NewUser();
        await LogInAsync(user);
        var foreign = Hint((await LogInAsync(server.NewUser())).Tokens);
        var form = await AskedAsync(user, Address(foreign, Landing, "s"));
        form["decision"] = "end";
        Assert.Equal(Landing + "&state=s", (await user.PostAsync("/end_session/confirm", form)).Headers.Location!.OriginalString);
    }

    [Theory]
    [InlineData("/end_session?state=1&state=2")]
    [InlineData("/end_session?state=%00")]
    [InlineData("/end_session/resume?ticket=junk")]
    [InlineData("/end_session/resume")]
    public async Task What_does_not_read_is_a_page_and_ends_nothing(string address)
    {
        var user = server.NewUser();
        var (_, tokens) = await LogInAsync(user);
        var answer = await user.GetAsync(address);
        Assert.Equal((HttpStatusCode.BadRequest, null), (answer.StatusCode, answer.Headers.Location));
        Assert.Equal("text/html", answer.Content.Headers.ContentType!.MediaType);
        Assert.True(await server.IsActiveAsync("rp", Access(tokens)));
    }

    [Fact]
    public async Task The_pages_speak_German_too()
    {
        var user = server.NewUser();
        var (_, tokens) = await LogInAsync(user);
        Assert.Contains("Abmelden?", await (await user.GetAsync("/end_session?ui_locales=de")).Content.ReadAsStringAsync(), StringComparison.Ordinal);
        var posted = await server.PostAsync("/end_session", null, ("id_token_hint", Hint(tokens)), ("ui_locales", "de-AT"));
        Assert.Contains("Sie sind abgemeldet", await (await user.GetAsync(posted.Location!)).Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    private static Client Plain(string id) => new()
    {
        ClientId = id,
        Name = id,
        Profile = ClientProfile.OpenId,
        RedirectUris = [OpenIdServer.Callback],
        PostLogoutRedirectUris = [Landing],
        Scopes = ScopeList.Of(["openid"]),
        PkceOptional = true,
    };

    private async Task<(SealFlow Flow, JsonObject Tokens)> LogInAsync(SimUser user, string? prompt = null)
    {
        if (await server.Service<IDirectory>().FindClientAsync("rp", CancellationToken.None) is null)
            await server.AddClientAsync(Plain("rp"));
        var flow = server.NewFlow("rp");
        flow.Parameters["scope"] = "openid";
        if (prompt is not null)
            flow.Parameters["prompt"] = prompt;
        return (flow, await flow.TokensAsync(user));
    }

    /// <summary>Somebody else signs in in the browser of <paramref name="user"/>.</summary>
    private async Task<JsonObject> TakeOverAsync(SimUser user, string username)
    {
        var flow = server.NewFlow("rp");
        flow.Parameters["scope"] = "openid";
        flow.Parameters["prompt"] = "login";
        var login = await user.GetAsync((await user.GetAsync(flow.AuthorizeAddress)).Headers.Location!.OriginalString);
        var form = SimUser.Form(await login.Content.ReadAsStringAsync())!;
        form["username"] = username;
        form["password"] = (string)server.Server.User(username)["password"]!;
        var arrival = await user.GoAsync((await user.PostAsync("/login", form)).Headers.Location!.OriginalString);
        return (await flow.RedeemAsync(arrival["code"]!)).Body;
    }

    private async Task<string> NameOfAsync(JsonObject tokens) =>
        (await server.Service<IDirectory>().FindUserAsync((string)OpenIdServer.ClaimsOf(Hint(tokens))["sub"]!, CancellationToken.None))!.Username;

    private static async Task<Dictionary<string, string>> AskedAsync(SimUser user, string address)
    {
        var page = await user.GetAsync(address);
        Assert.Equal(HttpStatusCode.OK, page.StatusCode);
        return SimUser.Form(await page.Content.ReadAsStringAsync())!;
    }

    private string Silent()
    {
        var flow = server.NewFlow("rp");
        flow.Parameters["scope"] = "openid";
        flow.Parameters["prompt"] = "none";
        return flow.AuthorizeAddress;
    }

    private static string Address(string hint, string uri, string? state = null) =>
        $"/end_session?id_token_hint={hint}&post_logout_redirect_uri={Uri.EscapeDataString(uri)}" + (state is null ? "" : "&state=" + state);

    private static string Hint(JsonObject tokens) => (string)tokens["id_token"]!;

    private static string Access(JsonObject tokens) => (string)tokens["access_token"]!;
}
