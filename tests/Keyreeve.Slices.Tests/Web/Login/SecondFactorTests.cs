using System.Net;
using Keyreeve.Slices.Tests.OpenId;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Slices.Tests.Web.Login;

/// <summary>The second factor under attack. First the attacks, then the way it is meant.</summary>
[Proves("RFC 6238", "5.2")]
[Proves("RFC 9700", "4.7")]
public sealed class SecondFactorTests(OpenIdServer server) : IClassFixture<OpenIdServer>
{
    private const string Session = "__Host-keyreeve-session";

    [Fact]
    public async Task A_ticket_of_another_browser_opens_no_page_and_finishes_no_login()
    {
        // The attacker prepares a login and wants the victim to finish it, or the other way round.
        var attacker = await LoginVisit.ToAsync(server, server.NewUser(), server.NewFlow());
        var victim = server.NewUser();
        await LoginVisit.ToAsync(server, victim, server.NewFlow());
        Assert.Equal(HttpStatusCode.BadRequest, (await victim.GetAsync(attacker.Address)).StatusCode);
        var visit = await LoginVisit.ToAsync(server, victim, server.NewFlow());
        var before = await server.TracesAsync();
        await visit.SendAsync(("ticket", attacker.Form["ticket"]), ("username", "alice"), ("password", victim.Password));
        Assert.Equal(HttpStatusCode.BadRequest, visit.Response.StatusCode);
        Assert.Null(victim.CookieOf(Session));
        Assert.Equal(before, await server.TracesAsync());
        // Without any cookie it is nobody's.
        Assert.Equal(HttpStatusCode.BadRequest, (await server.GetAsync(attacker.Address)).Status);
    }

    [Fact]
    public async Task A_request_posted_from_another_site_begins_where_it_arrives_and_carries_nothing_with_it()
    {
        var flow = server.NewFlow();
        flow.Parameters["prompt"] = "login";
        var prepared = await server.PostAsync("/authorize", null, [.. flow.Parameters.Select(p => (p.Key, p.Value))]);
        server.Server.Time.Advance(TimeSpan.FromSeconds(2));
        var victim = server.NewUser();
        await server.NewFlow().CodeAsync(victim);
        // The victim signed in after the attacker's request was made: that must not count as the login that the request asks for.
        var visit = await new LoginVisit(server, victim).GetAsync(prepared.Location!);
        Assert.True(visit.AsksPassword);
        visit = await new LoginVisit(server, victim).GetAsync(prepared.Location + "&denied=1");
        Assert.True(visit.AsksPassword);
        // And it opens neither login nor consent page by itself.
        foreach (var path in (string[])["/login", "/consent"])
            Assert.Equal(HttpStatusCode.BadRequest, (await victim.GetAsync(prepared.Location!.Replace("/authorize/resume", path, StringComparison.Ordinal))).StatusCode);
    }

    [Fact]
    public async Task The_second_step_is_shown_only_after_a_right_password_and_the_password_alone_opens_nothing()
    {
        var (name, user) = await NewUserAsync();
        var wrong = await (await LoginVisit.ToAsync(server, user, server.NewFlow())).SendPasswordAsync(name, "wrong");
        Assert.True(wrong.AsksPassword);
        Assert.Contains("User name or password is not right.", wrong.Html, StringComparison.Ordinal);
        Assert.False(wrong.AsksCode);

        var visit = await (await LoginVisit.ToAsync(server, user, server.NewFlow())).SendPasswordAsync(name);
        Assert.True(visit.AsksCode);
        Assert.Null(user.CookieOf(Session));
        // Jumping to where the flow goes on: nobody is logged in there.
        var before = await server.TracesAsync();
        var jumped = await new LoginVisit(server, user).GetAsync(visit.Address.Replace("/login?", "/authorize/resume?", StringComparison.Ordinal));
        Assert.True(jumped.AsksPassword);
        var account = await new LoginVisit(server, user).GetAsync("/account");
        Assert.True(account.AsksPassword);
        Assert.Equal(before, await server.TracesAsync());
    }

