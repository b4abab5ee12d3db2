using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Keyreeve.Engines.Outbound;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Tests.Engines.Outbound;

/// <summary>The way out against hostile names and hostile servers. Peers stand on loopback, which is allowed only where a test says so.</summary>
public sealed class OutboundHttpTests
{
    private static readonly IPNetwork[] Loopback = [IPNetwork.Parse("127.0.0.0/8"), IPNetwork.Parse("::1/128")];

    private static CancellationToken None => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_allowed_peer_is_sent_what_was_posted_and_its_answer_is_read()
    {
        await using var peer = new ScriptedPeer();
        peer.Always("202 Accepted", "Content-Type: application/json; charset=utf-8\r\nRetry-After: 7\r\nSet-Cookie: a=b\r\n", "{}");
        using var http = Http(peer);
        for (var i = 0; i < 2; i++)
        {
            var result = await http.PostAsync(peer.Address("/events"), "application/secevent+jwt", "a.b.c"u8.ToArray(), [new("Idempotency-Key", "m1")], None);
            Assert.Null(result.Failure);
            Assert.Equal((202, "application/json", "{}", TimeSpan.FromSeconds(7)),
                (result.Answer!.Status, result.Answer.MediaType, Encoding.UTF8.GetString(result.Answer.Body), result.Answer.RetryAfter));
            var seen = await peer.NextAsync();
            Assert.Equal(("POST", "/events", "a.b.c", "application/secevent+jwt", "m1"), (seen.Method, seen.Path, seen.Text, seen.Headers["Content-Type"], seen.Headers["Idempotency-Key"]));
            Assert.False(seen.Headers.ContainsKey("Cookie"));
            Assert.False(seen.Headers.ContainsKey("traceparent"));
        }
    }

    [Fact]
    public async Task A_peer_on_this_machine_is_not_connected_to_unless_allowed()
    {
        await using var peer = new ScriptedPeer();
        using var http = Http(peer, allowed: []);
        foreach (var address in new[] { peer.Address(), $"https://127.0.0.1:{peer.Port}/", $"https://[::1]:{peer.Port}/", $"https://[::ffff:127.0.0.1]:{peer.Port}/" })
            Assert.Equal(OutboundFailure.AddressRefused, (await http.GetAsync(address, "*/*", None)).Failure);
        Assert.Equal(0, peer.Accepted);
    }

    [Fact]
    public async Task A_name_with_one_private_address_among_public_ones_is_refused()
    {
        await using var peer = new ScriptedPeer();
        using var http = Http(peer, allowed: [], resolve: _ => [IPAddress.Parse("8.8.8.8"), IPAddress.Loopback]);
        Assert.Equal(OutboundFailure.AddressRefused, (await http.GetAsync($"https://two-faced.example:{peer.Port}/", "*/*", None)).Failure);
        Assert.Equal(0, peer.Accepted);
    }

    [Fact]
    public async Task A_name_is_resolved_once_for_a_connection_and_the_checked_address_is_the_one_connected_to()
    {
        await using var peer = new ScriptedPeer(name: "rebinding.example");
        await using var victim = new ScriptedPeer(name: "rebinding.example", address: IPAddress.Parse("127.0.0.2"));
        var asked = 0;
        // The second answer would be the victim; it is never asked for while the first connection is made.
        using var http = Http(peer, [IPNetwork.Parse("127.0.0.1/32")], _ => [Interlocked.Increment(ref asked) == 1 ? IPAddress.Loopback : IPAddress.Parse("127.0.0.2")]);
        Assert.Equal(202, (await http.GetAsync($"https://rebinding.example:{peer.Port}/", "*/*", None)).Answer!.Status);
        Assert.Equal(1, asked);
        // The peer closed the connection: a new one asks again, and the new answer is checked like the first.
        Assert.Equal(OutboundFailure.AddressRefused, (await http.GetAsync($"https://rebinding.example:{peer.Port}/", "*/*", None)).Failure);
        Assert.Equal((2, 1, 0), (asked, peer.Accepted, victim.Accepted));
    }

