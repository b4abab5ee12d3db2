using System.Net;
using System.Text.RegularExpressions;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Login;
using Keyreeve.Slices.Tests.OpenId;
using Keyreeve.Slices.Tests.Web.Login;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Slices.Tests.Web.Account;

/// <summary>The account page: who may do what, and that an end is one at once.</summary>
public sealed class AccountTests(OpenIdServer server) : IClassFixture<OpenIdServer>
{
    private const string Session = "__Host-keyreeve-session";

    private static readonly string[] Actions =
    [
        "/account/sessions/end", "/account/sessions/end-others", "/account/access/end", "/account/connections/end", "/account/authenticator", "/account/authenticator/remove",
        "/account/passkey", "/account/passkey/rename", "/account/passkey/remove", "/account/recovery-codes", "/account/password",
    ];

    [Fact]
    [Proves("RFC 9700", "4.7")]
    public async Task No_change_is_made_without_the_form_token_of_this_browser()
    {
        var user = await SignedInAsync("forged");
        var foreign = (await new LoginVisit(server, await SignedInAsync("forger")).GetAsync("/account")).Form["form_token"];
        foreach (var action in Actions)
            foreach (var token in new[] { null, "", foreign })
            {
                var form = new Dictionary<string, string> { ["session"] = "x", ["client"] = "seal-client", ["new_password"] = "a good password", ["repeat_password"] = "a good password" };
                if (token is not null)
                    form["form_token"] = token;
                Assert.Equal(HttpStatusCode.BadRequest, (await user.PostAsync(action, form)).StatusCode);
            }
        Assert.Equal(HttpStatusCode.OK, (await user.GetAsync("/account")).StatusCode);
    }

    [Fact]
    public async Task Without_a_session_every_page_and_change_leads_to_the_login_and_back()
    {
        foreach (var page in (string[])["/account", "/account/authenticator", "/account/passkey", "/account/password"])
            Assert.True((await new LoginVisit(server, server.NewUser()).GetAsync(page)).AsksPassword, page);
        var user = await server.AddUserAsync("comes-back");
        var visit = await new LoginVisit(server, user).GetAsync("/account/authenticator");
        await visit.SendPasswordAsync("comes-back");
        Assert.Equal("/account/authenticator", visit.Address);
        Assert.Contains("<svg", visit.Html, StringComparison.Ordinal);
        var form = visit.Form;
        user.Forget(Session);
        foreach (var action in Actions)
            Assert.True((await new LoginVisit(server, user).PostAsync(action, new() { ["form_token"] = form["form_token"] })).Response.StatusCode is HttpStatusCode.BadRequest or HttpStatusCode.OK, action);
        Assert.Null(user.CookieOf(Session));
    }

    [Fact]
    public async Task What_changes_how_one_signs_in_needs_a_login_of_the_last_five_minutes()
    {
        await using var own = await OpenIdServer.StartAsync();
        var user = own.NewUser("bob");
        await own.NewFlow().CodeAsync(user);
        var token = (await new LoginVisit(own, user).GetAsync("/account")).Form["form_token"];
        own.Server.Time.Advance(TimeSpan.FromMinutes(5) + TimeSpan.FromSeconds(1));
        foreach (var page in (string[])["/account/authenticator", "/account/passkey"])
            Assert.True((await new LoginVisit(own, user).GetAsync(page)).AsksPassword, page);
        foreach (var action in Actions.Where(a => a.Contains("authenticator", StringComparison.Ordinal) || a.Contains("passkey", StringComparison.Ordinal) || a.Contains("recovery", StringComparison.Ordinal)))
            Assert.True((await new LoginVisit(own, user).PostAsync(action, new() { ["form_token"] = token })).AsksPassword, action);
        // The overview is open to an older login; it opens nothing by itself.
        var overview = await new LoginVisit(own, user).GetAsync("/account");
        Assert.Contains("Your account", overview.Html, StringComparison.Ordinal);
        // Signing in anew leads back to the page.
        var visit = await (await new LoginVisit(own, user).GetAsync("/account/authenticator")).SendPasswordAsync("bob");
        Assert.Equal("/account/authenticator", visit.Address);
    }

