using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using Keyreeve.Core.Identity;
using Keyreeve.Slices.Tests.OpenId;
using Keyreeve.Slices.Tests.Web.Login;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Slices.Tests.Web.Clients;

// Inside Keyreeve.*, "Client" alone is the namespace of the SDK.
using Client = Keyreeve.Core.Identity.Client;

/// <summary>What a client says of itself on our pages: its logo comes from our own origin, or not at all.</summary>
[Proves("TS 33.434", "A.3")]
[Proves("RFC 7591", "5")]
public sealed class ClientLogoTests(ClientLogoTests.World world) : IClassFixture<ClientLogoTests.World>
{
    private static readonly byte[] Png = Convert.FromBase64String("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII=");

    public sealed class World : IAsyncLifetime
    {
        public ScriptedPeer Peer { get; } = new();

        public OpenIdServer Server { get; private set; } = null!;

        public async ValueTask InitializeAsync()
        {
            var anchors = Path.GetTempFileName();
            await File.WriteAllTextAsync(anchors, Peer.Certificate.ExportCertificatePem());
            Server = await OpenIdServer.StartAsync("Outbound:AllowedNetworks=127.0.0.0/8 ::1/128", "Outbound:TrustAnchors=" + anchors);
            File.Delete(anchors);
        }

        public async ValueTask DisposeAsync()
        {
            await Server.DisposeAsync();
            await Peer.DisposeAsync();
        }
    }

    private OpenIdServer Server => world.Server;

    private ScriptedPeer Peer => world.Peer;

    [Fact]
    public async Task The_page_waits_for_nobody_and_has_the_logo_once_it_was_fetched()
    {
        // The first visitor's page is there while the peer still says nothing.
        var answer = new TaskCompletionSource();
        Peer.Script = async (_, stream, cancel) =>
        {
            await answer.Task.WaitAsync(cancel);
            await SendAsync(stream, "200 OK", Png, cancel);
        };
        var flow = await RegisterAsync("logo-client", "/logo.png");
        Assert.Null(LogoOn(await PageAsync(flow)));
        answer.SetResult();
        // The peer is shared: what other tests made the server fetch is passed over.
        var request = await Peer.NextAsync();
        while (request.Path != "/logo.png")
            request = await Peer.NextAsync();
        Assert.Equal(("GET", "/logo.png", "image/png, image/jpeg, image/webp"), (request.Method, request.Path, request.Headers["Accept"]));
        Assert.DoesNotContain(request.Headers, h => h.Key is "Cookie" or "Referer" or "traceparent" or "Authorization");
        var path = await LogoAsync(flow);
        Assert.Equal($"/assets/client-logo.{Convert.ToHexStringLower(SHA256.HashData(Png))}.png", path);

        var served = await Server.Http.GetAsync(path);
        Assert.Equal((HttpStatusCode.OK, "image/png"), (served.StatusCode, served.Content.Headers.ContentType!.ToString()));
        Assert.Equal(Png, await served.Content.ReadAsByteArrayAsync());
        Assert.Equal("nosniff", served.Headers.GetValues("X-Content-Type-Options").Single());
        Assert.Equal("same-origin", served.Headers.GetValues("Cross-Origin-Resource-Policy").Single());
        Assert.Equal("default-src 'none'; frame-ancestors 'none'", served.Headers.GetValues("Content-Security-Policy").Single());
        // More pages are no more requests.
        var asked = Peer.Accepted;
        await PageAsync(flow);
        Assert.Equal(asked, Peer.Accepted);
    }

    [Fact]
    public async Task What_is_no_picture_of_a_bearable_size_is_not_shown()
    {
        var svg = Encoding.ASCII.GetBytes("<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>");
        (string Status, byte[] Body)[] bad =
        [
            ("200 OK", svg), ("200 OK", Encoding.ASCII.GetBytes("<html>")), ("200 OK", Encoding.ASCII.GetBytes("GIF89a")), ("200 OK", []), ("200 OK", Png[..7]),
            ("200 OK", [.. Png, .. new byte[100 * 1024]]), ("200 OK", [.. Png, .. new byte[1024 * 1024]]), ("404 Not Found", Png), ("206 Partial Content", Png), ("302 Found", Png),
        ];
        foreach (var (number, (status, body)) in bad.Index())
        {
            Peer.Script = (_, stream, cancel) => SendAsync(stream, status, body, cancel);
            var flow = await RegisterAsync($"bad-{number}", $"/bad-{number}");
            Assert.Null(LogoOn(await PageAsync(flow)));
            while ((await Peer.NextAsync()).Path != $"/bad-{number}")
                continue;
            // Whatever comes of it, another logo that is asked for afterwards is there: then this one was judged.
            Peer.Script = (_, stream, cancel) => SendAsync(stream, "200 OK", Png, cancel);
            await LogoAsync(await RegisterAsync($"good-{number}", $"/good-{number}"));
            Assert.Null(LogoOn(await PageAsync(flow)));
        }
    }

