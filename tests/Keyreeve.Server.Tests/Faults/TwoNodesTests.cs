using System.Net;
using Xunit;

namespace Keyreeve.Server.Tests.Faults;

/// <summary>Two servers on one PostgreSQL, each with a folder of its own, the same KEK and the same issuer.</summary>
public sealed class TwoNodes : IAsyncLifetime
{
    /// <summary>A key request of these tests is accepted or a replay, and never too old, however long a busy machine takes over it.</summary>
    internal static readonly string[] Wide = ["--set", "Seal:WindowSeconds=30"];

    internal PostgresFaultServer A { get; private set; } = null!;

    internal PostgresFaultServer B { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        A = await PostgresFaultServer.MakeAsync();
        await A.StartAsync([.. Wide, "--set", "Node=node-a"]);
        B = A.OtherNode();
        await B.StartAsync([.. Wide, "--set", "Node=node-b"]);
    }

    public async ValueTask DisposeAsync()
    {
        if (B is not null)
            await B.DisposeAsync();
        if (A is not null)
            await A.DisposeAsync();
    }
}

/// <summary>What is good once is good once on all nodes together; what one node takes back, the other refuses.</summary>
public sealed class TwoNodesTests(TwoNodes nodes) : IClassFixture<TwoNodes>, IDisposable
{
    private readonly Peer _a = new(nodes.A.Folder);
    private readonly Peer _b = new(nodes.B.Folder);

    /// <summary>By then what one node revokes is refused on the other.</summary>
    private static readonly TimeSpan Promised = TimeSpan.FromSeconds(1);

    /// <summary>A process that sleeps for a moment and is woken so much later is on a machine that has no time.</summary>
    private static readonly TimeSpan Starved = TimeSpan.FromMilliseconds(200);

    private static int Rounds => FaultSettings.IsLong ? 50 : 6;

    public void Dispose()
    {
        _a.Dispose();
        _b.Dispose();
    }

    [Fact]
    public async Task A_code_that_is_redeemed_on_both_at_once_is_redeemed_once()
    {
        for (var round = 0; round < Rounds; round++)
        {
            var code = await _a.Client.CodeAsync();
            var answers = await Task.WhenAll(_a.Client.RedeemAsync(code), _b.Client.RedeemAsync(code));
            Assert.Single(answers, a => a.Status == HttpStatusCode.OK);
            Assert.Single(answers, a => a.Status == HttpStatusCode.BadRequest);
        }
    }

    [Fact]
    public async Task A_refresh_on_both_at_once_has_one_successor_that_both_give()
    {
        var token = (string)(await _a.Client.SignInAsync())["refresh_token"]!;
        for (var round = 0; round < Rounds; round++)
        {
            var answers = await Task.WhenAll(_a.Client.RefreshAsync(token), _b.Client.RefreshAsync(token));
            var successor = (string)answers[0]["refresh_token"]!;
            Assert.Equal(successor, (string)answers[1]["refresh_token"]!);
            Assert.NotEqual(token, successor);
            token = successor;
        }
    }

    [Fact]
    public async Task A_key_request_that_one_accepted_the_other_refuses_and_of_two_at_once_one_is_accepted()
    {
        var token = (string)(await _a.Client.SignInAsync())["access_token"]!;
        var accepted = _a.Client.KeyRequest(Now() + 1);
        Assert.Equal(HttpStatusCode.OK, (await _a.Client.SendKeyRequestAsync(token, accepted)).Status);
        Assert.Equal(HttpStatusCode.Forbidden, (await _b.Client.SendKeyRequestAsync(token, accepted)).Status);
        for (var round = 0; round < Rounds; round++)
        {
            var request = _a.Client.KeyRequest(Now() + 1);
            var answers = await Task.WhenAll(_a.Client.SendKeyRequestAsync(token, request), _b.Client.SendKeyRequestAsync(token, request));
            Assert.Single(answers, a => a.Status == HttpStatusCode.OK);
            Assert.Single(answers, a => a.Status == HttpStatusCode.Forbidden);
        }
    }

