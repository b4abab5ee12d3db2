using FsCheck.Fluent;
using Keyreeve.Testing;
using Keyreeve.Wire.OAuth;
using Xunit;

namespace Keyreeve.Tests.Wire.OAuth;

public sealed class RedirectUriTests
{
    private const string Registered = "https://client.example/cb";

    [Fact]
    [Proves("RFC 9700", "4.1.3")]
    public void The_registered_uri_matches_itself() => Assert.True(RedirectUri.Matches(Registered, Registered));

    [Theory]
    [InlineData("suffix", "https://client.example/cbx")]
    [InlineData("prefix", "https://client.example/c")]
    [InlineData("empty", "")]
    [InlineData("trailing slash", "https://client.example/cb/")]
    [InlineData("added path", "https://client.example/cb/evil")]
    [InlineData("added query", "https://client.example/cb?x=1")]
    [InlineData("empty query", "https://client.example/cb?")]
    [InlineData("fragment", "https://client.example/cb#x")]
    [InlineData("empty fragment", "https://client.example/cb#")]
    [InlineData("path traversal", "https://client.example/x/../cb")]
    [InlineData("encoded traversal", "https://client.example/cb/%2e%2e/cb")]
    [InlineData("dot segment", "https://client.example/./cb")]
    [InlineData("case of the host", "https://CLIENT.example/cb")]
    [InlineData("case of the scheme", "HTTPS://client.example/cb")]
    [InlineData("case of the path", "https://client.example/CB")]
    [InlineData("percent-encoding", "https://client.example/c%62")]
    [InlineData("default port", "https://client.example:443/cb")]
    [InlineData("other port", "https://client.example:8443/cb")]
    [InlineData("userinfo", "https://client.example@evil.example/cb")]
    [InlineData("userinfo before", "https://evil@client.example/cb")]
    [InlineData("subdomain", "https://evil.client.example/cb")]
    [InlineData("longer domain", "https://client.example.evil/cb")]
    [InlineData("root dot", "https://client.example./cb")]
    [InlineData("backslash", "https://client.example\\cb")]
    [InlineData("double slash", "https://client.example//cb")]
    [InlineData("http", "http://client.example/cb")]
    [InlineData("space before", " https://client.example/cb")]
    [InlineData("space after", "https://client.example/cb ")]
    [InlineData("line end", "https://client.example/cb\r\n")]
    [InlineData("NUL", "https://client.example/cb\0")]
    [InlineData("homograph", "https://cliеnt.example/cb")]
    [InlineData("zero width joiner", "https://client.example/cb\u200d")]
    [InlineData("no scheme", "//client.example/cb")]
    [Proves("RFC 9700", "4.1.3")]
    public void A_uri_that_only_resembles_the_registered_one_does_not_match(string trick, string asked) =>
        Assert.False(RedirectUri.Matches(Registered, asked), trick);

    [Theory]
    [InlineData("http://127.0.0.1/cb", "http://127.0.0.1:49152/cb")]
    [InlineData("http://127.0.0.1/cb", "http://127.0.0.1/cb")]
    [InlineData("http://127.0.0.1:8400/cb", "http://127.0.0.1/cb")]
    [InlineData("http://127.0.0.1:8400/cb", "http://127.0.0.1:1/cb")]
    [InlineData("http://127.0.0.1/cb", "http://127.0.0.1:65535/cb")]
    [InlineData("http://[::1]/cb", "http://[::1]:61023/cb")]
    [InlineData("http://[::1]:1/cb", "http://[::1]/cb")]
    [InlineData("http://127.0.0.1", "http://127.0.0.1:7")]
    [InlineData("http://127.0.0.1?x=1", "http://127.0.0.1:7?x=1")]
    [Proves("RFC 8252", "7.3")]
    public void A_loopback_literal_may_have_any_port(string registered, string asked) => Assert.True(RedirectUri.Matches(registered, asked));

