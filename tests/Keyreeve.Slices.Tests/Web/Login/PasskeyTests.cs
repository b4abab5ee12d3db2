using System.Net;
using Keyreeve.Core.Identity;
using Keyreeve.Slices.Tests.OpenId;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Slices.Tests.Web.Login;

/// <summary>Passkeys under attack, by an authenticator that does what it is told.</summary>
[Proves("WebAuthn Level 2", "7.2")]
public sealed class PasskeyTests(OpenIdServer server) : IClassFixture<OpenIdServer>
{
    private const string Session = "__Host-keyreeve-session";

    [Fact]
    [Proves("WebAuthn Level 2", "7.1")]
    public async Task A_passkey_signs_in_without_user_name_and_password()
    {
        var (_, key) = await NewPasskeyAsync("sesame");
        var browser = server.NewUser("sesame");
        var flow = server.NewFlow();
        flow.Parameters["acr_values"] = "phr 3gpp:acr:password";
        var visit = await SignInAsync(browser, key, flow);
        var claims = await (await visit.AllowIfAskedAsync()).ClaimsAsync(flow);
        Assert.Equal("phr", (string)claims["acr"]!);
        Assert.Equal(["pop", "user", "mfa"], claims["amr"]!.AsArray().Select(a => (string)a!));
    }

    [Theory]
    [InlineData("origin")]
    [InlineData("rp")]
    [InlineData("cross origin")]
    [InlineData("user not verified")]
    [InlineData("counter")]
    [InlineData("unknown key")]
    [InlineData("handle of another user")]
    [InlineData("broken signature")]
    [InlineData("no JSON")]
    [InlineData("state of another browser")]
    [InlineData("challenge of another page")]
    [InlineData("disabled user")]
    public async Task A_spoilt_assertion_signs_nobody_in_and_says_what_every_failure_says(string spoilt)
    {
        var name = "spoilt-" + spoilt.Replace(' ', '-');
        var (user, key) = await NewPasskeyAsync(name);
        var (other, _) = await NewPasskeyAsync(name + "-other");
        var browser = server.NewUser(name);
        var visit = await LoginVisit.ToAsync(server, browser, server.NewFlow());
        var (options, form) = (visit.PasskeyOptions, visit.Form);
        switch (spoilt)
        {
            case "origin":
                key.Origin = "https://localhost.evil.example";
                break;
            case "rp":
                key.RpId = "evil.example";
                break;
            case "cross origin":
                key.CrossOrigin = true;
                break;
            case "user not verified":
                key.UserVerified = false;
                break;
            case "counter":
                await SignInAsync(server.NewUser(name), key, server.NewFlow());
                key.SignCount = 0;
                break;
            case "unknown key":
                key = new SoftAuthenticator(server.Issuer) { UserHandle = key.UserHandle };
                break;
            case "handle of another user":
                key.UserHandle = System.Buffers.Text.Base64Url.EncodeToString(System.Text.Encoding.UTF8.GetBytes(other.Subject));
                break;
            case "state of another browser":
                form["passkey_state"] = (await LoginVisit.ToAsync(server, server.NewUser(), server.NewFlow())).Form["passkey_state"];
                break;
            case "challenge of another page":
                options = (await LoginVisit.ToAsync(server, browser, server.NewFlow())).PasskeyOptions;
                break;
            case "disabled user":
                await server.ChangeUserAsync(name, u => u with { Disabled = true });
                break;
        }
        var credential = spoilt == "no JSON" ? "{" : key.Get(options);
        if (spoilt == "broken signature")
            credential = credential.Replace("\"signature\":\"ME", "\"signature\":\"MF", StringComparison.Ordinal);
        form["credential"] = credential;
        var before = await server.TracesAsync();
        await visit.PostAsync("/login", form);
        Assert.Equal(HttpStatusCode.OK, visit.Response.StatusCode);
        Assert.Contains("User name or password is not right.", visit.Html, StringComparison.Ordinal);
        Assert.Null(browser.CookieOf(Session));
        Assert.Equal(before, await server.TracesAsync());
        Assert.NotEqual(user.Subject, other.Subject);
    }

