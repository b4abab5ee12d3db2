using System.Text;
using System.Threading.Channels;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Refusals;
using Xunit;

namespace Keyreeve.Tests.Core.Audit;

public sealed class AuditQueueTests
{
    private static readonly CancellationToken Stopped = new(canceled: true);

    private readonly TestClock _clock = new(Samples.Now);
    private readonly Border _store = new();
    private readonly AuditQueue _queue;

    public AuditQueueTests() => _queue = new AuditQueue(_clock);

    [Fact]
    public async Task What_waits_is_written_at_stop_in_order()
    {
        for (var i = 0; i < 5000; i++)
            Assert.True(_queue.TryAdd(Entry(i)));
        await _queue.RunAsync(_store, Unexpected, Stopped);
        Assert.Equal(Enumerable.Range(0, 5000).Select(i => (long)i), _store.Written.Select(e => e.At));
        Assert.All(_store.Batches, batch => Assert.InRange(batch, 1, 2000));
        Assert.Equal((5000, null), await WalkAsync());
    }

    [Fact]
    public void A_full_queue_says_so()
    {
        var taken = 0;
        while (taken < 1_000_000 && _queue.TryAdd(Entry(taken)))
            taken++;
        Assert.Equal(50_000, taken);
        Assert.False(_queue.TryAdd(Entry(0)));
    }

    [Fact]
    public async Task Room_comes_back_when_the_store_has_written()
    {
        while (_queue.TryAdd(Entry(0)))
        {
        }
        using var stop = new CancellationTokenSource();
        var running = _queue.RunAsync(_store, Unexpected, stop.Token);
        _clock.Advance(TimeSpan.FromMilliseconds(250));
        while (!_queue.TryAdd(Entry(1)))
            await Task.Yield();
        await stop.CancelAsync();
        await running;
        Assert.Equal(1, _store.Written[^1].At);
    }

    [Fact]
    public async Task After_the_last_look_nothing_is_taken_any_more()
    {
        await _queue.RunAsync(_store, Unexpected, Stopped);
        Assert.False(_queue.TryAdd(Entry(1)));
    }

    [Fact]
    public async Task Refusals_of_strangers_are_counted_per_source_kind_and_reason()
    {
        for (var i = 0; i < 1000; i++)
            _queue.Count("192.0.2.1", "token", RefusalCode.ClientAuthenticationFailed);
        _queue.Count("192.0.2.1", "token", RefusalCode.Malformed);
        _queue.Count("192.0.2.1", "revoke", RefusalCode.Malformed);
        _queue.Count("192.0.2.2", "token", RefusalCode.Malformed);
        _queue.Count(null, "token", RefusalCode.Malformed);
        await _queue.RunAsync(_store, Unexpected, Stopped);
        Assert.Equal(
        [
            "192.0.2.1 revoke 1 x Malformed within a minute",
            "192.0.2.1 token 1 x Malformed within a minute",
            "192.0.2.1 token 1000 x ClientAuthenticationFailed within a minute",
            "192.0.2.2 token 1 x Malformed within a minute",
            "unknown token 1 x Malformed within a minute",
        ], _store.Written.Select(e => $"{e.Source} {e.Kind} {e.Detail}").Order(StringComparer.Ordinal));
        Assert.All(_store.Written, e => Assert.Equal((AuditOutcome.Refused, Samples.Now.ToUnixTimeMilliseconds()), (e.Outcome, e.At)));
    }

    [Fact]
    public async Task A_million_sources_do_not_grow_the_audit_by_a_million_lines()
    {
        for (var i = 0; i < 100_000; i++)
            _queue.Count("source " + i, "token", RefusalCode.Malformed);
        await _queue.RunAsync(_store, Unexpected, Stopped);
        Assert.InRange(_store.Written.Count, 100, 101);
        Assert.Equal(100_000, _store.Written.Sum(e => int.Parse(e.Detail!.Split(' ')[0])));
        Assert.Contains(_store.Written, e => e.Source == "other");
    }

    [Fact]
    public async Task Many_threads_lose_no_count()
    {
        Parallel.For(0, 8, thread =>
        {
            for (var i = 0; i < 10_000; i++)
                _queue.Count("s" + (i + thread) % 3, "token", RefusalCode.Malformed);
        });
        await _queue.RunAsync(_store, Unexpected, Stopped);
        Assert.Equal(80_000, _store.Written.Sum(e => int.Parse(e.Detail!.Split(' ')[0])));
    }

