using System.Net;
using Keyreeve.Core.Identity;
using Keyreeve.Testing;
using Microsoft.Playwright;
using Xunit;

namespace Keyreeve.Interop.Web;

/// <summary>How our pages behave in a real browser: narrow, hostile, and with all they refer to.</summary>
[Collection(SharedWorld.Name)]
public sealed class PageTests(InteropWorld world)
{
    private const string Hostile = "\"><script>alert(1)</script><img src=x onerror=alert(2)>";

    [Fact]
    public async Task No_page_scrolls_sideways_at_320_pixels()
    {
        var name = new string('W', 120);
        await world.RegisterLikeAsync("openid-client", "client-with-a-long-name", c => c with { Name = name, Consent = ConsentRule.Always });
        await using var visitor = await Visitor.ComeAsync(world, "client-with-a-long-name", width: 320, height: 640);
        await visitor.Page.GotoAsync(world.Server.Issuer + "/");
        Assert.False(await visitor.ScrollsSidewaysAsync(), "home");
        visitor.Flow.Parameters["login_hint"] = name;
        await visitor.GoAsync();
        Assert.False(await visitor.ScrollsSidewaysAsync(), "login");
        await visitor.SignInAsync("alice", "wrong");
        await visitor.Page.GetByRole(AriaRole.Alert).WaitForAsync();
        Assert.False(await visitor.ScrollsSidewaysAsync(), "login with an error");
        await visitor.SignInAsync("alice");
        await visitor.Page.WaitForURLAsync(url => url.Contains("/consent", StringComparison.Ordinal));
        Assert.False(await visitor.ScrollsSidewaysAsync(), "consent");
        visitor.ExpectedStatus = 400;
        await visitor.Page.GotoAsync(world.Server.Issuer + "/authorize?client_id=" + name);
        Assert.False(await visitor.ScrollsSidewaysAsync(), "error");
        visitor.AssertNothingOdd();
    }

    [Fact]
    [Proves("RFC 9700", "4.16")]
    public async Task A_hostile_name_and_hint_are_text()
    {
        await world.RegisterLikeAsync("openid-client", "hostile-client", c => c with { Name = Hostile, Consent = ConsentRule.Always });
        await using var visitor = await Visitor.ComeAsync(world, "hostile-client");
        visitor.Flow.Parameters["login_hint"] = Hostile;
        await visitor.GoAsync();
        Assert.Equal(Hostile, await visitor.Page.GetByLabel("User name").InputValueAsync());
        await AssertTextOnlyAsync(visitor);
        // What was typed comes back on the page with the error.
        await visitor.SignInAsync(Hostile, Hostile);
        await visitor.Page.GetByRole(AriaRole.Alert).WaitForAsync();
        Assert.Equal(Hostile, await visitor.Page.GetByLabel("User name").InputValueAsync());
        await AssertTextOnlyAsync(visitor);
        await visitor.SignInAsync("alice");
        await visitor.Page.WaitForURLAsync(url => url.Contains("/consent", StringComparison.Ordinal));
        await AssertTextOnlyAsync(visitor);
        visitor.AssertNothingOdd();
    }

    [Fact]
    [Proves("TS 33.434", "A.3")]
    public async Task A_person_sees_name_description_logo_and_pages_of_the_client_and_no_stranger_sees_the_person()
    {
        byte[] png = Convert.FromBase64String("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII=");
        world.Logos.Script = async (_, stream, cancel) =>
        {
            await ScriptedPeer.AnswerAsync(stream, "200 OK", "Content-Type: image/png\r\n", "", cancel, png.Length);
            await stream.WriteAsync(png, cancel);
        };
        await world.RegisterLikeAsync("openid-client", "client-with-a-face", c => c with
        {
            Name = "Pumps & Co",
            Description = "Steers your pumps.",
            Pages = new("https://client.example/", world.Logos.Address("/logo.png"), "https://client.example/privacy", "https://client.example/terms"),
            Consent = ConsentRule.Always,
        });
        await using var visitor = await Visitor.ComeAsync(world, "client-with-a-face");
        var logo = visitor.Page.Locator(".party img.logo");
        for (var patience = 0; patience < 300; patience++)
        {
            await visitor.GoAsync();
            if (await logo.CountAsync() == 1)
                break;
            await Task.Delay(200);
        }
        await AssertCardAsync();
        await visitor.SignInAsync("alice");
        await visitor.Page.WaitForURLAsync(url => url.Contains("/consent", StringComparison.Ordinal));
        await AssertCardAsync();
        visitor.AssertNothingOdd();

        async Task AssertCardAsync()
        {
            await visitor.Page.WaitForLoadStateAsync();
            var party = visitor.Page.Locator(".party");
            Assert.Equal("Pumps & Co", await party.Locator("strong").InnerTextAsync());
            Assert.Contains("Steers your pumps.", await party.InnerTextAsync(), StringComparison.Ordinal);
            Assert.StartsWith("/assets/client-logo.", await logo.GetAttributeAsync("src"), StringComparison.Ordinal);
            Assert.True(await logo.EvaluateAsync<bool>("i => i.complete && i.naturalWidth === 1"), "the logo is broken");
            foreach (var (name, path) in ((string, string)[])[("Website", ""), ("Privacy policy", "privacy"), ("Terms of service", "terms")])
            {
                var link = party.GetByRole(AriaRole.Link, new() { Name = name });
                Assert.Equal(("https://client.example/" + path, "noopener noreferrer"), (await link.GetAttributeAsync("href"), await link.GetAttributeAsync("rel")));
            }
        }
    }