    [Fact]
    public async Task A_client_assertion_that_one_accepted_the_other_refuses()
    {
        using var client = await AssertingClient.RegisterAsync(_a, "two-nodes-machine");
        await SoonAsync("a new client is known", async () => (await client.PostAsync(_b, client.NewAssertion())).Status == HttpStatusCode.OK);
        var assertion = client.NewAssertion();
        Assert.Equal(HttpStatusCode.OK, (await client.PostAsync(_a, assertion)).Status);
        Assert.Equal(HttpStatusCode.Unauthorized, (await client.PostAsync(_b, assertion)).Status);
        for (var round = 0; round < Rounds; round++)
        {
            assertion = client.NewAssertion();
            Assert.Single(await Task.WhenAll(client.PostAsync(_a, assertion), client.PostAsync(_b, assertion)), a => a.Status == HttpStatusCode.OK);
        }
    }

    /// <summary>
    /// The one promise of time that is held everywhere, at both nodes, whichever of them revokes. (On SQLite there is one process, and it is the one that revokes.)
    /// The clock runs from the acknowledgement; what counts is when a request was sent that was answered as before. The node that revoked has no time at all.
    /// The other one has a second of a machine that runs: a round that was late is done again when meanwhile the looking itself was held up for a fifth of a
    /// second, because this process was not let run or an answer, of some milliseconds, took so long. A round that was late on a machine that ran fails.
    /// </summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_token_that_is_revoked_on_either_is_refused_on_both_within_a_second(bool onFirst)
    {
        var (revoker, other) = onFirst ? (_a, _b) : (_b, _a);
        for (int held = 0, starved = 0; held < Rounds;)
        {
            var token = (string)(await revoker.Client.SignInAsync())["access_token"]!;
            foreach (var node in (Peer[])[_a, _b])
            {
                // Both know it, and have it in their caches.
                Assert.True(await node.Client.IsActiveAsync(token));
                await node.Client.GetKeysAsync(token);
            }
            await revoker.Client.RevokeAsync(token);
            var acknowledged = TimeProvider.System.GetTimestamp();
            using var watch = new Starvation();
            var accepted = LastAcceptedAsync(other, token, acknowledged);
            Assert.False(await revoker.Client.IsActiveAsync(token), "the node that revoked it says that it is active");
            Assert.Equal(HttpStatusCode.Unauthorized, (await revoker.Client.AskForKeysAsync(token)).Status);
            var (late, slowest) = await accepted;
            FaultSettings.Say($"the other node took it last {late.TotalMilliseconds:0} ms after the acknowledgement; the slowest answer took {slowest.TotalMilliseconds:0} ms, this process was kept waiting for {watch.Longest.TotalMilliseconds:0} ms");
            if (late >= Promised && (watch.Longest > Starved || slowest > Starved))
            {
                Assert.True(++starved < 20, "the machine never runs for a second without a pause");
                continue;
            }
            Assert.True(late < Promised, $"the other node took it {late.TotalMilliseconds:0} ms after the acknowledgement");
            held++;
        }
    }

    [Fact]
    public async Task A_client_that_is_disabled_on_one_is_refused_on_the_other()
    {
        using var client = await AssertingClient.RegisterAsync(_a, "two-nodes-disabled");
        await SoonAsync("a new client is known", async () => (await client.PostAsync(_b, client.NewAssertion())).Status == HttpStatusCode.OK);
        var (_, document, etag) = await _a.AdminAsync(HttpMethod.Get, "/clients/two-nodes-disabled");
        document["disabled"] = true;
        Assert.Equal(200, (await _a.AdminAsync(HttpMethod.Put, "/clients/two-nodes-disabled", document, etag)).Status);
        await SoonAsync("a disabled client is known", async () => (await client.PostAsync(_b, client.NewAssertion())).Status == HttpStatusCode.Unauthorized);
    }

    [Fact]
    public async Task A_signing_key_that_one_makes_in_an_emergency_verifies_on_the_other()
    {
        var before = (string)(await _a.Client.SignInAsync())["access_token"]!;
        var (_, keys, _) = await _a.AdminAsync(HttpMethod.Get, "/signing-keys");
        var current = keys["items"]!.AsArray().First(k => (string)k!["algorithm"]! == "ES256")!;
        Assert.Equal(204, (await _a.AdminAsync(HttpMethod.Delete, "/signing-keys/" + (string)current["kid"]!)).Status);
        var after = (string)(await _a.Client.SignInAsync())["access_token"]!;
        await SoonAsync("a new signing key is known", () => _b.Client.IsActiveAsync(after));
        Assert.False(await _b.Client.IsActiveAsync(before));
        // And the other way round: the other one signs by a key that this one knows.
        Assert.True(await _a.Client.IsActiveAsync((string)(await _b.Client.SignInAsync())["access_token"]!));
    }