    [Fact]
    public async Task A_batch_that_fails_is_kept_and_tried_again()
    {
        using var stop = new CancellationTokenSource();
        var failures = Channel.CreateUnbounded<Exception>();
        _store.Failing = true;
        _queue.TryAdd(Entry(1));
        var running = _queue.RunAsync(_store, e => Assert.True(failures.Writer.TryWrite(e)), stop.Token);
        _clock.Advance(TimeSpan.FromMilliseconds(250));
        Assert.Equal("the disk is full", (await failures.Reader.ReadAsync(stop.Token)).Message);
        // What could be audited in memory only is not granted.
        Assert.False(_queue.TryAdd(Entry(2)));
        _clock.Advance(TimeSpan.FromMilliseconds(250));
        await failures.Reader.ReadAsync(stop.Token);
        Assert.Empty(_store.Written);

        _store.Failing = false;
        await stop.CancelAsync();
        await running;
        Assert.Equal([1], _store.Written.Select(e => e.At));
    }

    [Fact]
    public async Task What_cannot_be_written_at_stop_is_not_passed_over_in_silence()
    {
        _store.Failing = true;
        _queue.TryAdd(Entry(1));
        await Assert.ThrowsAsync<IOException>(() => _queue.RunAsync(_store, Unexpected, Stopped));
    }

    [Fact]
    public async Task While_the_store_is_away_strangers_cannot_make_the_batch_grow()
    {
        using var stop = new CancellationTokenSource();
        var failures = Channel.CreateUnbounded<Exception>();
        _store.Failing = true;
        var running = _queue.RunAsync(_store, e => Assert.True(failures.Writer.TryWrite(e)), stop.Token);
        for (var minute = 0; minute < 10; minute++)
        {
            for (var source = 0; source < 1500; source++)
                _queue.Count($"source {minute} {source}", "token", RefusalCode.Malformed);
            _clock.Advance(TimeSpan.FromMinutes(1));
            await failures.Reader.ReadAsync(stop.Token);
        }
        Assert.InRange(_store.Largest, 1, 4000);
        _store.Failing = false;
        await stop.CancelAsync();
        await running;
        Assert.Equal(15_000, _store.Written.Sum(e => int.Parse(e.Detail!.Split(' ')[0])));
    }

    [Fact]
    public async Task Counts_are_written_when_their_minute_is_over()
    {
        using var stop = new CancellationTokenSource();
        var running = _queue.RunAsync(_store, Unexpected, stop.Token);
        _queue.Count("192.0.2.1", "token", RefusalCode.Malformed);
        _queue.TryAdd(Entry(1));
        _clock.Advance(TimeSpan.FromSeconds(59));
        Assert.Equal(1, await _store.Appended.ReadAsync(stop.Token));
        Assert.Equal("test", Assert.Single(_store.Written).Kind);
        _clock.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(1, await _store.Appended.ReadAsync(stop.Token));
        Assert.Equal("token", _store.Written[^1].Kind);
        await stop.CancelAsync();
        await running;
        Assert.Equal(2, _store.Written.Count);
    }

    private static AuditEntry Entry(long at) => new() { Kind = "test", Outcome = AuditOutcome.Granted, At = at };

    private static void Unexpected(Exception e) => Assert.Fail(e.ToString());

    private async Task<(long, string?)> WalkAsync()
    {
        var walk = await AuditVerification.WalkAsync(_store.Memory, CancellationToken.None);
        return (walk.Lines, walk.BrokenAt);
    }

    private sealed class Border : IAuditStore
    {
        private readonly Channel<int> _appended = Channel.CreateUnbounded<int>();

        public MemoryAuditStore Memory { get; } = new();

        public List<AuditEntry> Written { get; } = [];

        public List<int> Batches { get; } = [];

        public int Largest { get; private set; }

        public bool Failing { get; set; }

        public ChannelReader<int> Appended => _appended.Reader;

        public async Task AppendAsync(IReadOnlyList<AuditEntry> entries, CancellationToken cancel)
        {
            Largest = Math.Max(Largest, entries.Count);
            if (Failing)
                throw new IOException("the disk is full");
            Written.AddRange(entries);
            Batches.Add(entries.Count);
            await Memory.AppendAsync(entries, cancel);
            await _appended.Writer.WriteAsync(entries.Count, cancel);
        }

        public Task<IReadOnlyList<AuditLine>> ReadAsync(string node, long after, int limit, CancellationToken cancel) => Memory.ReadAsync(node, after, limit, cancel);

        public Task<IReadOnlyList<(string Node, long Sequence, byte[] Hash)>> HeadsAsync(CancellationToken cancel) => Memory.HeadsAsync(cancel);
    }
}
