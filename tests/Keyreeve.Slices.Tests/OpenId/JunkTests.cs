using System.Net;
using System.Text;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Slices.Tests.OpenId;

/// <summary>Junk from a seeded generator, the same in every run: whatever comes, the answer is the peer's fault and never ours.</summary>
[Proves("RFC 6749", "5.2")]
public sealed class JunkTests(OpenIdServer server) : IClassFixture<OpenIdServer>
{
    private const int Requests = 300;

    private static readonly string[] Names =
    [
        "grant_type", "code", "redirect_uri", "code_verifier", "client_id", "client_secret", "client_assertion", "client_assertion_type", "refresh_token", "scope", "token",
        "token_type_hint", "response_type", "state", "nonce", "prompt", "max_age", "acr_values", "code_challenge", "code_challenge_method", "response_mode", "request", "login_hint", "resource", "request_uri", "x",
    ];

    private static readonly string[] Values =
    [
        "", " ", "x", "code", "openid", "authorization_code", "refresh_token", "client_credentials", "password", "seal-client", "val-server", "openid-client", OpenIdServer.Callback, "none", "login", "0", "-1",
        "99999999999", "S256", "plain", "form_post", "query", "3gpp:acr:password", SealFlow.Verifier, "a.b.c", "e30.e30.", "eyJhbGciOiJub25lIn0.e30.", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "AAAAAAAAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "\u0000", "\r\n", "'\"<>&%", "漢字🔑", "\uFFFF", "{}", "[", "../../x", "val:pump-control", "https://val.example/pump-control",
        "urn:ietf:params:oauth:request_uri:", "urn:ietf:params:oauth:request_uri:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    ];

    [Theory]
    [InlineData("/token", 1)]
    [InlineData("/introspect", 2)]
    [InlineData("/revoke", 3)]
    [InlineData("/authorize", 4)]
    [InlineData("/par", 9)]
    public async Task Posted_junk_is_never_an_error_of_ours(string path, int seed)
    {
        var random = new Random(seed);
        for (var i = 0; i < Requests; i++)
        {
            var body = Body(random);
            var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = new ByteArrayContent(body) };
            request.Content.Headers.TryAddWithoutValidation("Content-Type", random.Next(10) == 0 ? Values[random.Next(Values.Length - 12)] : "application/x-www-form-urlencoded");
            if (random.Next(3) > 0)
                request.Headers.Authorization = server.Server.Basic(random.Next(2) == 0 ? "seal-client" : "val-server");
            else if (random.Next(2) == 0)
                request.Headers.TryAddWithoutValidation("Authorization", "Basic " + Convert.ToBase64String(Octets(random, random.Next(40))));
            AssertTheirs(await server.SendAsync(request), $"{path} seed {seed} request {i}: {Encoding.Latin1.GetString(body)}");
        }
    }

    [Theory]
    [InlineData("/authorize?", 5)]
    [InlineData("/authorize/resume?ticket=", 6)]
    [InlineData("/consent?ticket=", 7)]
    [InlineData("/login?ticket=", 8)]
    public async Task Junk_in_a_query_is_never_an_error_of_ours(string path, int seed)
    {
        var random = new Random(seed);
        for (var i = 0; i < Requests; i++)
        {
            // Only what may stand in a request line at all; the rest would fall to the HTTP server.
            var query = string.Concat(Encoding.Latin1.GetString(Body(random)).Select(c => c is > ' ' and < '\x7F' and not '#' ? c.ToString() : $"%{(int)c & 0xFF:X2}"));
            AssertTheirs(await server.GetRawAsync(path + query), $"{path} seed {seed} request {i}: {query}");
        }
    }

    [Fact]
    public async Task Junk_for_a_bearer_token_is_never_an_error_of_ours()
    {
        var random = new Random(9);
        var good = (string)(await server.NewFlow().TokensAsync())["access_token"]!;
        for (var i = 0; i < Requests; i++)
        {
            var token = good.ToCharArray();
            for (var n = random.Next(1, 4); n > 0; n--)
                token[random.Next(token.Length)] = (char)random.Next('!', '\x7F');
            var text = new string(token, 0, random.Next(2) == 0 ? token.Length : random.Next(token.Length));
            var request = new HttpRequestMessage(HttpMethod.Get, "/userinfo");
            request.Headers.TryAddWithoutValidation("Authorization", "Bearer " + text);
            var answer = await server.SendAsync(request);
            Assert.True(answer.Status == HttpStatusCode.Unauthorized || text == good, $"request {i}: {text}");
        }
    }

    private static void AssertTheirs(Answer answer, string what)
    {
        Assert.True((int)answer.Status is >= 200 and < 500, $"{(int)answer.Status} for {what}");
        Assert.DoesNotContain("Exception", answer.Text, StringComparison.Ordinal);
        if (answer.Location is { } location)
            Assert.True(location.StartsWith('/') || location.StartsWith(OpenIdServer.Callback + "?", StringComparison.Ordinal), $"sent to {location} for {what}");
    }

    private static byte[] Body(Random random)
    {
        if (random.Next(8) == 0)
            return Octets(random, random.Next(200));
        var text = new StringBuilder();
        for (var n = random.Next(9); n >= 0; n--)
        {
            var value = Values[random.Next(Values.Length)];
            text.Append(Names[random.Next(Names.Length)]).Append(random.Next(20) == 0 ? "" : "=")
                .Append(random.Next(6) == 0 ? value : Uri.EscapeDataString(value)).Append('&');
        }
        return Encoding.UTF8.GetBytes(text.ToString());
    }

    private static byte[] Octets(Random random, int count)
    {
        var octets = new byte[count];
        random.NextBytes(octets);
        return octets;
    }
}
