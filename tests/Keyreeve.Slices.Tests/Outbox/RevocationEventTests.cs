using System.Buffers.Text;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Keyreeve.Core.Events;
using Keyreeve.Slices.Tests.Admin;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Slices.Tests.Outbox;

/// <summary>A resource server that wants to hear of revocations, and the ways in which it can fail to.</summary>
public sealed class RevocationEventTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    [Fact]
    [Proves("RFC 8935", "2.1")]
    public async Task A_receiver_hears_of_revoked_tokens_grants_users_and_clients_in_that_order()
    {
        await using var peer = new ScriptedPeer();
        await using var server = await StartAsync(("fleet", peer));
        var flow = new SealFlow(server);
        var tokens = await flow.TokensAsync();
        Assert.Equal(HttpStatusCode.OK, (await flow.PostAsync("/revoke", new() { ["token"] = (string)tokens["access_token"]! })).Status);
        var claims = Claims((string)tokens["access_token"]!);
        var one = await ReadAsync(peer, server);
        Assert.Equal((string)claims["jti"]!, (string)one["events"]![SecurityEvent.TokenRevoked]!["jti"]!);

        Assert.Equal(HttpStatusCode.OK, (await flow.PostAsync("/revoke", new() { ["token"] = (string)tokens["refresh_token"]! })).Status);
        Assert.Equal((string)claims["grant_id"]!, (string)(await ReadAsync(peer, server))["events"]![SecurityEvent.TokensRevoked]!["grant_id"]!);

        var admin = new AdminFixtureOf(server);
        var subject = (string)server.User("alice")["sub"]!;
        Assert.Equal(HttpStatusCode.OK, (await admin.PostAsync($"/users/{subject}/disable")).StatusCode);
        var user = await ReadAsync(peer, server);
        Assert.Equal((subject, "iss_sub", subject), ((string)user["events"]![SecurityEvent.TokensRevoked]!["sub"]!, (string)user["sub_id"]!["format"]!, (string)user["sub_id"]!["sub"]!));
        Assert.InRange((long)user["events"]![SecurityEvent.TokensRevoked]!["issued_until"]!, (long)claims["iat"]!, long.MaxValue - 1);

        Assert.Equal(HttpStatusCode.NoContent, (await admin.DeleteAsync("/clients/seal-client")).StatusCode);
        Assert.Equal("seal-client", (string)(await ReadAsync(peer, server))["events"]![SecurityEvent.TokensRevoked]!["client_id"]!);
    }

    [Fact]
    public async Task A_failing_receiver_gets_every_message_again_under_its_identifier_and_in_order()
    {
        await using var peer = new ScriptedPeer();
        var asked = 0;
        peer.Script = (_, stream, cancel) => Interlocked.Increment(ref asked) switch
        {
            1 => ScriptedPeer.AnswerAsync(stream, "500 Internal Server Error", "", "out of order", cancel),
            2 => Task.CompletedTask, // the connection ends without an answer
            3 => ScriptedPeer.AnswerAsync(stream, "302 Found", $"Location: {peer.Address("/elsewhere")}\r\n", "", cancel),
            _ => ScriptedPeer.AnswerAsync(stream, "202 Accepted", "", "", cancel),
        };
        await using var server = await StartAsync(("fleet", peer));
        var admin = new AdminFixtureOf(server);
        foreach (var username in (string[])["alice", "bob"])
            Assert.Equal(HttpStatusCode.OK, (await admin.PostAsync($"/users/{server.User(username)["sub"]}/disable")).StatusCode);
        var seen = new List<(string Id, string Subject, string Path)>();
        while (seen.Select(s => s.Id).Distinct().Count() < 2)
        {
            var request = await peer.NextAsync();
            var set = Claims(request.Text);
            Assert.Equal((string)set["jti"]!, request.Headers["Idempotency-Key"]);
            seen.Add(((string)set["jti"]!, (string)set["sub_id"]!["sub"]!, request.Path));
        }
        Assert.Equal(5, seen.Count);
        Assert.All(seen[..4], s => Assert.Equal((seen[0].Id, (string)server.User("alice")["sub"]!, "/"), s));
        Assert.Equal((string)server.User("bob")["sub"]!, seen[4].Subject);
        await UntilAsync(async () => (await BacklogAsync(admin, "events:fleet")) is { } b ? $"{b["waiting"]} {b["lastOutcome"]}" : null, "0 delivered");
    }

    [Fact]
    public async Task Receivers_that_hang_redirect_or_are_not_trusted_do_not_hold_up_the_others()
    {
        await using var alive = new ScriptedPeer();
        await using var hanging = new ScriptedPeer { Script = (_, _, cancel) => Task.Delay(Timeout.Infinite, cancel) };
        await using var stranger = new ScriptedPeer();
        await using var misnamed = new ScriptedPeer(name: "other.example");
        await using var redirecting = new ScriptedPeer();
        redirecting.Always("308 Permanent Redirect", $"Location: {alive.Address()}\r\n");
        await using var server = await StartAsync([("alive", alive), ("hanging", hanging), ("misnamed", misnamed), ("redirecting", redirecting)], [("stranger", stranger)]);
        var admin = new AdminFixtureOf(server);
        var expected = new List<string>();
        for (var i = 0; i < 5; i++)
            foreach (var username in (string[])["alice", "bob"])
            {
                var subject = (string)server.User(username)["sub"]!;
                Assert.Equal(HttpStatusCode.OK, (await admin.PostAsync($"/users/{subject}/disable")).StatusCode);
                Assert.Equal(HttpStatusCode.OK, (await admin.PostAsync($"/users/{subject}/enable")).StatusCode);
                expected.Add(subject);
            }
        var heard = new List<string>();
        while (heard.Count < expected.Count)
            heard.Add((string)Claims((await alive.NextAsync()).Text)["sub_id"]!["sub"]!);
        Assert.Equal(expected, heard);
        foreach (var (receiver, outcome) in new[] { ("events:misnamed", "TlsFailed"), ("events:stranger", "TlsFailed"), ("events:redirecting", "status 308") })
            await UntilAsync(async () => (string?)(await BacklogAsync(admin, receiver))?["lastOutcome"], outcome);
        Assert.False(stranger.Requests.Reader.TryRead(out _) || misnamed.Requests.Reader.TryRead(out _));
        foreach (var receiver in (string[])["events:hanging", "events:misnamed", "events:stranger", "events:redirecting"])
            Assert.Equal(10, (long)(await BacklogAsync(admin, receiver))!["waiting"]!);
    }

    [Fact]
    [Proves("RFC 8935", "2.4")]
    public async Task A_refused_message_is_given_up_with_an_audit_line_and_one_whose_key_is_unknown_is_not()
    {
        await using var peer = new ScriptedPeer();
        var asked = 0;
        peer.Script = (_, stream, cancel) => Interlocked.Increment(ref asked) switch
        {
            1 => ScriptedPeer.AnswerAsync(stream, "400 Bad Request", "Content-Type: application/json\r\n", """{"err":"invalid_request","description":"<script>"}""", cancel),
            2 => ScriptedPeer.AnswerAsync(stream, "400 Bad Request", "Content-Type: application/json\r\n", """{"err":"invalid_key"}""", cancel),
            _ => ScriptedPeer.AnswerAsync(stream, "202 Accepted", "", "", cancel),
        };
        await using var server = await StartAsync(("fleet", peer));
        var admin = new AdminFixtureOf(server);
        foreach (var username in (string[])["alice", "bob"])
            Assert.Equal(HttpStatusCode.OK, (await admin.PostAsync($"/users/{server.User(username)["sub"]}/disable")).StatusCode);
        var ids = new List<string>();
        for (var i = 0; i < 3; i++)
            ids.Add((string)Claims((await peer.NextAsync()).Text)["jti"]!);
        Assert.NotEqual(ids[0], ids[1]);
        Assert.Equal(ids[1], ids[2]);
        var audit = await AuditAsync(server);
        Assert.Contains($"message {ids[0]}: refused invalid_request", audit, StringComparison.Ordinal);
        Assert.DoesNotContain("script", audit, StringComparison.Ordinal);
        Assert.Single(audit.Split('\n'), line => line.Contains("outbox.refused", StringComparison.Ordinal));
    }

    [Fact]
    public async Task An_operator_sees_what_waits_and_throws_it_away()
    {
        await using var peer = new ScriptedPeer();
        peer.Always("503 Service Unavailable", "Retry-After: 600\r\n");
        await using var server = await StartAsync(("fleet", peer));
        var admin = new AdminFixtureOf(server);
        for (var i = 0; i < 3; i++)
            Assert.Equal(HttpStatusCode.OK, (await admin.PostAsync($"/users/{server.User("alice")["sub"]}/disable")).StatusCode);
        await UntilAsync(async () => (string?)(await BacklogAsync(admin, "events:fleet"))?["lastOutcome"], "status 503");
        var backlog = (await BacklogAsync(admin, "events:fleet"))!;
        Assert.Equal((3, 1, 0), ((long)backlog["waiting"]!, (long)backlog["attempts"]!, (long)backlog["dropped"]!));
        Assert.InRange(DateTimeOffset.Parse((string)backlog["nextAttemptAt"]!, System.Globalization.CultureInfo.InvariantCulture) - server.Time.GetUtcNow(), TimeSpan.FromMinutes(5), TimeSpan.FromMinutes(11));
        Assert.NotNull((string?)backlog["oldestAt"]);
        Assert.DoesNotContain((string)server.User("alice")["sub"]!, backlog.ToJsonString(), StringComparison.Ordinal);

        Assert.Equal(HttpStatusCode.NoContent, (await admin.DeleteAsync("/outbox/events%3Afleet")).StatusCode);
        Assert.Equal(0, (long)(await BacklogAsync(admin, "events:fleet"))!["waiting"]!);
        Assert.Equal(HttpStatusCode.NotFound, (await admin.DeleteAsync("/outbox/events%3Anobody")).StatusCode);
        Assert.Contains("3 messages thrown away", await AuditAsync(server), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_receiver_on_a_private_address_is_not_connected_to_unless_the_network_is_allowed()
    {
        await using var peer = new ScriptedPeer();
        await using var server = await TestServer.StartAsync("Events:Receivers:fleet:Url=" + peer.Address());
        var admin = new AdminFixtureOf(server);
        Assert.Equal(HttpStatusCode.OK, (await admin.PostAsync($"/users/{server.User("alice")["sub"]}/disable")).StatusCode);
        await UntilAsync(async () => (string?)(await BacklogAsync(admin, "events:fleet"))?["lastOutcome"], "AddressRefused");
        Assert.Equal(0, peer.Accepted);
    }

    private static Task<TestServer> StartAsync(params (string Name, ScriptedPeer Peer)[] receivers) => StartAsync(receivers, []);

    /// <summary>A server that trusts the certificates of the first receivers and knows the others too.</summary>
    private static async Task<TestServer> StartAsync((string Name, ScriptedPeer Peer)[] trusted, (string Name, ScriptedPeer Peer)[] others)
    {
        var anchors = Path.GetTempFileName();
        try
        {
            await File.WriteAllTextAsync(anchors, string.Join('\n', trusted.Select(r => r.Peer.Certificate.ExportCertificatePem())));
            return await TestServer.StartAsync([
                "Outbound:AllowedNetworks=127.0.0.0/8 ::1/128", "Outbound:TrustAnchors=" + anchors,
                .. trusted.Concat(others).Select(r => $"Events:Receivers:{r.Name}:Url={r.Peer.Address()}"),
                .. trusted.Select(r => $"Events:Receivers:{r.Name}:Audience=https://{r.Name}.example")]);
        }
        finally
        {
            File.Delete(anchors);
        }
    }

    /// <summary>The next event, checked as a receiver checks it (RFC 8935 section 2.1, RFC 8417 section 2).</summary>
    private static async Task<JsonObject> ReadAsync(ScriptedPeer peer, TestServer server)
    {
        var request = await peer.NextAsync();
        Assert.Equal(("POST", "application/secevent+jwt", "application/json"), (request.Method, request.Headers["Content-Type"], request.Headers["Accept"]));
        var parts = request.Text.Split('.');
        var header = JsonNode.Parse(Base64Url.DecodeFromChars(parts[0]))!;
        Assert.Equal(("secevent+jwt", "ES256"), ((string)header["typ"]!, (string)header["alg"]!));
        using var http = server.NewClient();
        var jwk = JsonNode.Parse(await http.GetStringAsync("/jwks"))!["keys"]!.AsArray().Single(k => (string)k!["kid"]! == (string)header["kid"]!)!;
        using var key = ECDsa.Create(new ECParameters
        {
            Curve = ECCurve.NamedCurves.nistP256,
            Q = new() { X = Base64Url.DecodeFromChars((string)jwk["x"]!), Y = Base64Url.DecodeFromChars((string)jwk["y"]!) },
        });
        Assert.True(key.VerifyData(Encoding.ASCII.GetBytes(parts[0] + "." + parts[1]), Base64Url.DecodeFromChars(parts[2]), HashAlgorithmName.SHA256));
        var set = Claims(request.Text);
        Assert.Equal((server.Issuer, "https://fleet.example"), ((string)set["iss"]!, (string)set["aud"]!));
        Assert.False(set.ContainsKey("exp") || set.ContainsKey("sub"));
        return set;
    }

    private static JsonObject Claims(string jwt) => JsonNode.Parse(Base64Url.DecodeFromChars(jwt.Split('.')[1]))!.AsObject();

    private static async Task<JsonObject?> BacklogAsync(AdminFixtureOf admin, string receiver)
    {
        using var answer = await admin.GetAsync("/outbox");
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        return JsonNode.Parse(await answer.Content.ReadAsStringAsync())!["items"]!.AsArray().FirstOrDefault(i => (string)i!["receiver"]! == receiver)?.AsObject();
    }

    private static async Task<string> AuditAsync(TestServer server)
    {
        var audit = (Keyreeve.Core.Audit.IAuditStore)server.Server.Application.Services.GetService(typeof(Keyreeve.Core.Audit.IAuditStore))!;
        var lines = await audit.ReadAsync("node-1", 0, 100_000, CancellationToken.None);
        return string.Join('\n', lines.Select(l => Encoding.UTF8.GetString(l.Json)));
    }

    private static async Task UntilAsync(Func<Task<string?>> look, string expected)
    {
        var watch = System.Diagnostics.Stopwatch.StartNew();
        string? seen;
        while ((seen = await look()) != expected && watch.Elapsed < Patience)
            await Task.Delay(50);
        Assert.Equal(expected, seen);
    }
}