    [Theory]
    [InlineData("port 0", "http://127.0.0.1:0/cb")]
    [InlineData("port 65536", "http://127.0.0.1:65536/cb")]
    [InlineData("port overflow", "http://127.0.0.1:4294967297/cb")]
    [InlineData("port of many zeros", "http://127.0.0.1:0000080/cb")]
    [InlineData("no digits", "http://127.0.0.1:/cb")]
    [InlineData("negative port", "http://127.0.0.1:-1/cb")]
    [InlineData("signed port", "http://127.0.0.1:+80/cb")]
    [InlineData("port with a space", "http://127.0.0.1: 80/cb")]
    [InlineData("port of other digits", "http://127.0.0.1:٨٠/cb")]
    [InlineData("userinfo", "http://127.0.0.1:80@evil.example/cb")]
    [InlineData("userinfo without port", "http://127.0.0.1@evil.example/cb")]
    [InlineData("userinfo before", "http://evil@127.0.0.1/cb")]
    [InlineData("longer host", "http://127.0.0.1.evil.example/cb")]
    [InlineData("longer number", "http://127.0.0.11/cb")]
    [InlineData("backslash", "http://127.0.0.1\\@evil.example/cb")]
    [InlineData("fragment", "http://127.0.0.1#@evil.example/cb")]
    [InlineData("port and fragment", "http://127.0.0.1:80#/cb")]
    [InlineData("other path", "http://127.0.0.1:80/cb2")]
    [InlineData("path case", "http://127.0.0.1:80/CB")]
    [InlineData("no path", "http://127.0.0.1:80")]
    [InlineData("added query", "http://127.0.0.1:80/cb?x=1")]
    [InlineData("localhost", "http://localhost:80/cb")]
    [InlineData("other loopback", "http://127.0.0.2/cb")]
    [InlineData("short form", "http://127.1/cb")]
    [InlineData("number", "http://2130706433/cb")]
    [InlineData("IPv6 literal", "http://[::1]/cb")]
    [InlineData("https", "https://127.0.0.1:80/cb")]
    [InlineData("case", "HTTP://127.0.0.1/cb")]
    [Proves("RFC 8252", "7.3")]
    [Proves("RFC 9700", "4.1.3")]
    public void Nothing_but_the_port_of_a_loopback_literal_may_differ(string trick, string asked) =>
        Assert.False(RedirectUri.Matches("http://127.0.0.1:8400/cb", asked), trick);

    [Theory]
    [InlineData("http://localhost/cb", "http://localhost:80/cb")]
    [InlineData("https://127.0.0.1/cb", "https://127.0.0.1:1/cb")]
    [InlineData("http://[::1]/cb", "http://[::1]evil.example/cb")]
    [InlineData("http://[::1]/cb", "http://127.0.0.1/cb")]
    [InlineData("http://127.0.0.1:0/cb", "http://127.0.0.1:1/cb")]
    [Proves("RFC 8252", "7.3")]
    public void The_port_is_free_for_http_on_the_two_literals_only(string registered, string asked) => Assert.False(RedirectUri.Matches(registered, asked));

    [Theory]
    [InlineData("https://client.example/cb")]
    [InlineData("https://client.example")]
    [InlineData("https://client.example:8443/cb?x=1&y=2")]
    [InlineData("https://[2001:db8::1]/cb")]
    [InlineData("http://127.0.0.1/cb")]
    [InlineData("http://127.0.0.1:8400/cb")]
    [InlineData("http://[::1]/cb")]
    [InlineData("http://localhost/cb")]
    [InlineData("http://localhost:8400/cb")]
    [InlineData("com.example.app:/cb")]
    [InlineData("com.example.app://cb")]
    [Proves("RFC 8252", "7.1")]
    public void May_be_registered(string uri)
    {
        Assert.Null(RedirectUri.WhyNotRegistrable(uri));
        Assert.True(RedirectUri.Matches(uri, uri));
    }