    [Fact]
    public async Task An_answer_counts_once()
    {
        var (_, key) = await NewPasskeyAsync("replayed");
        key.SignCount = 0;
        var browser = server.NewUser("replayed");
        var visit = await LoginVisit.ToAsync(server, browser, server.NewFlow());
        var form = visit.Form;
        form["credential"] = key.Get(visit.PasskeyOptions);
        await visit.PostAsync("/login", form);
        Assert.NotNull(browser.CookieOf(Session));
        browser.Forget(Session);
        var again = await new LoginVisit(server, browser).PostAsync("/login", form);
        Assert.Contains("User name or password is not right.", again.Html, StringComparison.Ordinal);
        Assert.Null(browser.CookieOf(Session));
    }

    [Fact]
    public async Task After_a_password_only_the_passkey_of_the_same_user_counts()
    {
        var (mine, key) = await NewPasskeyAsync("owner");
        var (_, foreign) = await NewPasskeyAsync("stranger");
        var flow = server.NewFlow("openid-client");
        flow.Parameters["scope"] = "openid";
        flow.Parameters["acr_values"] = "phr";
        var browser = server.NewUser("owner");
        var visit = await (await LoginVisit.ToAsync(server, browser, flow)).SendPasswordAsync("owner");
        Assert.Contains("data-passkey", visit.Html, StringComparison.Ordinal);
        Assert.False(visit.AsksPassword);
        await visit.SendAsync(("credential", foreign.Get(visit.PasskeyOptions)));
        Assert.True(visit.ShowsError);
        await visit.SendAsync(("credential", key.Get(visit.PasskeyOptions)));
        var claims = await (await visit.AllowIfAskedAsync()).ClaimsAsync(flow);
        Assert.Equal((mine.Subject, "phr"), ((string)claims["sub"]!, (string)claims["acr"]!));
        Assert.Equal(["pwd", "pop", "user", "mfa"], claims["amr"]!.AsArray().Select(a => (string)a!));
    }

    [Fact]
    [Proves("WebAuthn Level 2", "7.1")]
    public async Task A_passkey_is_added_only_with_the_challenge_of_this_page_and_browser()
    {
        var user = await server.AddUserAsync("adding");
        await server.NewFlow().CodeAsync(user);
        var page = await new LoginVisit(server, user).GetAsync("/account/passkey");
        var key = new SoftAuthenticator(server.Issuer);
        var form = page.Form;
        form["name"] = "Phone";
        form["credential"] = key.Create(page.PasskeyOptions);
        foreach (var spoil in new Action<SoftAuthenticator>[] { k => k.Origin = "https://evil.example", k => k.RpId = "evil.example", k => k.UserVerified = false })
        {
            var bad = new SoftAuthenticator(server.Issuer);
            spoil(bad);
            var again = await new LoginVisit(server, user).GetAsync("/account/passkey");
            var spoilt = again.Form;
            spoilt["name"] = "Phone";
            spoilt["credential"] = bad.Create(again.PasskeyOptions);
            Assert.EndsWith("failed=1", (await again.PostAsync("/account/passkey", spoilt)).Address, StringComparison.Ordinal);
        }
        Assert.EndsWith("done=1", (await page.PostAsync("/account/passkey", form)).Address, StringComparison.Ordinal);
        Assert.EndsWith("failed=1", (await page.PostAsync("/account/passkey", form)).Address, StringComparison.Ordinal);
        Assert.Contains("Phone", page.Html, StringComparison.Ordinal);
        var row = (await server.Service<IDirectory>().FindUserByNameAsync("adding", CancellationToken.None))!;
        var stored = Assert.Single((await server.Service<ICredentialStore>().FindAsync(row.Subject, CancellationToken.None)).Passkeys);
        Assert.Equal(key.CredentialId, stored.CredentialId);
        Assert.True(stored.UserVerified);
    }

    private async Task<LoginVisit> SignInAsync(SimUser browser, SoftAuthenticator key, SealFlow flow)
    {
        var visit = await LoginVisit.ToAsync(server, browser, flow);
        return await visit.SendAsync(("credential", key.Get(visit.PasskeyOptions)));
    }

    private async Task<(User User, SoftAuthenticator Key)> NewPasskeyAsync(string name)
    {
        var user = await server.AddUserAsync(name);
        await server.NewFlow().CodeAsync(user);
        var page = await new LoginVisit(server, user).GetAsync("/account/passkey");
        var key = new SoftAuthenticator(server.Issuer);
        var form = page.Form;
        form["name"] = "Key";
        form["credential"] = key.Create(page.PasskeyOptions);
        Assert.EndsWith("done=1", (await page.PostAsync("/account/passkey", form)).Address, StringComparison.Ordinal);
        return ((await server.Service<IDirectory>().FindUserByNameAsync(name, CancellationToken.None))!, key);
    }
}