    [Fact]
    public async Task A_code_without_the_first_factor_and_an_empty_second_step_get_nowhere()
    {
        var (name, user) = await NewUserAsync();
        var visit = await (await LoginVisit.ToAsync(server, user, server.NewFlow())).SendAsync(("username", name), ("code", user.Code()));
        Assert.True(visit.AsksPassword);
        visit = await (await LoginVisit.ToAsync(server, user, server.NewFlow())).SendPasswordAsync(name);
        await visit.SendAsync();
        Assert.True(visit.AsksCode && visit.ShowsError);
        // The password again is not a second factor.
        await visit.SendPasswordAsync(name);
        Assert.True(visit.AsksCode && visit.ShowsError);
        Assert.Null(user.CookieOf(Session));
    }

    [Fact]
    public async Task A_code_is_accepted_once()
    {
        var (name, user) = await NewUserAsync();
        var code = user.Code();
        var flow = server.NewFlow();
        var claims = await (await (await (await (await LoginVisit.ToAsync(server, user, flow)).SendPasswordAsync(name)).SendCodeAsync(code)).AllowIfAskedAsync()).ClaimsAsync(flow);
        Assert.Equal("urn:keyreeve:acr:two-factor", (string)claims["acr"]!);
        Assert.Equal(["pwd", "otp", "mfa"], claims["amr"]!.AsArray().Select(a => (string)a!));

        var thief = server.NewUser(name);
        var visit = await (await (await LoginVisit.ToAsync(server, thief, server.NewFlow())).SendPasswordAsync(name, user.Password)).SendCodeAsync(code);
        Assert.True(visit.AsksCode && visit.ShowsError);
        Assert.Null(thief.CookieOf(Session));
    }

    [Fact]
    public async Task A_recorded_second_step_cannot_be_played_again()
    {
        var (name, user) = await NewUserAsync();
        var codes = await server.GiveRecoveryCodesAsync(name);
        var visit = await (await LoginVisit.ToAsync(server, user, server.NewFlow())).SendPasswordAsync(name);
        var (form, before) = (visit.Form, user.CookieOf(Session));
        await visit.SendCodeAsync();
        Assert.NotEqual(before, user.CookieOf(Session));
        user.Forget(Session);
        // The same half-done login with another good proof: it was finished once.
        form["recovery_code"] = codes[0];
        var again = await new LoginVisit(server, user).PostAsync("/login", form);
        Assert.Equal(HttpStatusCode.BadRequest, again.Response.StatusCode);
        Assert.Null(user.CookieOf(Session));
    }

    [Fact]
    public async Task A_half_done_login_does_not_move_to_another_browser_or_user()
    {
        var (name, user) = await NewUserAsync();
        var (otherName, other) = await NewUserAsync();
        var visit = await (await LoginVisit.ToAsync(server, user, server.NewFlow())).SendPasswordAsync(name);
        var stolen = visit.Form["ticket"];
        var thief = server.NewUser(name);
        await LoginVisit.ToAsync(server, thief, server.NewFlow());
        Assert.Equal(HttpStatusCode.BadRequest, (await thief.GetAsync("/login?ticket=" + stolen)).StatusCode);
        // The other user's code in this user's half-done login.
        await visit.SendCodeAsync(other.Code());
        Assert.True(visit.AsksCode && visit.ShowsError);
        Assert.Null(user.CookieOf(Session));
        Assert.NotEqual(name, otherName);
    }

    [Theory]
    [InlineData("disabled")]
    [InlineData("password")]
    public async Task A_user_who_is_switched_off_or_gets_a_new_password_half_way_begins_again(string what)
    {
        var (name, user) = await NewUserAsync();
        var visit = await (await LoginVisit.ToAsync(server, user, server.NewFlow())).SendPasswordAsync(name);
        await server.ChangeUserAsync(name, u => what == "disabled" ? u with { Disabled = true } : u with { SecurityStamp = "new" });
        await visit.SendCodeAsync();
        Assert.True(visit.AsksPassword);
        Assert.Null(user.CookieOf(Session));
    }

