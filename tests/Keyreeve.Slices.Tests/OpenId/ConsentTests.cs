using System.Net;
using Keyreeve.Core.Identity;
using Keyreeve.Testing;
using Keyreeve.Wire.OAuth;
using Xunit;

namespace Keyreeve.Slices.Tests.OpenId;

/// <summary>Who may be asked for what, and what a no means.</summary>
[Proves("TS 33.434", "5.2.6")]
[Proves("RFC 6749", "3.3")]
public sealed class ConsentTests(OpenIdServer server) : IClassFixture<OpenIdServer>
{
    [Theory]
    [InlineData("deny")]
    [InlineData("")]
    [InlineData("ALLOW")]
    [InlineData("maybe")]
    public async Task Anything_but_a_clear_yes_is_access_denied_and_is_not_remembered_as_consent(string decision)
    {
        var user = await server.AddUserAsync("user-" + decision);
        user.ConsentDecision = decision;
        var flow = server.NewFlow();
        var arrival = await user.GoAsync(flow.AuthorizeAddress);
        Assert.Equal(("access_denied", "state-123", server.Issuer), (arrival["error"], arrival["state"], arrival["iss"]));
        Assert.Null(arrival["code"]);
        flow.Parameters["prompt"] = "none";
        Assert.Equal("consent_required", (await user.GoAsync(flow.AuthorizeAddress))["error"]);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_consent_form_without_this_browsers_token_is_refused_and_nothing_is_consented(bool foreign)
    {
        var user = await server.AddUserAsync("victim-" + foreign);
        var form = await ConsentFormAsync(user);
        form.Remove("form_token");
        if (foreign)
            form["form_token"] = (await ConsentFormAsync(await server.AddUserAsync("attacker")))["form_token"];
        form["decision"] = "allow";
        var before = await server.TracesAsync();
        var response = await user.PostAsync("/consent", form);
        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        Assert.Null(response.Headers.Location);
        Assert.Equal(before, await server.TracesAsync());
    }

    [Fact]
    public async Task An_answer_to_a_page_that_showed_other_scopes_is_none_and_the_page_is_shown_again()
    {
        var user = await server.AddUserAsync("gaining", "fleet-tracking");
        var form = await ConsentFormAsync(user);
        form["decision"] = "allow";
        // Between page and answer the user gains a VAL service: the page did not show it.
        await server.ChangeUserAsync("gaining", u => u with { ValServiceIds = ["fleet-tracking", "pump-control"] });
        var response = await user.PostAsync("/consent", form);
        Assert.StartsWith("/authorize/resume?ticket=", response.Headers.Location!.OriginalString, StringComparison.Ordinal);
        response = await user.GetAsync(response.Headers.Location!.OriginalString);
        Assert.StartsWith("/consent?ticket=", response.Headers.Location!.OriginalString, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_consent_ticket_without_session_leads_to_the_login_and_in_another_browser_nowhere()
    {
        var user = await server.AddUserAsync("kim");
        var form = await ConsentFormAsync(user);
        var other = server.NewUser("bob");
        var before = await server.TracesAsync();
        foreach (var path in (string[])["/consent", "/authorize/resume", "/login"])
            Assert.Equal(HttpStatusCode.BadRequest, (await other.GetAsync($"{path}?ticket={form["ticket"]}")).StatusCode);
        user.Forget("__Host-keyreeve-session");
        var response = await user.GetAsync("/consent?ticket=" + form["ticket"]);
        Assert.StartsWith("/authorize/resume?ticket=", response.Headers.Location!.OriginalString, StringComparison.Ordinal);
        response = await user.GetAsync(response.Headers.Location!.OriginalString);
        Assert.StartsWith("/login?ticket=", response.Headers.Location!.OriginalString, StringComparison.Ordinal);
        Assert.Equal(before, await server.TracesAsync());
    }

    [Fact]
    [Proves("TS 33.434", "A.2.2")]
    public async Task A_VAL_service_that_is_not_the_users_is_dropped_and_the_answer_says_so()
    {
        var user = server.NewUser("bob");
        var flow = server.NewFlow();
        flow.Parameters["scope"] = "openid val:pump-control val:fleet-tracking";
        var body = await flow.TokensAsync(user);
        Assert.Equal("openid val:pump-control", (string)body["scope"]!);
        var claims = OpenIdServer.ClaimsOf((string)body["access_token"]!);
        Assert.Equal("openid val:pump-control", (string)claims["scope"]!);
        Assert.Equal([server.Issuer + "/userinfo", "https://val.example/pump-control"], claims["aud"]!.AsArray().Select(a => (string)a!));
        // A refresh does not bring it back.
        var (_, refreshed, _) = await flow.RefreshAsync((string)body["refresh_token"]!);
        Assert.Equal("openid val:pump-control", (string)refreshed["scope"]!);
    }

    [Fact]
    public async Task With_nothing_left_to_grant_the_answer_is_invalid_scope()
    {
        await server.AddClientAsync(new()
        {
            ClientId = "fleet-only",
            Name = "Fleet",
            Profile = ClientProfile.OpenId,
            RedirectUris = [OpenIdServer.Callback],
            Scopes = ScopeList.Of(["val:fleet-tracking"]),
        });
        var flow = server.NewFlow("fleet-only");
        flow.Parameters["scope"] = "val:fleet-tracking";
        var arrival = await server.NewUser("bob").GoAsync(flow.AuthorizeAddress);
        Assert.Equal("invalid_scope", arrival["error"]);
        Assert.Null(arrival["code"]);
    }

    [Fact]
    public async Task A_scope_that_exists_but_is_not_the_clients_is_invalid_scope()
    {
        var flow = server.NewFlow("openid-client");
        flow.Parameters["scope"] = "openid val:fleet-tracking";
        var arrival = await server.NewUser().GoAsync(flow.AuthorizeAddress);
        Assert.Equal("invalid_scope", arrival["error"]);
    }

    [Fact]
    public async Task An_operators_scope_is_never_a_users_to_grant()
    {
        await server.AddClientAsync(new()
        {
            ClientId = "climber",
            Name = "Climber",
            RedirectUris = [OpenIdServer.Callback],
            Scopes = ScopeList.Of(["openid", "keyreeve.admin", "keyreeve.audit.read"]),
        });
        var flow = server.NewFlow("climber");
        flow.Parameters["scope"] = "openid keyreeve.admin keyreeve.audit.read";
        var body = await flow.TokensAsync(server.NewUser());
        Assert.Equal("openid", (string)body["scope"]!);
        Assert.Equal(server.Issuer + "/userinfo", (string)OpenIdServer.ClaimsOf((string)body["access_token"]!)["aud"]!);
    }

    [Fact]
    public async Task The_consent_page_names_client_host_user_and_every_scope()
    {
        var user = await server.AddUserAsync("lena");
        var page = await ConsentPageAsync(user);
        foreach (var shown in (string[])["Demo SEAL client", "127.0.0.1", "lena", "openid", "val:pump-control", "seal:key_management"])
            Assert.Contains(shown, page, StringComparison.Ordinal);
    }

    [Fact]
    public async Task More_scopes_than_were_consented_to_are_asked_for_again()
    {
        var user = await server.AddUserAsync("mona");
        var flow = server.NewFlow();
        flow.Parameters["scope"] = "openid";
        await flow.CodeAsync(user);
        user.Seen.Clear();
        flow.Parameters["scope"] = "openid seal:key_management";
        await flow.CodeAsync(user);
        Assert.Equal(["/consent"], user.Seen);
        user.Seen.Clear();
        flow.Parameters["scope"] = "openid";
        await flow.CodeAsync(user);
        Assert.Empty(user.Seen);
    }

    [Fact]
    [Proves("RFC 6819", "4.4.1.10")]
    public async Task Allowing_a_small_request_of_a_public_client_does_not_let_a_larger_one_pass()
    {
        await server.AddClientAsync(new()
        {
            ClientId = "two-faced",
            Name = "App",
            Profile = ClientProfile.OpenId,
            AuthMethods = [ClientAuthMethod.None],
            RedirectUris = [OpenIdServer.Callback],
            Scopes = ScopeList.Of(["openid", "profile", "email"]),
        });
        var user = server.NewUser();
        var large = server.NewFlow("two-faced");
        large.Parameters["scope"] = "openid profile email";
        await large.CodeAsync(user);
        // The larger request waits at its consent page while the small one is allowed in another tab.
        var waiting = (await user.GetAsync(large.AuthorizeAddress)).Headers.Location!.OriginalString;
        Assert.StartsWith("/consent?ticket=", waiting, StringComparison.Ordinal);
        var small = server.NewFlow("two-faced");
        small.Parameters["scope"] = "openid";
        await small.CodeAsync(user);
        var resumed = await user.GetAsync(waiting.Replace("/consent?", "/authorize/resume?", StringComparison.Ordinal));
        Assert.StartsWith("/consent?ticket=", resumed.Headers.Location!.OriginalString, StringComparison.Ordinal);
    }

    [Fact]
    [Proves("RFC 6819", "4.4.1.10")]
    public async Task A_ticket_fetched_by_somebody_else_does_not_ride_on_the_users_answer_to_the_real_application()
    {
        await server.AddClientAsync(new()
        {
            ClientId = "public-app",
            Name = "App",
            Profile = ClientProfile.OpenId,
            AuthMethods = [ClientAuthMethod.None],
            RedirectUris = [OpenIdServer.Callback],
            Scopes = ScopeList.Of(["openid"]),
        });
        // The attacker's application asks in the real one's name, with its own port, in the user's browser, and the ticket waits.
        var attackers = server.NewFlow("public-app");
        attackers.Parameters["scope"] = "openid";
        attackers.Parameters["redirect_uri"] = "http://127.0.0.1:6666/callback";
        var user = server.NewUser();
        var ticket = (await user.GetAsync(attackers.AuthorizeAddress)).Headers.Location!.OriginalString;
        // The user allows the real application, and is then sent through the attacker's ticket.
        var real = server.NewFlow("public-app");
        real.Parameters["scope"] = "openid";
        await real.CodeAsync(user);
        var resumed = await user.GetAsync(ticket.Replace("/login?", "/authorize/resume?", StringComparison.Ordinal));
        Assert.StartsWith("/consent?ticket=", resumed.Headers.Location!.OriginalString, StringComparison.Ordinal);
        // A ticket that was fetched in the attacker's own browser is none in the user's.
        var fetched = (await server.NewUser().GetAsync(attackers.AuthorizeAddress)).Headers.Location!.OriginalString;
        Assert.Equal(HttpStatusCode.BadRequest, (await user.GetAsync(fetched.Replace("/login?", "/authorize/resume?", StringComparison.Ordinal))).StatusCode);
    }

    private async Task<string> ConsentPageAsync(SimUser user)
    {
        var flow = server.NewFlow();
        var response = await user.GetAsync(flow.AuthorizeAddress);
        var page = await user.GetAsync(response.Headers.Location!.OriginalString);
        var form = SimUser.Form(await page.Content.ReadAsStringAsync())!;
        form["username"] = (string)server.Server.Demo["users"]!.AsArray().Last()!["username"]!;
        form["password"] = user.Password;
        response = await user.PostAsync("/login", form);
        response = await user.GetAsync(response.Headers.Location!.OriginalString);
        Assert.StartsWith("/consent?", response.Headers.Location!.OriginalString, StringComparison.Ordinal);
        return await (await user.GetAsync(response.Headers.Location!.OriginalString)).Content.ReadAsStringAsync();
    }

    private async Task<Dictionary<string, string>> ConsentFormAsync(SimUser user) => SimUser.Form(await ConsentPageAsync(user))!;
}