    [Theory]
    [InlineData("301 Moved Permanently")]
    [InlineData("302 Found")]
    [InlineData("307 Temporary Redirect")]
    [InlineData("308 Permanent Redirect")]
    public async Task A_redirect_is_an_answer_and_not_followed(string status)
    {
        await using var peer = new ScriptedPeer();
        await using var inside = new ScriptedPeer(tls: false);
        peer.Always(status, $"Location: {inside.Address()}\r\n");
        using var http = Http(peer, http: true);
        Assert.Equal(int.Parse(status[..3], System.Globalization.CultureInfo.InvariantCulture), (await http.GetAsync(peer.Address(), "*/*", None)).Answer!.Status);
        Assert.Equal(0, inside.Accepted);
    }

    [Fact]
    public async Task A_body_without_end_is_cut()
    {
        await using var peer = new ScriptedPeer();
        peer.Script = async (_, stream, cancel) =>
        {
            await stream.WriteAsync("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"u8.ToArray(), cancel);
            var chunk = Encoding.ASCII.GetBytes("1000\r\n" + new string('x', 4096) + "\r\n");
            while (true)
                await stream.WriteAsync(chunk, cancel);
        };
        using var http = Http(peer);
        Assert.Equal(OutboundFailure.TooLarge, (await http.GetAsync(peer.Address(), "*/*", None)).Failure);
    }

    [Fact]
    public async Task A_body_that_says_it_is_large_is_not_read()
    {
        await using var peer = new ScriptedPeer();
        peer.Script = async (_, stream, cancel) => await stream.WriteAsync("HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n"u8.ToArray(), cancel);
        using var http = Http(peer);
        Assert.Equal(OutboundFailure.TooLarge, (await http.GetAsync(peer.Address(), "*/*", None)).Failure);
    }

    [Fact]
    public async Task A_body_that_drips_ends_at_the_total_time()
    {
        await using var peer = new ScriptedPeer();
        peer.Script = async (_, stream, cancel) =>
        {
            await stream.WriteAsync("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"u8.ToArray(), cancel);
            while (true)
            {
                await stream.WriteAsync("x"u8.ToArray(), cancel);
                await Task.Delay(20, cancel);
            }
        };
        using var http = Http(peer, total: TimeSpan.FromSeconds(1));
        Assert.Equal(OutboundFailure.TimedOut, (await http.GetAsync(peer.Address(), "*/*", None)).Failure);
    }

    [Fact]
    public async Task A_peer_that_says_nothing_ends_at_the_total_time()
    {
        await using var peer = new ScriptedPeer();
        peer.Script = (_, _, cancel) => Task.Delay(Timeout.Infinite, cancel);
        using var http = Http(peer, total: TimeSpan.FromSeconds(1));
        Assert.Equal(OutboundFailure.TimedOut, (await http.GetAsync(peer.Address(), "*/*", None)).Failure);
    }

    [Fact]
    public async Task A_peer_that_does_not_finish_the_handshake_ends_in_time()
    {
        using var silent = new TcpListener(IPAddress.Loopback, 0);
        silent.Start();
        using var http = new OutboundHttp(new() { AllowedNetworks = Loopback, TotalTimeout = TimeSpan.FromSeconds(1) }, TimeProvider.System);
        Assert.Equal(OutboundFailure.TimedOut, (await http.GetAsync($"https://127.0.0.1:{((IPEndPoint)silent.LocalEndpoint).Port}/", "*/*", None)).Failure);
    }

    [Fact]
    public async Task A_certificate_of_another_name_or_another_root_is_refused()
    {
        await using var named = new ScriptedPeer(name: "other.example");
        using var wrongName = Http(named);
        Assert.Equal(OutboundFailure.TlsFailed, (await wrongName.GetAsync(named.Address(), "*/*", None)).Failure);
        await using var peer = new ScriptedPeer();
        using var wrongRoot = Http(named);
        Assert.Equal(OutboundFailure.TlsFailed, (await wrongRoot.GetAsync(peer.Address(), "*/*", None)).Failure);
        Assert.False(peer.Requests.Reader.TryRead(out _));
    }

