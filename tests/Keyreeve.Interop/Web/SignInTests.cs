using System.Net;
using Keyreeve.Testing;
using Microsoft.Playwright;
using Xunit;

namespace Keyreeve.Interop.Web;

/// <summary>A real browser on the way from the client to the code.</summary>
[Collection(SharedWorld.Name)]
public sealed class SignInTests(InteropWorld world)
{
    [Fact]
    [Proves("TS 33.434", "5.2.4")]
    [Proves("TS 33.434", "A.4.2.3")]
    public async Task Login_and_consent_bring_a_code_that_redeems()
    {
        await using var visitor = await Visitor.ComeAsync(world);
        visitor.Flow.Parameters["prompt"] = "consent";
        await visitor.GoAsync();
        await visitor.SignInAsync("alice");
        await visitor.Press("Allow");
        var callback = await visitor.ArriveAsync();
        Assert.Equal("GET", callback.Method);
        Assert.Equal("state-123", callback["state"]);
        Assert.Equal(world.Server.Issuer, callback["iss"]);
        Assert.Equal(["/login", "/consent"], visitor.Pages);
        var (status, body, _) = await visitor.Flow.RedeemAsync(callback["code"]!);
        Assert.True(status == HttpStatusCode.OK, body.ToJsonString());
        visitor.AssertNothingOdd();
    }

    [Fact]
    public async Task A_wrong_password_gets_the_sentence_that_says_nothing_and_another_try()
    {
        await using var visitor = await Visitor.ComeAsync(world);
        await visitor.GoAsync();
        await visitor.SignInAsync("bob", "not the password");
        var wrongPassword = await visitor.Page.GetByRole(AriaRole.Alert).InnerTextAsync();
        Assert.Equal("bob", await visitor.Page.GetByLabel("User name").InputValueAsync());
        Assert.Equal("", await visitor.Page.GetByLabel("Password").InputValueAsync());
        await visitor.SignInAsync("nobody", "not the password");
        await visitor.SeePagesAsync(3);
        Assert.Equal(wrongPassword, await visitor.Page.GetByRole(AriaRole.Alert).InnerTextAsync());
        Assert.Equal(["/login", "/login", "/login"], visitor.Pages);
        await visitor.SignInAsync("bob");
        await visitor.Page.WaitForURLAsync(url => !url.Contains("/login", StringComparison.Ordinal));
        visitor.AssertNothingOdd();
    }

    [Fact]
    public async Task Cancel_on_the_login_page_is_access_denied()
    {
        await using var visitor = await Visitor.ComeAsync(world);
        await visitor.GoAsync();
        await visitor.Press("Cancel");
        await AssertDeniedAsync(visitor);
        Assert.Equal(["/login"], visitor.Pages);
    }

    [Fact]
    public async Task Deny_on_the_consent_page_is_access_denied()
    {
        await using var visitor = await Visitor.ComeAsync(world);
        visitor.Flow.Parameters["prompt"] = "consent";
        await visitor.GoAsync();
        await visitor.SignInAsync("alice");
        await visitor.Press("Deny");
        await AssertDeniedAsync(visitor);
    }

    [Fact]
    public async Task Without_a_session_prompt_none_is_login_required_and_shows_no_page()
    {
        await using var visitor = await Visitor.ComeAsync(world);
        visitor.Flow.Parameters["prompt"] = "none";
        await visitor.GoAsync();
        var callback = await visitor.ArriveAsync();
        Assert.Equal("login_required", callback["error"]);
        Assert.Equal("state-123", callback["state"]);
        Assert.Empty(visitor.Pages);
        visitor.AssertNothingOdd();
    }

    [Fact]
    public async Task With_a_session_and_consent_the_second_time_shows_no_page()
    {
        await using var visitor = await Visitor.ComeAsync(world);
        visitor.Flow.Parameters["prompt"] = "consent";
        await visitor.GoAsync();
        await visitor.SignInAsync("alice");
        await visitor.Press("Allow");
        var first = await visitor.ArriveAsync();
        var shown = visitor.Pages.Count;
        foreach (var prompt in (string?[])[null, "none"])
        {
            visitor.Flow.Parameters.Remove("prompt");
            if (prompt is not null)
                visitor.Flow.Parameters["prompt"] = prompt;
            await visitor.GoAsync();
            var again = await visitor.ArriveAsync();
            Assert.NotNull(again["code"]);
            Assert.NotEqual(first["code"], again["code"]);
        }
        Assert.Equal(shown, visitor.Pages.Count);
        visitor.AssertNothingOdd();
    }