    [Fact]
    public async Task A_hostile_state_comes_back_through_the_posted_form_unchanged()
    {
        await using var visitor = await Visitor.ComeAsync(world);
        visitor.Flow.Parameters["prompt"] = "none";
        visitor.Flow.Parameters["response_mode"] = "form_post";
        visitor.Flow.Parameters["state"] = Hostile;
        await visitor.GoAsync();
        Assert.Equal(Hostile, (await visitor.ArriveAsync())["state"]);
        visitor.AssertNothingOdd();
    }

    [Fact]
    public async Task Everything_a_page_refers_to_is_there()
    {
        await using var visitor = await Visitor.ComeAsync(world);
        using var http = world.Server.NewClient();
        await visitor.Page.GotoAsync(world.Server.Issuer + "/");
        // A browser without a window draws no tab and fetches no picture for it: so the references are followed by hand as well.
        var addresses = await visitor.Page.EvaluateAsync<string[]>("() => [...document.querySelectorAll('link[href], img[src], a[href]')].map(e => e.href || e.src).filter(a => !a.includes('#'))");
        Assert.True(addresses.Length >= 5, string.Join(' ', addresses));
        foreach (var address in addresses.Append(world.Server.Issuer + "/favicon.ico"))
        {
            Assert.StartsWith(world.Server.Issuer + "/", address, StringComparison.Ordinal);
            var response = await http.GetAsync(address);
            // The account page is there, for those who sign in.
            var expected = address.EndsWith("/account", StringComparison.Ordinal) ? HttpStatusCode.SeeOther : HttpStatusCode.OK;
            Assert.True(response.StatusCode == expected, $"{address}: {(int)response.StatusCode}");
        }
        visitor.AssertNothingOdd();
    }

    [Fact]
    public async Task The_commands_on_the_home_page_are_for_this_server()
    {
        await using var visitor = await Visitor.ComeAsync(world);
        await visitor.Page.GotoAsync(world.Server.Issuer + "/");
        var commands = await visitor.Page.Locator("pre").AllInnerTextsAsync();
        var curl = Assert.Single(commands, c => c.StartsWith("curl ", StringComparison.Ordinal)).Split(' ');
        Assert.Equal(world.Server.Issuer + "/.well-known/openid-configuration", curl[^1]);
        Assert.Equal(await File.ReadAllTextAsync(world.Server.Folder.CaPem), await File.ReadAllTextAsync(curl[2]));
        visitor.AssertNothingOdd();
    }

    [Fact]
    public async Task The_browser_takes_style_sheet_and_picture()
    {
        await using var visitor = await Visitor.ComeAsync(world);
        await visitor.GoAsync();
        Assert.True(await visitor.Page.EvaluateAsync<bool>("() => document.styleSheets.length === 1 && document.styleSheets[0].cssRules.length > 10"), "the style sheet has no rules");
        Assert.True(await visitor.Page.EvaluateAsync<bool>("() => [...document.images].length > 0 && [...document.images].every(i => i.complete && i.naturalWidth > 0)"), "a picture is broken");
        visitor.AssertNothingOdd();
    }

    [Fact]
    [Proves("RFC 9700", "4.16")]
    public async Task Our_login_page_does_not_show_in_another_sites_frame()
    {
        await using var visitor = await Visitor.ComeAsync(world);
        await visitor.Page.GotoAsync(visitor.Site.RedirectUri);
        await visitor.Page.EvaluateAsync("address => new Promise(done => { const f = document.createElement('iframe'); f.onload = done; f.src = address; document.body.append(f); })",
            world.Server.Issuer + visitor.Flow.AuthorizeAddress);
        var frame = visitor.Page.Frames.Single(f => f != visitor.Page.MainFrame);
        Assert.Equal(0, await frame.Locator("input").CountAsync());
    }

    private static async Task AssertTextOnlyAsync(Visitor visitor)
    {
        Assert.Equal(Hostile, await visitor.Page.Locator(".party strong").InnerTextAsync());
        Assert.Equal(0, await visitor.Page.Locator("script:not([src^='/assets/passkey.']), img[src=x]").CountAsync());
    }
}
