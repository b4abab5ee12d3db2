using System.Buffers.Text;
using System.Text.Json.Nodes;
using Dapper;
using Keyreeve.Core.Policy;
using Keyreeve.Core.Tokens;
using Keyreeve.Storage;
using Keyreeve.Testing;
using Npgsql;
using Xunit;

namespace Keyreeve.Server.Tests.Faults;

/// <summary>The background jobs that one node does for all: when it is killed with -9, another one goes on with them.</summary>
public sealed class TakeoverTests : IAsyncLifetime
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    /// <summary>After which a message without an answer is tried again (<c>OutboundSettings.TotalTimeout</c>).</summary>
    private static readonly TimeSpan Attempt = TimeSpan.FromSeconds(10);

    private readonly ScriptedPeer _receiver = new();
    private PostgresFaultServer _a = null!;
    private PostgresFaultServer _b = null!;
    private string[] _events = [];

    public async ValueTask InitializeAsync()
    {
        _a = await PostgresFaultServer.MakeAsync();
        var anchors = _a.Folder.Root + "/anchors.pem";
        await File.WriteAllTextAsync(anchors, _receiver.Certificate.ExportCertificatePem(), TestContext.Current.CancellationToken);
        _events =
        [
            "--set", "Outbound:AllowedNetworks=127.0.0.0/8 ::1/128", "--set", "Outbound:TrustAnchors=" + anchors,
            "--set", "Events:Receivers:fleet:Url=" + _receiver.Address(),
        ];
        await _a.StartAsync(["--set", "Node=node-a", .. _events]);
        // It leads before the other one is there.
        await LedByAsync("outbox", "node-a");
        _b = _a.OtherNode();
        await _b.StartAsync(["--set", "Node=node-b", .. _events]);
    }

    public async ValueTask DisposeAsync()
    {
        if (_b is not null)
            await _b.DisposeAsync();
        if (_a is not null)
            await _a.DisposeAsync();
        await _receiver.DisposeAsync();
    }

    [Fact]
    public async Task Messages_of_both_nodes_are_delivered_in_order_by_the_other_one_when_the_leader_is_killed_in_a_delivery()
    {
        // It has read the message and does not get to say so.
        _receiver.Script = (_, _, cancel) => Task.Delay(Timeout.Infinite, cancel);
        string first;
        var since = TimeProvider.System.GetTimestamp();
        using var b = new Peer(_b.Folder);
        using (var a = new Peer(_a.Folder))
        {
            await a.Client.RevokeAsync((string)(await a.Client.SignInAsync())["access_token"]!);
            first = IdOf(await _receiver.NextAsync());
            await b.Client.RevokeAsync((string)(await b.Client.SignInAsync())["access_token"]!);
            Assert.Equal("keyreeve/node-a", await LeaderAsync("outbox"));
            // One leads: the other one's message waits behind the first, and the first is not sent by both; again only when it had no answer in time.
            while (_receiver.Requests.Reader.TryRead(out var more))
                Assert.True(IdOf(more) == first && TimeProvider.System.GetElapsedTime(since) > Attempt, "the first is sent by both, or the other one's before it");
        }
        await _a.KillAsync();
        // What the killed one may have sent at the last.
        while (_receiver.Requests.Reader.TryRead(out var more))
            Assert.Equal(first, IdOf(more));
        _receiver.Always("202 Accepted");
        Assert.Equal(first, IdOf(await _receiver.NextAsync()));
        var second = IdOf(await _receiver.NextAsync());
        // Once more when it was under way before there was anybody to say 202.
        if (second == first)
            second = IdOf(await _receiver.NextAsync());
        Assert.NotEqual(first, second);
        Assert.Equal("keyreeve/node-b", await LeaderAsync("outbox"));

        // The killed one comes back under its name and follows: what it says now goes out once, by the new leader.
        await _a.StartAsync(["--set", "Node=node-a", .. _events]);
        using var again = new Peer(_a.Folder);
        await again.Client.RevokeAsync((string)(await again.Client.SignInAsync())["access_token"]!);
        Assert.DoesNotContain(IdOf(await _receiver.NextAsync()), (string[])[first, second]);
        Assert.Equal("keyreeve/node-b", await LeaderAsync("outbox"));
        await _b.ReadAuditAsync([]);
    }

    /// <summary>The sweeper looks once a minute, so this takes two: only in the long run.</summary>
    [Fact]
    public async Task Expired_rows_are_swept_by_the_other_one_when_the_leader_is_killed()
    {
        Assert.SkipUnless(FaultSettings.IsLong, "it waits two minutes for two sweeps: make crash");
        await ExpireAsync("before");
        await SweptAsync("before");
        var (leader, other) = await LeaderAsync("sweeping") == "keyreeve/node-a" ? (_a, "node-b") : (_b, "node-a");
        await leader.KillAsync();
        await ExpireAsync("after");
        await SweptAsync("after");
        Assert.Equal("keyreeve/" + other, await LeaderAsync("sweeping"));
    }

    private static string IdOf(PeerRequest request) => (string)JsonNode.Parse(Base64Url.DecodeFromChars(request.Text.Split('.')[1]))!["jti"]!;

    private async Task ExpireAsync(string value)
    {
        var ended = (TimeProvider.System.GetUtcNow() - ClockJumps.Forgiven).ToUnixTimeSeconds() - 60;
        await using var connection = await ConnectAsync();
        await connection.ExecuteAsync("INSERT INTO revocations (kind, value, issued_until, keep_until, changed_in) VALUES (@Kind, @value, @ended, @ended, 0)",
            new { Kind = (long)RevocationKind.JwtId, value, ended });
    }

    private Task SweptAsync(string value) => UntilAsync($"the row '{value}' is swept", async connection =>
        await connection.ExecuteScalarAsync<long>("SELECT count(*) FROM revocations WHERE value = @value", new { value }) == 0);

    private Task LedByAsync(string job, string node) => UntilAsync($"{node} leads {job}", async _ => await LeaderAsync(job) == "keyreeve/" + node);

    /// <summary>Whose connection holds the job's lock, as PostgreSQL sees it.</summary>
    private async Task<string?> LeaderAsync(string job)
    {
        await using var connection = await ConnectAsync();
        return await connection.ExecuteScalarAsync<string?>("""
            SELECT application_name FROM pg_locks JOIN pg_stat_activity USING (pid)
            WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND ((classid::bigint << 32) | objid::bigint) = @Key
            """, new { Key = PostgresLock.Key("public", PostgresLock.Job(job)) });
    }

    private async Task UntilAsync(string what, Func<NpgsqlConnection, Task<bool>> holds)
    {
        var patience = FaultSettings.IsLong ? 3 * Patience : Patience;
        await using var connection = await ConnectAsync();
        for (var since = TimeProvider.System.GetTimestamp(); !await holds(connection); await Task.Delay(50, TestContext.Current.CancellationToken))
            Assert.True(TimeProvider.System.GetElapsedTime(since) < patience, what + ": not in time");
    }

    private async Task<NpgsqlConnection> ConnectAsync()
    {
        var connection = new NpgsqlConnection(_a.ConnectionString + ";Pooling=false");
        await connection.OpenAsync(TestContext.Current.CancellationToken);
        return connection;
    }
}