    [Fact]
    public async Task When_one_is_killed_the_other_goes_on_and_the_first_comes_back_under_its_name()
    {
        await using var third = nodes.A.OtherNode();
        await third.StartAsync([.. TwoNodes.Wide, "--set", "Node=node-c"]);
        string token;
        using (var peer = new Peer(third.Folder))
            token = (string)(await peer.Client.SignInAsync())["refresh_token"]!;
        await third.KillAsync();
        var successor = (string)(await _a.Client.RefreshAsync(token))["refresh_token"]!;
        Assert.Equal(successor, (string)(await _b.Client.RefreshAsync(token))["refresh_token"]!);
        await third.StartAsync([.. TwoNodes.Wide, "--set", "Node=node-c"]);
        using (var peer = new Peer(third.Folder))
            Assert.NotNull((await peer.Client.RefreshAsync(successor))["refresh_token"]);
        await nodes.A.ReadAuditAsync([]);
    }

    /// <summary>When the last request was sent that a node answered as if the token were good, introspection or key request; and how long the slowest answer took.</summary>
    private static async Task<(TimeSpan Last, TimeSpan Slowest)> LastAcceptedAsync(Peer node, string token, long since)
    {
        for (var (last, slowest) = (TimeSpan.Zero, TimeSpan.Zero); ;)
        {
            var sent = TimeProvider.System.GetElapsedTime(since);
            Assert.True(sent < TimeSpan.FromSeconds(60), "a revoked token is good for a minute");
            var isActive = await node.Client.IsActiveAsync(token);
            var asked = TimeProvider.System.GetElapsedTime(since);
            var (status, body) = await node.Client.AskForKeysAsync(token);
            var answered = TimeProvider.System.GetElapsedTime(since);
            slowest = new[] { slowest, asked - sent, answered - asked }.Max();
            if (!isActive)
            {
                Assert.True(status == HttpStatusCode.Unauthorized, $"{status}: {body}");
                return (last, slowest);
            }
            Assert.True(status is HttpStatusCode.OK or HttpStatusCode.Unauthorized, $"{status}: {body}");
            last = status == HttpStatusCode.OK ? asked : sent;
        }
    }

    private static long Now() => TimeProvider.System.GetUtcNow().ToUnixTimeSeconds();

    /// <summary>Within a generous deadline; how long it took is held to what is promised where nothing else uses the machine.</summary>
    private static async Task SoonAsync(string what, Func<Task<bool>> holds)
    {
        var took = await UntilAsync(what, holds);
        Assert.True(!FaultSettings.IsLong || took < TimeSpan.FromSeconds(1), $"{what} after {took.TotalMilliseconds:0} ms");
    }

    /// <summary>How long it took, which is said too.</summary>
    private static async Task<TimeSpan> UntilAsync(string what, Func<Task<bool>> holds)
    {
        var since = TimeProvider.System.GetTimestamp();
        while (!await holds())
            Assert.True(TimeProvider.System.GetElapsedTime(since) < TimeSpan.FromSeconds(60), what + ": not within a minute");
        var took = TimeProvider.System.GetElapsedTime(since);
        FaultSettings.Say($"{what} on the other node after {took.TotalMilliseconds:0} ms");
        return took;
    }

    /// <summary>How long this process was kept from running at most, as a timer sees it that has nothing else to do.</summary>
    private sealed class Starvation : IDisposable
    {
        private readonly Thread _thread;
        private volatile bool _ended;
        private long _longest;

        public Starvation()
        {
            _thread = new Thread(Run) { IsBackground = true };
            _thread.Start();
        }

        public TimeSpan Longest => TimeSpan.FromTicks(Interlocked.Read(ref _longest));

        public void Dispose()
        {
            _ended = true;
            _thread.Join();
        }

        private void Run()
        {
            while (!_ended)
            {
                var before = TimeProvider.System.GetTimestamp();
                Thread.Sleep(10);
                var waited = TimeProvider.System.GetElapsedTime(before).Ticks;
                if (waited > Interlocked.Read(ref _longest))
                    Interlocked.Exchange(ref _longest, waited);
            }
        }
    }
}
