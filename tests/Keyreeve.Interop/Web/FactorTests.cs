using System.Net;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Login;
using Keyreeve.Testing;
using Microsoft.Playwright;
using Xunit;

namespace Keyreeve.Interop.Web;

/// <summary>Second factors, passkeys and the account page in a real browser, with an authenticator that the browser pretends to have.</summary>
[Collection(SharedWorld.Name)]
public sealed class FactorTests(InteropWorld world)
{
    [Fact]
    [Proves("RFC 6238", "5.2")]
    public async Task An_authenticator_app_is_set_up_with_the_keyboard_and_asked_for_at_the_next_login()
    {
        var (name, password) = await world.AddUserAsync();
        await using var visitor = await Visitor.ComeAsync(world, width: 320, height: 640);
        await visitor.Page.GotoAsync(world.Server.Issuer + "/account/authenticator");
        await visitor.SignInAsync(name, password);
        var secret = Base32.Decode(await visitor.Page.Locator("#secret").InnerTextAsync())!;
        Assert.False(await visitor.ScrollsSidewaysAsync(), "authenticator page");
        Assert.Equal("img", await visitor.Page.Locator("svg.qr").GetAttributeAsync("role"));
        await visitor.Page.GetByLabel("Code from your authenticator app").FillAsync("000000");
        await visitor.Press("Confirm");
        await visitor.Page.GetByRole(AriaRole.Alert).WaitForAsync();
        await visitor.Page.WaitForFunctionAsync("() => document.activeElement.id === 'code'");
        await visitor.Page.Keyboard.TypeAsync(world.CodeOf(secret));
        await visitor.Page.Keyboard.PressAsync("Enter");
        await visitor.Page.GetByRole(AriaRole.Heading, new() { Name = "Recovery codes" }).WaitForAsync();
        var codes = await visitor.Page.Locator(".codes code").AllInnerTextsAsync();
        Assert.Equal(RecoveryCode.Count, codes.Count);
        Assert.False(await visitor.ScrollsSidewaysAsync(), "recovery codes");

        // The next login: password, then code. The code of the set-up is used up, so the next step's is typed.
        await using var next = await Visitor.ComeAsync(world, width: 320, height: 640);
        next.Flow.Parameters["acr_values"] = "urn:keyreeve:acr:two-factor 3gpp:acr:password";
        await next.GoAsync();
        await next.SignInAsync(name, password);
        await next.Page.WaitForFunctionAsync("() => document.activeElement.id === 'code'");
        Assert.False(await next.ScrollsSidewaysAsync(), "second step");
        await next.Page.Keyboard.TypeAsync(world.CodeOf(secret, 1));
        await next.Page.Keyboard.PressAsync("Enter");
        await next.Press("Allow");
        Assert.Equal("urn:keyreeve:acr:two-factor", await AcrAsync(next));

        // And the phone is lost: a recovery code.
        await using var lost = await Visitor.ComeAsync(world, width: 320, height: 640);
        await lost.GoAsync();
        await lost.SignInAsync(name, password);
        await lost.Page.GetByText("Use a recovery code").ClickAsync();
        await lost.Page.GetByLabel("Recovery code").FillAsync(codes[0]);
        Assert.False(await lost.ScrollsSidewaysAsync(), "recovery");
        await lost.Page.Locator("details button").ClickAsync();
        Assert.Equal("urn:keyreeve:acr:two-factor", await AcrAsync(lost));
        foreach (var one in (Visitor[])[visitor, next, lost])
            one.AssertNothingOdd();
    }

    [Fact]
    [Proves("WebAuthn Level 2", "7")]
    public async Task A_passkey_is_added_signs_in_without_a_password_and_steps_a_session_up()
    {
        var (name, password) = await world.AddUserAsync();
        await using var visitor = await Visitor.ComeAsync(world, width: 320, height: 640);
        await visitor.PretendAuthenticatorAsync();
        visitor.Flow.Parameters["acr_values"] = "3gpp:acr:password";
        await visitor.GoAsync();
        await visitor.SignInAsync(name, password);
        await visitor.Press("Allow");
        Assert.Equal("3gpp:acr:password", await AcrAsync(visitor));

        await visitor.Page.GotoAsync(world.Server.Issuer + "/account/passkey");
        await visitor.Page.GetByLabel("Name of the passkey").FillAsync("My phone");
        Assert.False(await visitor.ScrollsSidewaysAsync(), "passkey page");
        await visitor.Press("Add a passkey");
        await visitor.Page.GetByText("My phone").First.WaitForAsync();
        Assert.False(await visitor.ScrollsSidewaysAsync(), "account page");

        // Step-up: the session is asked for the passkey alone.
        visitor.Flow.Parameters["acr_values"] = "phr";
        await visitor.GoAsync();
        Assert.Equal(0, await visitor.Page.GetByLabel("Password").CountAsync());
        await visitor.Press("Confirm with a passkey");
        Assert.Equal("phr", await AcrAsync(visitor));

        // From the start, without a name.
        visitor.Flow.Parameters["prompt"] = "login";
        await visitor.GoAsync();
        await visitor.Press("Sign in with a passkey");
        Assert.Equal("phr", await AcrAsync(visitor));
        visitor.AssertNothingOdd();
    }

