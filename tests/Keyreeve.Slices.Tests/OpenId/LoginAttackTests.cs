using System.Net;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Slices.Tests.OpenId;

/// <summary>The login page under attack: forged forms, fixed sessions, spoilt tickets, cookies.</summary>
[Proves("TS 33.434", "5.2.4")]
[Proves("RFC 9700", "4.7")]
public sealed class LoginAttackTests(OpenIdServer server) : IClassFixture<OpenIdServer>
{
    private const string Session = "__Host-keyreeve-session";

    [Theory]
    [InlineData("none")]
    [InlineData("empty")]
    [InlineData("junk")]
    [InlineData("another browser's")]
    public async Task A_login_form_without_this_browsers_token_is_refused_and_starts_no_session(string token)
    {
        var user = server.NewUser();
        var form = await LoginFormAsync(user);
        form["username"] = "alice";
        form["password"] = user.Password;
        switch (token)
        {
            case "none":
                form.Remove("form_token");
                break;
            case "another browser's":
                form["form_token"] = (await LoginFormAsync(server.NewUser()))["form_token"];
                break;
            default:
                form["form_token"] = token == "empty" ? "" : "CfDJ8junk";
                break;
        }
        var before = await server.TracesAsync();
        var response = await user.PostAsync("/login", form);
        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        Assert.DoesNotContain(SetCookies(response), c => c.StartsWith(Session, StringComparison.Ordinal));
        Assert.Equal(before, await server.TracesAsync());
    }