    [Theory]
    [InlineData("https://[fd00::1]/logo.png")]
    [InlineData("https://169.254.169.254/latest/meta-data")]
    [InlineData("http://localhost/logo.png")]
    [InlineData("https://localhost:1/")]
    [InlineData("file:///etc/passwd")]
    [InlineData("javascript:alert(1)")]
    [Proves("RFC 9700", "4.2.4")]
    public async Task An_address_that_the_server_does_not_connect_to_is_no_logo_and_no_link(string address)
    {
        var id = "unreachable-" + address.Length;
        var flow = await RegisterAsync(id, address, c => c with { Pages = new(address, address, address, address) });
        await PageAsync(flow);
        var html = await PageAsync(flow);
        Assert.Null(LogoOn(html));
        if (!address.StartsWith("https:", StringComparison.Ordinal))
            Assert.DoesNotContain(address, html, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Login_and_consent_say_what_the_client_says_of_itself_in_the_language_of_the_page()
    {
        var flow = await RegisterAsync("talkative", null, c => c with
        {
            Description = "Steers <b>pumps</b>",
            Pages = new("https://client.example/", null, "https://client.example/privacy", "https://client.example/terms"),
            Consent = ConsentRule.Always,
        });
        var user = Server.NewUser();
        var visit = await LoginVisit.ToAsync(Server, user, flow);
        AssertSaid(visit.Html, "Privacy policy", "Terms of service");
        await visit.SendPasswordAsync("alice");
        Assert.True(visit.AsksConsent);
        AssertSaid(visit.Html, "Privacy policy", "Terms of service");
        Assert.Contains("img-src 'self';", visit.Response.Headers.GetValues("Content-Security-Policy").Single(), StringComparison.Ordinal);
        flow.Parameters["ui_locales"] = "de";
        AssertSaid((await LoginVisit.ToAsync(Server, Server.NewUser(), flow)).Html, "Datenschutzerklärung", "Nutzungsbedingungen");
        // A pushed request is the same client's.
        var (_, pushed, _) = await flow.PostAsync("/par", flow.Parameters);
        visit = await new LoginVisit(Server, Server.NewUser()).GetAsync($"/authorize?client_id=talkative&request_uri={Uri.EscapeDataString((string)pushed["request_uri"]!)}");
        AssertSaid(visit.Html, "Datenschutzerklärung", "Nutzungsbedingungen");
    }

    [Theory]
    [InlineData("/assets/client-logo.png")]
    [InlineData("/assets/client-logo.0000000000000000000000000000000000000000000000000000000000000000.png")]
    public async Task A_logo_that_is_not_there_is_not_found_and_not_kept(string path)
    {
        var response = await Server.Http.GetAsync(path);
        Assert.Equal(HttpStatusCode.NotFound, response.StatusCode);
        Assert.True(response.Headers.CacheControl!.NoStore);
    }

    private static void AssertSaid(string html, string policy, string terms)
    {
        Assert.Contains("Steers &lt;b&gt;pumps&lt;/b&gt;", html, StringComparison.Ordinal);
        html = WebUtility.HtmlDecode(html);
        foreach (var (label, path) in ((string, string)[])[("Website", ""), (policy, "privacy"), (terms, "terms")])
            Assert.Contains($"<a href=\"https://client.example/{path}\" target=\"_blank\" rel=\"noopener noreferrer\">{label}</a>", html, StringComparison.Ordinal);
    }

    private async Task<SealFlow> RegisterAsync(string clientId, string? logo, Func<Client, Client>? change = null)
    {
        var model = (await Server.Service<IDirectory>().FindClientAsync("seal-client", CancellationToken.None))! with { ClientId = clientId, Version = 0 };
        model = model with { Pages = new(null, logo is not null && logo.StartsWith('/') ? Peer.Address(logo) : logo, null, null) };
        await Server.AddClientAsync(change is null ? model : change(model));
        return Server.NewFlow(clientId);
    }

    private async Task<string> PageAsync(SealFlow flow) => (await LoginVisit.ToAsync(Server, Server.NewUser(), flow)).Html;

    private static string? LogoOn(string html) => Regex.Match(html, "<img class=\"logo\" src=\"([^\"]*)\"") is { Success: true } match ? match.Groups[1].Value : null;

    private async Task<string> LogoAsync(SealFlow flow)
    {
        string? path = null;
        await Server.Server.WaitForAsync(async () => (path = LogoOn(await PageAsync(flow))) is not null);
        return path!;
    }

    private static async Task SendAsync(Stream stream, string status, byte[] body, CancellationToken cancel)
    {
        await stream.WriteAsync(Encoding.ASCII.GetBytes($"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Type: image/png\r\nLocation: /elsewhere\r\nContent-Length: {body.Length}\r\n\r\n"), cancel);
        await stream.WriteAsync(body, cancel);
    }
}