    [Fact]
    public async Task An_ended_session_is_ended_at_once_and_only_the_owner_ends_it()
    {
        var here = await SignedInAsync("many-browsers");
        var there = server.NewUser("many-browsers");
        await server.NewFlow().CodeAsync(there);
        var page = await new LoginVisit(server, here).GetAsync("/account");
        var sids = Regex.Matches(page.Html, "name=\"session\" value=\"([^\"]+)\"").Select(m => m.Groups[1].Value).ToList();
        Assert.Equal(2, sids.Count);
        var stranger = await SignedInAsync("stranger-ends");
        var strangersPage = await new LoginVisit(server, stranger).GetAsync("/account");
        foreach (var sid in sids)
            Assert.EndsWith("failed=1", (await strangersPage.PostAsync("/account/sessions/end", new() { ["form_token"] = strangersPage.Form["form_token"], ["session"] = sid })).Address, StringComparison.Ordinal);
        Assert.EndsWith("done=1", (await page.PostAsync("/account/sessions/end-others", new() { ["form_token"] = page.Form["form_token"] })).Address, StringComparison.Ordinal);
        Assert.Equal("login_required", await SilentlyAsync(there));
        Assert.Null(await SilentlyAsync(here));
        await page.PostAsync("/account/sessions/end", new() { ["form_token"] = page.Form["form_token"], ["session"] = Regex.Match(page.Html, "name=\"session\" value=\"([^\"]+)\"").Groups[1].Value });
        Assert.Equal("login_required", await SilentlyAsync(here));
    }

    [Fact]
    public async Task Ended_access_ends_consent_refresh_and_access_tokens_at_once()
    {
        var user = await SignedInAsync("ends-access");
        var flow = server.NewFlow();
        var tokens = await flow.TokensAsync(user);
        var other = await server.NewFlow().TokensAsync(await server.AddUserAsync("bystander"));
        var page = await new LoginVisit(server, user).GetAsync("/account");
        Assert.Contains("Demo SEAL client", page.Html, StringComparison.Ordinal);
        Assert.Contains("Key material", page.Html, StringComparison.Ordinal);
        Assert.True(await server.IsActiveAsync("seal-client", (string)tokens["access_token"]!));
        await page.PostAsync("/account/access/end", new() { ["form_token"] = page.Form["form_token"], ["client"] = "seal-client" });
        Assert.False(await server.IsActiveAsync("seal-client", (string)tokens["access_token"]!));
        Assert.Equal(HttpStatusCode.BadRequest, (await flow.RefreshAsync((string)tokens["refresh_token"]!)).Status);
        Assert.DoesNotContain("Demo SEAL client", page.Html, StringComparison.Ordinal);
        flow.Parameters["prompt"] = "none";
        Assert.Equal("consent_required", (await LoginVisit.ToAsync(server, user, flow))["error"]);
        Assert.True(await server.IsActiveAsync("seal-client", (string)other["access_token"]!));
    }

    [Fact]
    public async Task One_connection_is_ended_by_its_name_and_not_by_a_stranger()
    {
        var user = await SignedInAsync("two-connections");
        var (first, second) = (await server.NewFlow().TokensAsync(user), await server.NewFlow().TokensAsync(user));
        var page = await new LoginVisit(server, user).GetAsync("/account");
        var name = (string)OpenIdServer.ClaimsOf((string)first["access_token"]!)["grant_id"]!;
        Assert.Contains($"value=\"{name}\"", page.Html, StringComparison.Ordinal);
        var strangersPage = await new LoginVisit(server, await SignedInAsync("ends-others")).GetAsync("/account");
        Assert.EndsWith("failed=1", (await strangersPage.PostAsync("/account/connections/end", new() { ["form_token"] = strangersPage.Form["form_token"], ["connection"] = name })).Address, StringComparison.Ordinal);
        await page.PostAsync("/account/connections/end", new() { ["form_token"] = page.Form["form_token"], ["connection"] = name });
        Assert.False(await server.IsActiveAsync("seal-client", (string)first["access_token"]!));
        Assert.True(await server.IsActiveAsync("seal-client", (string)second["access_token"]!));
    }