    [Fact]
    public async Task A_half_done_login_waits_ten_minutes()
    {
        await using var own = await OpenIdServer.StartAsync();
        var user = own.NewUser("tina");
        var visit = await (await LoginVisit.ToAsync(own, user, own.NewFlow())).SendPasswordAsync("tina");
        own.Server.Time.Advance(TimeSpan.FromMinutes(10) + TimeSpan.FromSeconds(1));
        await visit.SendCodeAsync();
        Assert.True(visit.AsksPassword);
    }

    [Fact]
    [Proves("RFC 6819", "5.1.4.2.2")]
    public async Task Guessing_codes_locks_the_second_factor_for_twice_as_long_each_time_and_the_right_code_does_not_help_then()
    {
        await using var own = await OpenIdServer.StartAsync();
        var user = own.NewUser("tina");
        var visit = await (await LoginVisit.ToAsync(own, user, own.NewFlow())).SendPasswordAsync("tina");
        for (var i = 0; i < 5; i++)
        {
            await visit.SendCodeAsync(user.Code() == "000000" ? "000001" : "000000");
            Assert.True(visit.AsksCode && visit.ShowsError);
        }
        var refused = visit.Html;
        await visit.SendCodeAsync();
        // The same page and text, whatever the reason.
        Assert.True(visit.AsksCode && visit.ShowsError);
        Assert.Equal(ErrorOf(refused), ErrorOf(visit.Html));
        Assert.Null(user.CookieOf(Session));
        // The lock is the second factor's own: the password is still looked at.
        var fresh = await (await LoginVisit.ToAsync(own, own.NewUser("tina"), own.NewFlow())).SendPasswordAsync("tina");
        Assert.True(fresh.AsksCode && !fresh.ShowsError);
        own.Server.Time.Advance(TimeSpan.FromSeconds(61));
        await visit.SendCodeAsync();
        Assert.NotNull(user.CookieOf(Session));
    }

    [Fact]
    public async Task A_recovery_code_works_once_in_place_of_the_app()
    {
        var (name, user) = await NewUserAsync();
        var codes = await server.GiveRecoveryCodesAsync(name);
        foreach (var (code, good) in new[] { (codes[0], true), (codes[0], false), (codes[1].ToLowerInvariant().Replace('-', ' '), true), ("AAAA-AAAA-AAAA-AAAA", false) })
        {
            var browser = server.NewUser(name);
            var flow = server.NewFlow();
            var visit = await (await (await LoginVisit.ToAsync(server, browser, flow)).SendPasswordAsync(name, user.Password)).SendAsync(("recovery_code", code));
            Assert.Equal(good, browser.CookieOf(Session) is not null);
            if (good)
                Assert.Equal("urn:keyreeve:acr:two-factor", (string)(await (await visit.AllowIfAskedAsync()).ClaimsAsync(flow))["acr"]!);
        }
    }

    [Fact]
    public async Task The_demo_user_with_an_app_signs_in_with_it()
    {
        var body = await server.NewFlow().TokensAsync(server.NewUser("tina"));
        Assert.Equal("urn:keyreeve:acr:two-factor", (string)OpenIdServer.ClaimsOf((string)body["access_token"]!)["acr"]!);
    }

    private async Task<(string Name, SimUser User)> NewUserAsync()
    {
        var name = "second-" + Guid.NewGuid().ToString("N")[..12];
        var user = await server.AddUserAsync(name);
        await server.GiveTotpAsync(user, name);
        return (name, user);
    }

    private static string ErrorOf(string html) => System.Text.RegularExpressions.Regex.Match(html, "role=\"alert\"[^>]*>([^<]*)<").Groups[1].Value;
}