    [Theory]
    [InlineData("empty", "")]
    [InlineData("relative", "cb")]
    [InlineData("path", "/cb")]
    [InlineData("path with a colon and a dot", "/a.b:c")]
    [InlineData("network path", "//evil.example/cb")]
    [InlineData("network path with a port", "//evil.example:443/cb")]
    [InlineData("query", "?a.b:c")]
    [InlineData("only a scheme", "https:")]
    [InlineData("no host", "https:///cb")]
    [InlineData("no authority", "https:client.example/cb")]
    [InlineData("http", "http://client.example/cb")]
    [InlineData("a name that .NET calls loopback", "http://loopback/cb")]
    [InlineData("other loopback address", "http://127.0.0.2/cb")]
    [InlineData("loopback in other writing", "http://127.1/cb")]
    [InlineData("loopback as a number", "http://2130706433/cb")]
    [InlineData("mapped loopback", "http://[::ffff:127.0.0.1]/cb")]
    [InlineData("longer than localhost", "http://localhost.evil.example/cb")]
    [InlineData("loopback as user", "http://127.0.0.1@evil.example/cb")]
    [InlineData("fragment", "https://client.example/cb#x")]
    [InlineData("empty fragment", "https://client.example/cb#")]
    [InlineData("userinfo", "https://user:pw@client.example/cb")]
    [InlineData("empty userinfo", "https://@client.example/cb")]
    [InlineData("wildcard", "https://*.client.example/cb")]
    [InlineData("wildcard path", "https://client.example/*")]
    [InlineData("space", "https://client.example/c b")]
    [InlineData("line end", "https://client.example/cb\r\nSet-Cookie: x")]
    [InlineData("NUL", "https://client.example/\0")]
    [InlineData("tab in the scheme", "java\tscript:alert(1)")]
    [InlineData("quote", "https://client.example/\"")]
    [InlineData("bracket", "https://client.example/<script>")]
    [InlineData("backslash", "https://client.example\\@evil.example/")]
    [InlineData("umlaut", "https://clüent.example/cb")]
    [InlineData("port 65536", "https://client.example:65536/cb")]
    [InlineData("javascript", "javascript:alert(1)")]
    [InlineData("JavaScript", "JavaScript:alert(1)")]
    [InlineData("data", "data:text/html,x")]
    [InlineData("vbscript", "vbscript:x")]
    [InlineData("file", "file:///etc/passwd")]
    [InlineData("blob", "blob:https://client.example/x")]
    [InlineData("about", "about:blank")]
    [InlineData("scheme without a dot", "myapp://cb")]
    [InlineData("upper-case scheme", "HTTPS://client.example/cb")]
    [InlineData("scheme that begins with a digit", "1com.example:/cb")]
    [InlineData("scheme that begins with a dot", ".com.example:/cb")]
    [Proves("RFC 8252", "7.1")]
    [Proves("RFC 9700", "4.1.3")]
    public void May_not_be_registered(string trick, string uri) => Assert.False(RedirectUri.WhyNotRegistrable(uri) is null, trick);

    [Fact]
    [Proves("RFC 8252", "7.1")]
    public void The_length_is_bounded()
    {
        Assert.Null(RedirectUri.WhyNotRegistrable("https://client.example/".PadRight(2000, 'x')));
        Assert.NotNull(RedirectUri.WhyNotRegistrable("https://client.example/".PadRight(2001, 'x')));
    }

    [Fact]
    [Proves("RFC 9700", "4.1.3")]
    public void No_text_makes_the_rules_throw()
    {
        Samples.Check(Samples.Anything.Two(), pair =>
        {
            var (a, b) = (pair.Item1 ?? "", pair.Item2 ?? "");
            return RedirectUri.Matches(a, a) && RedirectUri.Matches(a, b) == RedirectUri.Matches(b, a);
        });
        Samples.Check(Samples.Anything, text => RedirectUri.WhyNotRegistrable(text ?? "") is not { Length: 0 });
    }
}