    [Fact]
    public async Task An_authenticator_is_stored_once_a_code_proves_it_and_brings_recovery_codes()
    {
        var user = await SignedInAsync("enrols");
        var page = await new LoginVisit(server, user).GetAsync("/account/authenticator");
        user.TotpSecret = Regex.Match(page.Html, "<code id=\"secret\">([^<]+)</code>").Groups[1].Value;
        var form = page.Form;
        form["code"] = "000000";
        await page.PostAsync("/account/authenticator", form);
        Assert.True(page.ShowsError);
        Assert.Equal(user.TotpSecret, Regex.Match(page.Html, "<code id=\"secret\">([^<]+)</code>").Groups[1].Value);
        // Another user's waiting secret is none of this one.
        var other = await SignedInAsync("enrols-too");
        var others = (await new LoginVisit(server, other).GetAsync("/account/authenticator")).Form;
        var mixed = new Dictionary<string, string>(form) { ["waiting"] = others["waiting"] };
        await new LoginVisit(server, user).PostAsync("/account/authenticator", mixed);
        Assert.False(await HasTotpAsync("enrols"));

        form["code"] = user.Code();
        await page.PostAsync("/account/authenticator", form);
        Assert.Equal(RecoveryCode.Count, Regex.Count(page.Html, "<li><code>[A-Z2-7-]{19}</code></li>"));
        Assert.True(await HasTotpAsync("enrols"));
        // The code that set it up is used up.
        var visit = await (await (await LoginVisit.ToAsync(server, server.NewUser("enrols"), server.NewFlow())).SendPasswordAsync("enrols")).SendAsync(("code", user.Code()));
        Assert.True(visit.AsksCode && visit.ShowsError);
        var overview = await new LoginVisit(server, user).GetAsync("/account");
        await overview.PostAsync("/account/authenticator/remove", new() { ["form_token"] = overview.Form["form_token"] });
        Assert.False(await HasTotpAsync("enrols"));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_changed_password_ends_the_other_browsers_and_with_a_tick_the_applications(bool all)
    {
        var name = "changes-" + all;
        var here = await SignedInAsync(name);
        var there = server.NewUser(name);
        var flow = server.NewFlow();
        var tokens = await flow.TokensAsync(there);
        var page = await new LoginVisit(server, here).GetAsync("/account/password");
        foreach (var (chosen, repeated) in new[] { ("short", "short"), ("password123", "password123"), (name, name), ("good enough", "good enouhg"), (here.Password, here.Password) })
        {
            await page.PostAsync("/account/password", With(page.Form, ("new_password", chosen), ("repeat_password", repeated)));
            Assert.True(page.ShowsError, chosen);
        }
        var form = With(page.Form, ("new_password", "a better password"), ("repeat_password", "a better password"));
        if (all)
            form["end_grants"] = "1";
        await page.PostAsync("/account/password", form);
        Assert.EndsWith("done=1", page.Address, StringComparison.Ordinal);
        Assert.Null(await SilentlyAsync(here));
        Assert.Equal("login_required", await SilentlyAsync(there));
        Assert.Equal(!all, await server.IsActiveAsync("seal-client", (string)tokens["access_token"]!));
        Assert.Equal(all ? HttpStatusCode.BadRequest : HttpStatusCode.OK, (await flow.RefreshAsync((string)tokens["refresh_token"]!)).Status);
        var again = await (await LoginVisit.ToAsync(server, server.NewUser(name), server.NewFlow())).SendPasswordAsync(name);
        Assert.True(again.AsksPassword && again.ShowsError);
        again = await again.SendPasswordAsync(name, "a better password");
        Assert.False(again.AsksPassword);
    }

    [Fact]
    public async Task After_five_minutes_a_change_of_the_password_needs_the_current_one()
    {
        await using var own = await OpenIdServer.StartAsync();
        var user = own.NewUser("bob");
        await own.NewFlow().CodeAsync(user);
        own.Server.Time.Advance(TimeSpan.FromMinutes(6));
        var page = await new LoginVisit(own, user).GetAsync("/account/password");
        Assert.Contains("name=\"current_password\"", page.Html, StringComparison.Ordinal);
        foreach (var current in new[] { null, "wrong" })
        {
            var form = With(page.Form, ("new_password", "a better password"), ("repeat_password", "a better password"));
            if (current is not null)
                form["current_password"] = current;
            await page.PostAsync("/account/password", form);
            Assert.True(page.ShowsError);
        }
        await page.PostAsync("/account/password", With(page.Form, ("current_password", user.Password), ("new_password", "a better password"), ("repeat_password", "a better password")));
        Assert.EndsWith("done=1", page.Address, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_temporary_password_is_good_for_one_login_that_ends_with_another()
    {
        var user = await server.AddUserAsync("temporary");
        await server.ChangeUserAsync("temporary", u => u with { MustChangePassword = true });
        var visit = await (await LoginVisit.ToAsync(server, user, server.NewFlow())).SendPasswordAsync("temporary");
        Assert.Contains("name=\"new_password\"", visit.Html, StringComparison.Ordinal);
        Assert.Null(user.CookieOf(Session));
        var jumped = await new LoginVisit(server, user).GetAsync(visit.Address.Replace("/login?", "/authorize/resume?", StringComparison.Ordinal));
        Assert.True(jumped.AsksPassword);
        await visit.SendAsync(("new_password", user.Password), ("repeat_password", user.Password));
        Assert.True(visit.ShowsError);
        await visit.SendAsync(("new_password", "a password of my own"), ("repeat_password", "a password of my own"));
        Assert.NotNull((await visit.AllowIfAskedAsync())["code"]);
        var again = await (await LoginVisit.ToAsync(server, server.NewUser("temporary"), server.NewFlow())).SendPasswordAsync("temporary", "a password of my own");
        Assert.False(again.AsksPassword);
        Assert.DoesNotContain("name=\"new_password\"", again.Html, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("de", null, "de")]
    [InlineData("de-CH;q=0.9, en;q=0.5", null, "de")]
    [InlineData("fr, en;q=0.3, de;q=0.2", null, "en")]
    [InlineData("fr", null, "en")]
    [InlineData("en", "fr de", "de")]
    [InlineData("de", "en-GB", "en")]
    [InlineData("de;q=0", null, "en")]
    [InlineData("*;q=1,,;;q=x,de;q=zzz", null, "en")]
    [Proves("OpenID Connect Core 1.0", "3.1.2.1")]
    [Proves("RFC 9110", "12.5.4")]
    public async Task Pages_speak_the_language_of_the_request_or_of_the_browser(string accept, string? uiLocales, string expected)
    {
        var flow = server.NewFlow();
        if (uiLocales is not null)
            flow.Parameters["ui_locales"] = uiLocales;
        var user = server.NewUser();
        user.AcceptLanguage = accept;
        var visit = await LoginVisit.ToAsync(server, user, flow);
        Assert.Contains($"<html lang=\"{expected}\">", visit.Html, StringComparison.Ordinal);
        Assert.Contains(expected == "de" ? "Anmelden" : "Sign in", visit.Html, StringComparison.Ordinal);
    }

    private async Task<SimUser> SignedInAsync(string name)
    {
        var user = await server.AddUserAsync(name);
        await server.NewFlow().CodeAsync(user);
        return user;
    }

    private async Task<bool> HasTotpAsync(string name)
    {
        var row = (await server.Service<IDirectory>().FindUserByNameAsync(name, CancellationToken.None))!;
        return (await server.Service<ICredentialStore>().FindAsync(row.Subject, CancellationToken.None)).Totp is not null;
    }

    /// <summary>What prompt=none says: null for a code.</summary>
    private async Task<string?> SilentlyAsync(SimUser user)
    {
        var flow = server.NewFlow();
        flow.Parameters["prompt"] = "none";
        return (await LoginVisit.ToAsync(server, user, flow))["error"];
    }

    private static Dictionary<string, string> With(Dictionary<string, string> form, params (string Name, string Value)[] more)
    {
        foreach (var (name, value) in more)
            form[name] = value;
        return form;
    }
}