    [Fact]
    public async Task Http_goes_to_allowed_networks_and_nowhere_else()
    {
        await using var peer = new ScriptedPeer(tls: false);
        using (var off = Http(peer))
            Assert.Equal(OutboundFailure.TargetRefused, (await off.GetAsync(peer.Address(), "*/*", None)).Failure);
        using (var on = Http(peer, http: true))
            Assert.Equal(202, (await on.GetAsync(peer.Address(), "*/*", None)).Answer!.Status);
        using var elsewhere = Http(peer, http: true, resolve: _ => [IPAddress.Parse("8.8.8.8")]);
        Assert.Equal(OutboundFailure.AddressRefused, (await elsewhere.GetAsync($"http://public.example:{peer.Port}/", "*/*", None)).Failure);
    }

    [Fact]
    public async Task Broken_answers_and_closed_doors_are_failures_and_never_exceptions()
    {
        await using var peer = new ScriptedPeer();
        using var http = Http(peer);
        foreach (var answer in new[] { "", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", "SSH-2.0-x\r\n\r\n", "HTTP/1.1 999999 ?\r\n\r\n" })
        {
            peer.Script = async (_, stream, cancel) => await stream.WriteAsync(Encoding.ASCII.GetBytes(answer), cancel);
            Assert.Equal(OutboundFailure.BrokenAnswer, (await http.GetAsync(peer.Address(), "*/*", None)).Failure);
        }
        peer.Always("200 OK", "X: " + new string('x', 100_000) + "\r\n");
        Assert.NotNull((await http.GetAsync(peer.Address(), "*/*", None)).Failure);
        using var closed = new TcpListener(IPAddress.Loopback, 0);
        closed.Start();
        var port = ((IPEndPoint)closed.LocalEndpoint).Port;
        closed.Stop();
        Assert.Equal(OutboundFailure.ConnectFailed, (await http.GetAsync($"https://127.0.0.1:{port}/", "*/*", None)).Failure);
        using var unknown = Http(peer, resolve: _ => throw new SocketException((int)SocketError.HostNotFound));
        Assert.Equal(OutboundFailure.NameUnknown, (await unknown.GetAsync("https://nowhere.example/", "*/*", None)).Failure);
        using var empty = Http(peer, resolve: _ => []);
        Assert.Equal(OutboundFailure.AddressRefused, (await empty.GetAsync("https://nowhere.example/", "*/*", None)).Failure);
        Assert.Equal(OutboundFailure.TargetRefused, (await http.GetAsync("https://a:b@localhost/", "*/*", None)).Failure);
    }

    [Fact]
    public async Task Who_stops_gets_a_cancellation()
    {
        await using var peer = new ScriptedPeer();
        using var stop = new CancellationTokenSource();
        peer.Script = async (_, _, cancel) =>
        {
            await stop.CancelAsync();
            await Task.Delay(Timeout.Infinite, cancel);
        };
        using var http = Http(peer);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => http.GetAsync(peer.Address(), "*/*", stop.Token));
    }

    private static OutboundHttp Http(ScriptedPeer peer, IPNetwork[]? allowed = null, Func<string, IPAddress[]>? resolve = null, bool http = false, TimeSpan? total = null)
    {
        var settings = new OutboundSettings
        {
            AllowedNetworks = allowed ?? Loopback,
            AllowHttp = http,
            TrustAnchors = [X509CertificateLoader.LoadCertificate(peer.Certificate.RawData)],
            ConnectTimeout = TimeSpan.FromSeconds(30),
            TotalTimeout = total ?? TimeSpan.FromSeconds(60),
        };
        return new(settings, TimeProvider.System, resolve is null ? null : (name, _) => Task.FromResult(resolve(name)));
    }
}
