using Keyreeve.Testing;
using Keyreeve.Web.Pages;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Xunit;

namespace Keyreeve.Slices.Tests.Web.Pages;

public sealed class PageHeadersTests
{
    private const string Nonce = "0123456789abcdef0123456789abcdef";

    [Theory]
    [InlineData("https://client.example/cb", "https://client.example:443")]
    [InlineData("https://Client.Example:8443/cb?x=;script-src%20*", "https://client.example:8443")]
    [InlineData("https://client.example/a;script-src,*'", "https://client.example:443")]
    [InlineData("http://127.0.0.1:49152/cb", "http://127.0.0.1:49152")]
    [InlineData("http://localhost/cb", "http://localhost:80")]
    [InlineData("https://b\u00fccher.example/cb", "https://xn--bcher-kva.example:443")]
    [InlineData("com.example.app:/cb", "com.example.app:")]
    [InlineData("com.Example.App://cb", "com.example.app:")]
    [InlineData("http://[::1]:8080/cb", "http:")]
    public void A_redirect_URI_becomes_the_narrowest_source_that_CSP_can_say(string redirectUri, string expected) =>
        Assert.Equal(expected, PageHeaders.FormTarget(redirectUri));

    [Theory]
    [InlineData("")]
    [InlineData(":")]
    [InlineData("/cb")]
    [InlineData("//client.example/cb")]
    [InlineData("https:client.example")]
    [InlineData("https://")]
    [InlineData("https://*/cb")]
    [InlineData("https://*.example/cb")]
    [InlineData("https://a.example;script-src *")]
    [InlineData("https://a.example;script-src/cb")]
    [InlineData("https://a.example,b.example/cb")]
    [InlineData("https://a.example 'unsafe-inline'/cb")]
    [InlineData("https://a.example\r\nX: y/cb")]
    [InlineData("https://a.example\t/cb")]
    [InlineData("https://a.example\0/cb")]
    [InlineData("https://good.example\\@evil.example/cb")]
    [InlineData("https://user:pass@a.example/cb")]
    [InlineData("https://good.example@evil.example/cb")]
    [InlineData("https://a_b.example/cb")]
    [InlineData("https://a..b/cb")]
    [InlineData("https://a.example:0/cb")]
    [InlineData("https://a.example:99999/cb")]
    [InlineData("https://a.example:x/cb")]
    [InlineData("http://[2001:db8::1]/cb")]
    [InlineData("http://[::1;script-src *]/cb")]
    [InlineData("http://[::ffff:127.0.0.1]/cb")]
    [InlineData("javascript:alert(1)")]
    [InlineData("JavaScript:alert(1)")]
    [InlineData("data:text/html,x")]
    [InlineData("blob:https://a.example/x")]
    [InlineData("file:///etc/passwd")]
    [InlineData("'unsafe-inline':/cb")]
    [InlineData("a;b:/cb")]
    [InlineData("a b:/cb")]
    [InlineData("1app:/cb")]
    [InlineData("*:/cb")]
    public void A_redirect_URI_that_CSP_cannot_say_or_that_tries_to_add_to_the_policy_gives_no_source(string redirectUri) =>
        Assert.Null(PageHeaders.FormTarget(redirectUri));

    [Fact]
    public void A_redirect_URI_of_any_characters_never_gives_more_than_one_plain_source()
    {
        // Every pair of printable and control characters in the places where a host, a port and a scheme end.
        for (var a = '\0'; a < '\u0100'; a++)
        {
            for (var b = '\0'; b < '\u0080'; b++)
            {
                foreach (var uri in new[] { $"https://h{a}{b}x/", $"https://h:8{a}{b}/", $"s{a}{b}:/" })
                {
                    if (PageHeaders.FormTarget(uri) is { } source)
                        Assert.All(source, c => Assert.True(char.IsAsciiLetterOrDigit(c) || c is ':' or '/' or '.' or '-' or '+', uri));
                }
            }
        }
    }

    [Fact]
    public void An_endless_redirect_URI_gives_no_source() =>
        Assert.Null(PageHeaders.FormTarget("https://a.example/" + new string('x', 100_000)));

    [Fact]
    [Proves("RFC 9700", "4.2.4")]
    [Proves("RFC 9700", "4.16")]
    public async Task A_page_carries_exactly_these_headers()
    {
        await using var host = await PageHost.StartAsync(new RazorComponentResult<MessagePage>(SamplePages.Message("calm")));
        using var response = await host.Client.GetAsync("/page", TestContext.Current.CancellationToken);
        var headers = response.Headers.Where(h => h.Key is not ("Date" or "Server" or "Transfer-Encoding"))
            .ToDictionary(h => h.Key, h => string.Join(", ", h.Value), StringComparer.OrdinalIgnoreCase);
        Assert.Equal(
            new Dictionary<string, string>
            {
                ["Content-Security-Policy"] = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
                ["X-Frame-Options"] = "DENY",
                ["X-Content-Type-Options"] = "nosniff",
                ["Referrer-Policy"] = "no-referrer",
                ["Cache-Control"] = "no-store",
                ["Pragma"] = "no-cache",
                ["Cross-Origin-Opener-Policy"] = "same-origin",
                ["Cross-Origin-Resource-Policy"] = "same-origin",
                ["Permissions-Policy"] = "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
            },
            headers);
    }

    [Fact]
    public void A_nonce_opens_script_src_for_itself_alone() =>
        Assert.Equal(
            $"default-src 'none'; style-src 'self'; img-src 'self'; script-src 'nonce-{Nonce}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
            Policy(Nonce, null));

    [Fact]
    public void Form_targets_join_form_action_once_each() =>
        Assert.Contains(
            "; form-action 'self' https://a.example:443 com.example.app: http:; ",
            Policy(null, ["https://a.example:443", "com.example.app:", "https://a.example:443", "http:"]),
            StringComparison.Ordinal);

    [Theory]
    [InlineData("*")]
    [InlineData("'unsafe-inline'")]
    [InlineData("https://a.example:443; script-src *")]
    [InlineData("https://a.example:443 *")]
    [InlineData("https://a.example:443/cb;script-src")]
    [InlineData("x;script-src *:")]
    [InlineData("javascript:")]
    [InlineData(":")]
    [InlineData("")]
    public void A_form_target_that_is_not_one_plain_source_is_left_out(string target) =>
        Assert.Equal(Policy(null, null), Policy(null, [target]));

    [Theory]
    [InlineData("")]
    [InlineData("short")]
    [InlineData("0123456789abcdef'; script-src *")]
    public void A_nonce_that_could_end_its_quotes_is_a_fault_of_the_caller(string nonce) =>
        Assert.Throws<ArgumentException>(() => Policy(nonce, null));

    [Fact]
    public void Two_nonces_differ_and_are_accepted()
    {
        var (first, second) = (PageHeaders.NewNonce(), PageHeaders.NewNonce());
        Assert.NotEqual(first, second);
        Assert.Equal(32, first.Length);
        Assert.Contains($"'nonce-{first}'", Policy(first, null), StringComparison.Ordinal);
    }

    private static string Policy(string? nonce, IReadOnlyList<string>? targets)
    {
        var response = new DefaultHttpContext().Response;
        PageHeaders.Apply(response, nonce, targets);
        return response.Headers.ContentSecurityPolicy.ToString();
    }
}