    [Fact]
    public async Task A_request_posted_from_another_site_finds_the_session()
    {
        await using var visitor = await Visitor.ComeAsync(world);
        visitor.Flow.Parameters["prompt"] = "consent";
        await visitor.GoAsync();
        await visitor.SignInAsync("alice");
        await visitor.Press("Allow");
        await visitor.ArriveAsync();
        visitor.Flow.Parameters["prompt"] = "none";
        visitor.Flow.Parameters["state"] = "state of the posted request";
        // The browser stands on the client's site: a post from there carries no cookie with SameSite=Lax.
        await visitor.Page.WaitForURLAsync(url => url.StartsWith(visitor.Site.RedirectUri, StringComparison.Ordinal));
        await visitor.Page.EvaluateAsync("""
            ([address, fields]) => {
                const form = document.createElement('form');
                form.method = 'post';
                form.action = address;
                for (const [name, value] of Object.entries(fields)) {
                    const input = document.createElement('input');
                    input.type = 'hidden';
                    [input.name, input.value] = [name, value];
                    form.append(input);
                }
                document.body.append(form);
                form.submit();
            }
            """, new object[] { world.Server.Issuer + "/authorize", visitor.Flow.Parameters });
        var callback = await visitor.ArriveAsync();
        Assert.Equal("state of the posted request", callback["state"]);
        Assert.True(callback["code"] is not null, callback.Query);
        visitor.AssertNothingOdd();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    [Proves("OAuth 2.0 Form Post Response Mode", "2")]
    public async Task A_posted_response_comes_by_itself_or_without_scripts_by_a_button(bool scripts)
    {
        await using var visitor = await Visitor.ComeAsync(world, "openid-client", scripts: scripts);
        visitor.Flow.Parameters["prompt"] = "consent";
        visitor.Flow.Parameters["response_mode"] = "form_post";
        await visitor.GoAsync();
        await visitor.SignInAsync("alice");
        await visitor.Press("Allow");
        if (!scripts)
            await visitor.Press("Continue");
        var callback = await visitor.ArriveAsync();
        Assert.Equal("POST", callback.Method);
        Assert.Equal("application/x-www-form-urlencoded", callback.ContentType);
        Assert.Equal("", callback.Query);
        Assert.Equal("state-123", callback["state"]);
        var (status, body, _) = await visitor.Flow.RedeemAsync(callback["code"]!);
        Assert.True(status == HttpStatusCode.OK, body.ToJsonString());
        visitor.AssertNothingOdd();
    }

    [Fact]
    public async Task A_posted_error_comes_by_itself_too()
    {
        await using var visitor = await Visitor.ComeAsync(world);
        visitor.Flow.Parameters["prompt"] = "none";
        visitor.Flow.Parameters["response_mode"] = "form_post";
        await visitor.GoAsync();
        var callback = await visitor.ArriveAsync();
        Assert.Equal(("POST", "", "login_required"), (callback.Method, callback.Query, callback["error"]));
        visitor.AssertNothingOdd();
    }

    [Fact]
    [Proves("RFC 6749", "4.1.2.1")]
    public async Task An_unregistered_redirect_URI_ends_on_a_page_of_ours()
    {
        await using var visitor = await Visitor.ComeAsync(world);
        visitor.ExpectedStatus = 400;
        visitor.Flow.Parameters["redirect_uri"] = "https://evil.example/callback";
        await visitor.GoAsync();
        Assert.StartsWith(world.Server.Issuer, visitor.Page.Url, StringComparison.Ordinal);
        Assert.NotEqual("", await visitor.Page.GetByRole(AriaRole.Alert).InnerTextAsync());
        Assert.Equal(["/authorize"], visitor.Pages);
        visitor.AssertNothingOdd();
    }

    [Fact]
    public async Task The_keyboard_is_enough()
    {
        await using var visitor = await Visitor.ComeAsync(world);
        visitor.Flow.Parameters["prompt"] = "consent";
        await visitor.GoAsync();
        var keys = visitor.Page.Keyboard;
        // The cursor comes into the first field by itself.
        await visitor.Page.WaitForFunctionAsync("() => document.activeElement.id === 'username'");
        await keys.TypeAsync("alice");
        await keys.PressAsync("Tab");
        await keys.TypeAsync(visitor.PasswordOf("alice"));
        Assert.Equal("alice", await visitor.Page.GetByLabel("User name").InputValueAsync());
        Assert.Equal(visitor.PasswordOf("alice"), await visitor.Page.GetByLabel("Password").InputValueAsync());
        await keys.PressAsync("Enter");
        await visitor.Page.WaitForURLAsync(url => url.Contains("/consent", StringComparison.Ordinal));
        for (var i = 0; await FocusAsync(visitor) != "Allow"; i++)
        {
            Assert.True(i < 10, "Tab does not reach the button");
            await keys.PressAsync("Tab");
        }
        Assert.True(await visitor.Page.EvaluateAsync<bool>("() => getComputedStyle(document.activeElement).outlineStyle !== 'none'"), "the focus is not to be seen");
        await keys.PressAsync("Enter");
        Assert.NotNull((await visitor.ArriveAsync())["code"]);
        visitor.AssertNothingOdd();
    }

    private static Task<string> FocusAsync(Visitor visitor) => visitor.Page.EvaluateAsync<string>("() => document.activeElement.textContent.trim()");

    private static async Task AssertDeniedAsync(Visitor visitor)
    {
        var callback = await visitor.ArriveAsync();
        Assert.Equal("access_denied", callback["error"]);
        Assert.Equal("state-123", callback["state"]);
        Assert.Null(callback["code"]);
        visitor.AssertNothingOdd();
    }
}
