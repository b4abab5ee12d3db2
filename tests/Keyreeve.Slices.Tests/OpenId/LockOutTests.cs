using System.Net;
using System.Text.RegularExpressions;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Slices.Tests.OpenId;

/// <summary>Guessing passwords on line.</summary>
[Proves("TS 33.434", "5.2.1")]
[Proves("RFC 6819", "5.1.4.2.2")]
public sealed partial class LockOutTests(OpenIdServer server) : IClassFixture<OpenIdServer>
{
    private const string Failed = "User name or password is not right.";

    [Fact]
    public async Task Five_wrong_passwords_lock_the_account_until_the_lock_ends_with_time()
    {
        // The seconds of the lock are counted exactly, however long a busy machine takes over a login. It stands for the other tests too.
        server.Server.Time.StandStill();
        var user = await server.AddUserAsync("erin");
        for (var i = 0; i < 5; i++)
            Assert.Contains(Failed, await TryAsync(user, "erin", "wrong"), StringComparison.Ordinal);
        Assert.Contains(Failed, await TryAsync(user, "erin", user.Password), StringComparison.Ordinal);
        server.Server.Time.Advance(TimeSpan.FromSeconds(58));
        Assert.Contains(Failed, await TryAsync(user, "erin", user.Password), StringComparison.Ordinal);
        server.Server.Time.Advance(TimeSpan.FromSeconds(4));
        Assert.Equal("", await TryAsync(user, "erin", user.Password));
    }

    [Fact]
    public async Task A_second_lock_in_a_row_lasts_twice_as_long()
    {
        var user = await server.AddUserAsync("frank");
        for (var i = 0; i < 5; i++)
            await TryAsync(user, "frank", "wrong");
        server.Server.Time.Advance(TimeSpan.FromSeconds(62));
        for (var i = 0; i < 5; i++)
            await TryAsync(user, "frank", "wrong");
        server.Server.Time.Advance(TimeSpan.FromSeconds(62));
        Assert.Contains(Failed, await TryAsync(user, "frank", user.Password), StringComparison.Ordinal);
        server.Server.Time.Advance(TimeSpan.FromSeconds(60));
        Assert.Equal("", await TryAsync(user, "frank", user.Password));
    }

    [Fact]
    public async Task Four_wrong_passwords_and_a_right_one_do_not_lock_and_start_the_count_anew()
    {
        var user = await server.AddUserAsync("gina");
        foreach (var _ in (int[])[1, 2])
        {
            for (var i = 0; i < 4; i++)
                await TryAsync(user, "gina", "wrong");
            Assert.Equal("", await TryAsync(user, "gina", user.Password));
        }
    }

    [Fact]
    public async Task Twenty_guesses_at_once_all_count()
    {
        var owner = await server.AddUserAsync("henry");
        var forms = new List<(SimUser Browser, Dictionary<string, string> Form)>();
        for (var i = 0; i < 20; i++)
        {
            var browser = server.NewUser("henry");
            forms.Add((browser, await FormAsync(browser)));
        }
        var guesses = await Task.WhenAll(forms.Select((f, i) => PostAsync(f.Browser, f.Form, "henry", $"guess {i}")));
        Assert.All(guesses, g => Assert.Contains(Failed, g, StringComparison.Ordinal));
        Assert.Contains(Failed, await TryAsync(owner, "henry", owner.Password), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_unknown_user_a_wrong_password_a_locked_and_a_disabled_account_show_the_same_page()
    {
        var locked = await server.AddUserAsync("ivan");
        for (var i = 0; i < 5; i++)
            await TryAsync(locked, "ivan", "wrong");
        var disabled = await server.AddUserAsync("judy");
        await server.ChangeUserAsync("judy", u => u with { Disabled = true });
        var pages = new[]
        {
            Neutral(await TryAsync(server.NewUser(), "nobody-of-that-name", "wrong"), "nobody-of-that-name"),
            Neutral(await TryAsync(server.NewUser(), "alice", "wrong"), "alice"),
            Neutral(await TryAsync(locked, "ivan", locked.Password), "ivan"),
            Neutral(await TryAsync(disabled, "judy", disabled.Password), "judy"),
            Neutral(await TryAsync(server.NewUser(), "alice", ""), "alice"),
            Neutral(await TryAsync(server.NewUser(), "alice", new string('p', 600)), "alice"),
        };
        Assert.Contains(Failed, pages[0], StringComparison.Ordinal);
        Assert.Single(pages.Distinct(StringComparer.Ordinal));
    }

    /// <summary>The login page that came back, or nothing after a success.</summary>
    private async Task<string> TryAsync(SimUser browser, string username, string password) =>
        await PostAsync(browser, await FormAsync(browser), username, password);

    private static async Task<string> PostAsync(SimUser browser, Dictionary<string, string> form, string username, string password)
    {
        form["username"] = username;
        form["password"] = password;
        var response = await browser.PostAsync("/login", form);
        if (response.StatusCode == HttpStatusCode.SeeOther)
            return "";
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.DoesNotContain(response.Headers, h => h.Key == "Set-Cookie" && h.Value.Any(v => v.Contains("session", StringComparison.Ordinal)));
        return await response.Content.ReadAsStringAsync();
    }

    private async Task<Dictionary<string, string>> FormAsync(SimUser browser)
    {
        var flow = server.NewFlow();
        flow.Parameters["prompt"] = "login";
        var response = await browser.GetAsync(flow.AuthorizeAddress);
        var page = await browser.GetAsync(response.Headers.Location!.OriginalString);
        return SimUser.Form(await page.Content.ReadAsStringAsync())!;
    }

    /// <summary>The page without what differs by itself: tokens, challenge, nonce and the name as typed.</summary>
    private static string Neutral(string html, string username) =>
        HiddenValue().Replace(html, "").Replace($"value=\"{username}\"", "", StringComparison.Ordinal);

    [GeneratedRegex("<input type=\"hidden\"[^>]*>|data-options=\"[^\"]*\"|nonce=\"[^\"]*\"")]
    private static partial Regex HiddenValue();
}
