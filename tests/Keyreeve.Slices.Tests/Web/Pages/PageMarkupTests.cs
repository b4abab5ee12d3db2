using System.Net;
using System.Text.RegularExpressions;
using Keyreeve.Testing;
using Keyreeve.Web.Pages;
using Xunit;

namespace Keyreeve.Slices.Tests.Web.Pages;

public sealed partial class PageMarkupTests
{
    [Theory]
    [InlineData("\"><script>alert(1)</script>")]
    [InlineData("'><img src=x onerror=alert(1)>")]
    [InlineData("</title><script>alert(1)</script>")]
    [InlineData("-->]]><svg/onload=alert(1)>")]
    [InlineData("javascript:alert(1)")]
    public async Task A_hostile_text_stays_text_on_every_page(string hostile)
    {
        var calm = await SamplePages.RenderAllAsync("calm");
        foreach (var (page, html) in await SamplePages.RenderAllAsync(hostile))
        {
            // The same tags with the same attribute names as with a calm text: nothing got out of its place.
            Assert.Equal(Shape(calm[page]), Shape(html));
            Assert.Contains(hostile, WebUtility.HtmlDecode(html), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_NUL_and_line_breaks_are_never_written_raw_into_an_attribute()
    {
        foreach (var (page, html) in await SamplePages.RenderAllAsync("a\0b\r\nc\u2028d"))
        {
            Assert.False(html.Contains('\0'), page);
            Assert.False(html.Contains("b\r\nc", StringComparison.Ordinal), page);
        }
    }

    [Fact]
    public async Task A_very_long_text_comes_out_whole()
    {
        var text = new string('x', 100_000);
        var html = await PageHost.RenderAsync<FormPostPage>(SamplePages.FormPost(text));
        Assert.Contains($"name=\"state\" value=\"{text}\"", html, StringComparison.Ordinal);
    }

    [Fact]
    public async Task No_page_holds_a_style_a_handler_or_a_script_but_for_the_nonce_script_of_form_post()
    {
        foreach (var (page, html) in await SamplePages.RenderAllAsync("calm"))
        {
            Assert.DoesNotContain("<style", html, StringComparison.OrdinalIgnoreCase);
            Assert.DoesNotMatch(@"<[^>]*\s(style|on[a-z]+)\s*=", html);
            var scripted = page is "login" or "second step" or "passkey";
            Assert.Equal(page == "form post" || scripted ? 1 : 0, Regex.Count(html, "<script", RegexOptions.IgnoreCase));
            Assert.Equal(page == "form post" ? 1 : 0, Regex.Count(html, "<script nonce=\"0123456789abcdef0123456789abcdef\">"));
            Assert.Equal(scripted ? 1 : 0, Regex.Count(html, "<script nonce=\"0123456789abcdef0123456789abcdef\" src=\"/assets/passkey\\.[0-9a-f]{8}\\.js\" defer></script>"));
        }
    }

    [Fact]
    [Proves("RFC 9700", "4.2.4")]
    public async Task No_page_loads_anything_from_elsewhere()
    {
        foreach (var (_, html) in await SamplePages.RenderAllAsync("https://elsewhere.example/x"))
        {
            foreach (Match tag in Regex.Matches(html, "<(img|link|script|iframe|object|embed|source|video|audio|base|meta)[^>]*>"))
                Assert.DoesNotContain("elsewhere", tag.Value, StringComparison.Ordinal);
            Assert.StartsWith("<!DOCTYPE html>", html.TrimStart(), StringComparison.Ordinal);
            Assert.Contains("<html lang=\"en\">", html, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Every_field_a_person_fills_has_a_label_and_one_page_has_one_heading_of_the_first_level()
    {
        foreach (var (page, html) in await SamplePages.RenderAllAsync("calm"))
        {
            foreach (Match input in Regex.Matches(html, "<input[^>]*>"))
            {
                if (input.Value.Contains("type=\"hidden\"", StringComparison.Ordinal) || input.Value.Contains(" hidden", StringComparison.Ordinal))
                    continue;
                var id = Regex.Match(input.Value, " id=\"([^\"]+)\"").Groups[1].Value;
                Assert.Contains($"<label for=\"{id}\">", html, StringComparison.Ordinal);
            }

            Assert.Equal(1, Regex.Count(html, "<h1>"));
            Assert.Equal(page is "login" or "second step" or "new password" or "authenticator" or "change password" ? 1 : 0, Regex.Count(html, " autofocus"));
        }
    }

    [Fact]
    public async Task The_sign_in_page_is_made_for_password_stores_and_tells_errors_to_screen_readers()
    {
        var html = await PageHost.RenderAsync<LoginPage>(SamplePages.Login("calm", failed: false));
        Assert.Matches("<input id=\"username\"[^>]*autocomplete=\"username\"[^>]*autocapitalize=\"off\"", html);
        Assert.Matches("<input id=\"password\"[^>]*type=\"password\"[^>]*autocomplete=\"current-password\"", html);
        Assert.DoesNotMatch("<input id=\"password\"[^>]* value=", html);
        Assert.Contains("<form method=\"post\" action=\"/login\">", html, StringComparison.Ordinal);
        Assert.Contains("<input type=\"hidden\" name=\"__csrf\" value=\"calm\"", html, StringComparison.Ordinal);
        Assert.Contains("<input type=\"hidden\" name=\"ticket\" value=\"calm\"", html, StringComparison.Ordinal);
        Assert.DoesNotContain("role=\"alert\"", html, StringComparison.Ordinal);

        // The Enter key presses the first submit button: it has to be "Sign in", not "Cancel".
        var buttons = Regex.Matches(html, "<button[^>]*>");
        Assert.DoesNotContain("decision", buttons[0].Value, StringComparison.Ordinal);
        Assert.Contains("name=\"decision\" value=\"deny\" formnovalidate", buttons[1].Value, StringComparison.Ordinal);

        var again = await PageHost.RenderAsync<LoginPage>(SamplePages.Login("calm"));
        Assert.Matches("id=\"login-error\"[^>]*role=\"alert\"", again);
        Assert.Equal(2, Regex.Count(again, "aria-describedby=\"login-error\""));
        Assert.Contains("<title>Error: Sign in", again, StringComparison.Ordinal);
    }

    [Fact]
    [Proves("RFC 6819", "4.4.1.4")]
    public async Task The_consent_page_names_the_client_its_registered_host_the_person_and_each_scope()
    {
        var html = await PageHost.RenderAsync<ConsentPage>(new Dictionary<string, object?>
        {
            ["Ticket"] = "t",
            ["ClientName"] = "Field camera",
            ["ClientHost"] = "camera.example",
            ["UserName"] = "ada",
            ["Scopes"] = (IReadOnlyList<ScopeLine>)[new("email", "See your address", "Only the main one."), new("group.read", "See your groups", "")],
            ["AntiforgeryFieldName"] = "__csrf",
            ["AntiforgeryToken"] = "token",
        });
        foreach (var expected in new[] { "Field camera", "camera.example", ">ada<", "See your address", "Only the main one.", "group.read", "See your groups" })
            Assert.Contains(expected, html, StringComparison.Ordinal);
        Assert.Contains("<form method=\"post\" action=\"/consent\">", html, StringComparison.Ordinal);
        Assert.Contains("name=\"decision\" value=\"allow\"", html, StringComparison.Ordinal);
        Assert.Contains("name=\"decision\" value=\"deny\"", html, StringComparison.Ordinal);
    }

    [Fact]
    [Proves("OAuth 2.0 Form Post Response Mode", "2")]
    public async Task The_form_post_page_posts_the_response_to_the_redirect_URI_and_has_a_button_for_browsers_without_script()
    {
        var html = await PageHost.RenderAsync<FormPostPage>(new Dictionary<string, object?>
        {
            ["Action"] = "https://client.example/cb?a=1&b=2",
            ["Fields"] = (IReadOnlyList<KeyValuePair<string, string>>)[new("code", "c-1"), new("state", "a&b=\"c\"")],
            ["Nonce"] = "0123456789abcdef0123456789abcdef",
        });
        var form = Regex.Match(html, "<form(?<start>[^>]*)>(?<body>.*?)</form>", RegexOptions.Singleline);
        Assert.Contains("method=\"post\"", form.Value, StringComparison.Ordinal);
        Assert.Equal("https://client.example/cb?a=1&b=2", Attribute(form.Groups["start"].Value, "action"));
        var fields = Regex.Matches(form.Groups["body"].Value, "<input[^>]*>")
            .Select(input => (Attribute(input.Value, "type"), Attribute(input.Value, "name"), Attribute(input.Value, "value")));
        Assert.Equal([("hidden", "code", "c-1"), ("hidden", "state", "a&b=\"c\"")], fields);
        Assert.Matches("<button type=\"submit\"(?![^>]*name=)[^>]*>", form.Value);
        Assert.Contains("<noscript>", html, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("https://id.example", "https://id.example/.well-known/openid-configuration", "https://id.example/.well-known/oauth-authorization-server")]
    [InlineData("https://id.example:8443/t", "https://id.example:8443/t/.well-known/openid-configuration", "https://id.example:8443/.well-known/oauth-authorization-server/t")]
    [Proves("RFC 8414", "3.1")]
    public async Task The_home_page_links_to_both_discovery_documents(string issuer, string openId, string oauth)
    {
        var html = await PageHost.RenderAsync<HomePage>(SamplePages.Home(issuer));
        Assert.Contains($"href=\"{openId}\"", html, StringComparison.Ordinal);
        Assert.Contains($"href=\"{oauth}\"", html, StringComparison.Ordinal);
        Assert.Contains($"href=\"{issuer}/jwks\"", html, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_home_page_says_nothing_of_demo_users_outside_demo_mode()
    {
        var parameters = SamplePages.Home("secret-of-the-demo");
        parameters["Issuer"] = "https://id.example";
        parameters["Demo"] = false;
        Assert.DoesNotContain("secret-of-the-demo", await PageHost.RenderAsync<HomePage>(parameters), StringComparison.Ordinal);
    }

    private static string Attribute(string tag, string name) =>
        WebUtility.HtmlDecode(Regex.Match(tag, $" {name}=\"([^\"]*)\"").Groups[1].Value);

    // Tag and attribute names in order, without any value or text.
    private static string Shape(string html) =>
        string.Join('\n', Tag().Matches(html).Select(tag => Quoted().Replace(tag.Value, "=")));

    [GeneratedRegex("<(?:[^>\"]|\"[^\"]*\")*>")]
    private static partial Regex Tag();

    [GeneratedRegex("=\"[^\"]*\"")]
    private static partial Regex Quoted();
}