    [Fact]
    public async Task A_token_without_its_cookie_is_refused()
    {
        var user = server.NewUser();
        var form = await LoginFormAsync(user);
        form["username"] = "alice";
        form["password"] = user.Password;
        var answer = await server.PostAsync("/login", null, [.. form.Select(f => (f.Key, f.Value))]);
        Assert.Equal(HttpStatusCode.BadRequest, answer.Status);
        Assert.DoesNotContain(SetCookies(answer.Response), c => c.StartsWith(Session, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_session_that_the_attacker_knew_before_the_login_is_worth_nothing_after_it()
    {
        var planted = new string('A', 43);
        var user = server.NewUser();
        var form = await LoginFormAsync(user);
        form["username"] = "alice";
        form["password"] = user.Password;
        var request = new HttpRequestMessage(HttpMethod.Post, "/login") { Content = new FormUrlEncodedContent(form) };
        request.Headers.Add("Cookie", Session + "=" + planted);
        var response = await user.SendAsync(request);
        Assert.Equal(HttpStatusCode.SeeOther, response.StatusCode);
        Assert.DoesNotContain(planted, SessionOf(response), StringComparison.Ordinal);
        Assert.Equal("login_required", await SilentlyAsync(planted));
        Assert.NotEqual("login_required", await SilentlyAsync(SessionOf(response)));
    }

    [Fact]
    public async Task Every_login_makes_a_new_session_and_ends_the_old_one()
    {
        var user = server.NewUser();
        var first = SessionOf(await LogInAsync(user));
        var flow = server.NewFlow();
        flow.Parameters["prompt"] = "login";
        var second = SessionOf(await LogInAsync(user, flow));
        Assert.NotEqual(first, second);
        Assert.Equal("login_required", await SilentlyAsync(first));
        Assert.NotEqual("login_required", await SilentlyAsync(second));
    }

    [Fact]
    public async Task The_cookies_stay_with_this_host_and_away_from_scripts()
    {
        var user = server.NewUser();
        var page = await LoginPageAsync(user, server.NewFlow());
        var antiforgery = Assert.Single(SetCookies(page), c => c.StartsWith("__Host-keyreeve-form=", StringComparison.Ordinal));
        var session = SetCookies(await LogInAsync(user)).Last(c => c.StartsWith(Session + "=", StringComparison.Ordinal));
        foreach (var (cookie, sameSite) in ((string, string)[])[(antiforgery, "samesite=strict"), (session, "samesite=lax")])
        {
            var attributes = cookie.ToLowerInvariant().Split("; ").Skip(1).ToArray();
            Assert.Contains("secure", attributes);
            Assert.Contains("httponly", attributes);
            Assert.Contains("path=/", attributes);
            Assert.Contains(sameSite, attributes);
            Assert.DoesNotContain(attributes, a => a.StartsWith("domain", StringComparison.Ordinal));
        }
    }

    [Theory]
    [InlineData("/login?ticket=")]
    [InlineData("/consent?ticket=")]
    [InlineData("/authorize/resume?ticket=")]
    public async Task A_ticket_that_was_changed_or_made_up_is_a_page(string path)
    {
        var user = server.NewUser();
        var ticket = (await LoginFormAsync(user))["ticket"];
        var middle = ticket.Length / 2;
        foreach (var bad in (string[])["", "x", ticket[..^1], ticket[..^8], ticket + "AAAA", ticket[..middle] + (ticket[middle] == 'A' ? 'B' : 'A') + ticket[(middle + 1)..], new string('A', 30_000)[..15_000]])
        {
            var answer = await server.GetAsync(path + bad);
            AuthorizeParameterTests.AssertErrorPage(answer);
        }
    }

    [Theory]
    [InlineData("/login?ticket=")]
    [InlineData("/consent?ticket=")]
    [InlineData("/authorize/resume?ticket=")]
    public async Task White_space_in_a_ticket_never_reaches_a_header(string path)
    {
        var ticket = (await LoginFormAsync(server.NewUser()))["ticket"];
        foreach (var space in (string[])["%0D%0A", "%0A", "%09", "%20", "+", "%0D%0ASet-Cookie:x", "%3D"])
            AuthorizeParameterTests.AssertErrorPage(await server.GetRawAsync(path + ticket + space));
    }

    [Fact]
    public async Task A_ticket_lives_for_30_minutes()
    {
        var user = server.NewUser();
        var form = await LoginFormAsync(user);
        form["username"] = "alice";
        form["password"] = user.Password;
        server.Server.Time.Advance(TimeSpan.FromMinutes(29));
        Assert.Equal(HttpStatusCode.OK, (await user.GetAsync("/login?ticket=" + form["ticket"])).StatusCode);
        server.Server.Time.Advance(TimeSpan.FromSeconds(61));
        foreach (var path in (string[])["/login?ticket=", "/consent?ticket=", "/authorize/resume?ticket="])
            AuthorizeParameterTests.AssertErrorPage(await server.GetAsync(path + form["ticket"]));
        var before = await server.TracesAsync();
        Assert.Equal(HttpStatusCode.BadRequest, (await user.PostAsync("/login", form)).StatusCode);
        Assert.Equal(before, await server.TracesAsync());
    }

    [Fact]
    public async Task A_cancelled_login_is_access_denied_and_no_session()
    {
        var user = server.NewUser();
        var form = await LoginFormAsync(user);
        form["decision"] = "deny";
        var before = await server.TracesAsync();
        var response = await user.PostAsync("/login", form);
        var arrival = await user.GoAsync(response.Headers.Location!.OriginalString);
        Assert.Equal("access_denied", arrival["error"]);
        Assert.Equal("state-123", arrival["state"]);
        Assert.Equal(before, await server.TracesAsync());
    }

    [Fact]
    public async Task A_session_dies_with_its_time_with_the_credentials_and_with_the_user()
    {
        await using var own = await OpenIdServer.StartAsync("Tokens:SessionSeconds=60");
        var user = await own.AddUserAsync("dora");
        await own.NewFlow().CodeAsync(user);
        Assert.NotNull((await SilentArrivalAsync(own, user))["code"]);
        own.Server.Time.Advance(TimeSpan.FromSeconds(61));
        Assert.Equal("login_required", (await SilentArrivalAsync(own, user))["error"]);

        await own.NewFlow().CodeAsync(user);
        await own.ChangeUserAsync("dora", u => u with { SecurityStamp = "changed" });
        Assert.Equal("login_required", (await SilentArrivalAsync(own, user))["error"]);

        user.Seen.Clear();
        await own.NewFlow().CodeAsync(user);
        await own.ChangeUserAsync("dora", u => u with { Disabled = true });
        Assert.Equal("login_required", (await SilentArrivalAsync(own, user))["error"]);
    }

    [Fact]
    public async Task A_disabled_user_cannot_log_in_and_is_told_what_a_wrong_password_is_told()
    {
        var user = await server.AddUserAsync("disabled-one");
        await server.ChangeUserAsync("disabled-one", u => u with { Disabled = true });
        var before = await server.TracesAsync();
        var arrival = await user.GoAsync(server.NewFlow().AuthorizeAddress);
        Assert.Null(arrival.Location);
        Assert.Contains("User name or password is not right.", arrival.Html, StringComparison.Ordinal);
        Assert.Equal(before, await server.TracesAsync());
    }

    [Theory]
    [InlineData("\uFFFF\uFFFE")]
    [InlineData("a\u0301\u202E🔑")]
    [InlineData("' OR 1=1 --")]
    [InlineData("alice\u200B")]
    public async Task Strange_user_names_are_nobody(string name)
    {
        var user = server.NewUser();
        var form = await LoginFormAsync(user);
        form["username"] = name;
        form["password"] = user.Password;
        var response = await user.PostAsync("/login", form);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Contains("User name or password is not right.", await response.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    private static IEnumerable<string> SetCookies(HttpResponseMessage response) => response.Headers.TryGetValues("Set-Cookie", out var set) ? set : [];

    private static string SessionOf(HttpResponseMessage response) =>
        SetCookies(response).Last(c => c.StartsWith(Session + "=", StringComparison.Ordinal)).Split(';')[0][(Session.Length + 1)..];

    private static async Task<HttpResponseMessage> LoginPageAsync(SimUser user, SealFlow flow)
    {
        var response = await user.GetAsync(flow.AuthorizeAddress);
        return await user.GetAsync(response.Headers.Location!.OriginalString);
    }

    private async Task<Dictionary<string, string>> LoginFormAsync(SimUser user) =>
        SimUser.Form(await (await LoginPageAsync(user, server.NewFlow())).Content.ReadAsStringAsync())!;

    private async Task<HttpResponseMessage> LogInAsync(SimUser user, SealFlow? flow = null)
    {
        var form = SimUser.Form(await (await LoginPageAsync(user, flow ?? server.NewFlow())).Content.ReadAsStringAsync())!;
        form["username"] = "alice";
        form["password"] = user.Password;
        return await user.PostAsync("/login", form);
    }

    /// <summary>What prompt=none says to a browser with this session: null when it got a code.</summary>
    private async Task<string?> SilentlyAsync(string session)
    {
        var flow = server.NewFlow();
        flow.Parameters["prompt"] = "none";
        var request = new HttpRequestMessage(HttpMethod.Get, flow.AuthorizeAddress) { Headers = { { "Cookie", Session + "=" + session } } };
        return (await server.SendAsync(request))["error"];
    }

    private static Task<Arrival> SilentArrivalAsync(OpenIdServer own, SimUser user)
    {
        var flow = own.NewFlow();
        flow.Parameters["prompt"] = "none";
        return user.GoAsync(flow.AuthorizeAddress);
    }
}