    [Fact]
    public async Task A_passkey_that_is_not_there_is_told_in_words_and_the_password_still_works()
    {
        var (name, password) = await world.AddUserAsync();
        await using var visitor = await Visitor.ComeAsync(world);
        await visitor.PretendAuthenticatorAsync(answers: false);
        await visitor.GoAsync();
        await visitor.Press("Sign in with a passkey");
        await visitor.Page.GetByText("The passkey was not used.").WaitForAsync();
        await visitor.SignInAsync(name, password);
        await visitor.Press("Allow");
        Assert.Equal("3gpp:acr:password", await AcrAsync(visitor));
        visitor.AssertNothingOdd();
    }

    [Fact]
    [Proves("RFC 6749", "3.3")]
    public async Task Scopes_can_be_unticked_but_not_the_required_ones()
    {
        var (name, password) = await world.AddUserAsync();
        await using var visitor = await Visitor.ComeAsync(world, width: 320, height: 640);
        visitor.Flow.Parameters["scope"] = "openid profile val:pump-control seal:key_management";
        await visitor.GoAsync();
        await visitor.SignInAsync(name, password);
        await visitor.Page.GetByLabel("Your profile").UncheckAsync();
        Assert.True(await visitor.Page.GetByLabel("Your identity").IsDisabledAsync());
        Assert.True(await visitor.Page.GetByLabel("Key material").IsDisabledAsync());
        await visitor.Press("Allow");
        var callback = await visitor.ArriveAsync();
        var (status, body, _) = await visitor.Flow.RedeemAsync(callback["code"]!);
        Assert.True(status == HttpStatusCode.OK, body.ToJsonString());
        Assert.Equal("openid val:pump-control seal:key_management", (string)body["scope"]!);

        // All that can be unticked is: what is required is left.
        visitor.Flow.Parameters["prompt"] = "consent";
        await visitor.GoAsync();
        await visitor.Page.GetByLabel("Your profile").UncheckAsync();
        await visitor.Page.GetByLabel("Pump control").UncheckAsync();
        await visitor.Press("Allow");
        (_, body, _) = await visitor.Flow.RedeemAsync((await visitor.ArriveAsync())["code"]!);
        Assert.Equal("openid seal:key_management", (string)body["scope"]!);
        visitor.AssertNothingOdd();
    }

    [Fact]
    public async Task A_session_is_ended_from_the_account_page_of_another_browser()
    {
        var (name, password) = await world.AddUserAsync();
        await using var here = await Visitor.ComeAsync(world, width: 320, height: 640);
        await using var there = await Visitor.ComeAsync(world);
        foreach (var visitor in (Visitor[])[there, here])
        {
            await visitor.Page.GotoAsync(world.Server.Issuer + "/account");
            await visitor.SignInAsync(name, password);
            await visitor.Page.GetByRole(AriaRole.Heading, new() { Name = "Your account" }).WaitForAsync();
        }
        Assert.Equal(1, await here.Page.GetByText("This browser").CountAsync());
        Assert.Equal(2, await here.Page.GetByText("Chrome on Linux").CountAsync());
        Assert.False(await here.ScrollsSidewaysAsync(), "account page");
        await here.Press("Sign out everywhere else");
        await here.Page.GetByRole(AriaRole.Status).WaitForAsync();
        await there.Page.GotoAsync(world.Server.Issuer + "/account");
        await there.Page.GetByLabel("Password").WaitForAsync();
        here.AssertNothingOdd();
        there.AssertNothingOdd();
    }

    [Fact]
    public async Task A_German_browser_gets_German_pages_in_its_own_words()
    {
        var (name, password) = await world.AddUserAsync();
        await using var visitor = await Visitor.ComeAsync(world, width: 320, height: 640, locale: "de-AT");
        await visitor.GoAsync();
        Assert.Equal("de", await visitor.Page.Locator("html").GetAttributeAsync("lang"));
        await visitor.Page.GetByLabel("Benutzername").FillAsync(name);
        await visitor.Page.GetByLabel("Passwort").FillAsync(password);
        Assert.False(await visitor.ScrollsSidewaysAsync(), "login");
        await visitor.Press("Anmelden");
        await visitor.Page.GetByRole(AriaRole.Heading, new() { Name = "Zugriff erlauben?" }).WaitForAsync();
        await visitor.Page.GetByText("Schlüsselmaterial", new() { Exact = true }).WaitForAsync();
        Assert.False(await visitor.ScrollsSidewaysAsync(), "consent");
        await visitor.Press("Erlauben");
        Assert.NotNull((await visitor.ArriveAsync())["code"]);
        await visitor.Page.GotoAsync(world.Server.Issuer + "/account");
        // What was allowed is shown as it was shown then.
        await visitor.Page.GetByText("Schlüsselmaterial", new() { Exact = true }).WaitForAsync();
        Assert.False(await visitor.ScrollsSidewaysAsync(), "account");
        visitor.AssertNothingOdd();
    }

    private static async Task<string> AcrAsync(Visitor visitor)
    {
        var callback = await visitor.ArriveAsync();
        Assert.True(callback["code"] is not null, callback.Query);
        var (status, body, _) = await visitor.Flow.RedeemAsync(callback["code"]!);
        Assert.True(status == HttpStatusCode.OK, body.ToJsonString());
        var claims = System.Text.Json.Nodes.JsonNode.Parse(System.Buffers.Text.Base64Url.DecodeFromChars(((string)body["id_token"]!).Split('.')[1]))!;
        return (string)claims["acr"]!;
    }
}
