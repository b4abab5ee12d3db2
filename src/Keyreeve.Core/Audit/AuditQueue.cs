using System.Collections.Concurrent;
using System.Threading.Channels;
using Keyreeve.Core.Refusals;
using Keyreeve.Core.Telemetry;

namespace Keyreeve.Core.Audit;

/// <summary>
/// What is audited without a state change of its own: grants and refusals wait here, a quarter of a second while the store keeps up, and are written in batches.
/// Refusals of peers who proved nothing are counted per source and minute, so that junk cannot fill the disk.
/// </summary>
public sealed class AuditQueue(TimeProvider clock)
{
    /// <summary>Entries waiting at most. Our choice: a second of the fastest traffic we measured.</summary>
    private const int Capacity = 50_000;

    /// <summary>Entries written in one transaction. Our choice.</summary>
    private const int BatchSize = 2000;

    /// <summary>Sources counted apart in one minute; the rest is counted as "other".</summary>
    private const int MaxSources = 100;

    private readonly Channel<AuditEntry> _waiting = Channel.CreateBounded<AuditEntry>(new BoundedChannelOptions(Capacity)
    {
        FullMode = BoundedChannelFullMode.Wait,
        SingleReader = true,
    });

    private ConcurrentDictionary<(string Source, string Kind, RefusalCode Code, string? Reason), int> _counts = new();

    /// <summary>How long an entry may wait for the store at most; then nothing more is granted. Our choice: a busy disk passes, a hanging one does not.</summary>
    private static readonly TimeSpan MaxLag = TimeSpan.FromSeconds(5);

    private volatile bool _failing;

    /// <summary>When everything that had been queued was written, by the clock that is never set; 0 until the writing begins.</summary>
    private long _writtenUntil;

    /// <summary>Queues an entry. False when the queue is full or the store does not take entries, or not in time: then the caller refuses the request, because what is not audited is not done.</summary>
    public bool TryAdd(AuditEntry entry)
    {
        if (IsWritten && _waiting.Writer.TryWrite(entry))
            return true;
        CoreTelemetry.AuditRefused();
        return false;
    }

    /// <summary>The store takes entries, and in time. While it does not, nothing is granted that would have to be audited.</summary>
    public bool IsWritten => !_failing && !IsLate;

    /// <summary>Entries that wait to be written.</summary>
    public int Waiting => _waiting.Reader.Count;

    private bool IsLate => Interlocked.Read(ref _writtenUntil) is var since and not 0 && clock.GetElapsedTime(since) > MaxLag;

    /// <summary>Counts a refusal of a peer who proved nothing; a reason is counted apart while there is room.</summary>
    public void Count(string? source, string kind, RefusalCode code, string? reason = null)
    {
        var counts = Volatile.Read(ref _counts);
        var key = counts.Count < MaxSources ? (source ?? "unknown", kind, code, reason) : ("other", kind, code, null);
        counts.AddOrUpdate(key, 1, static (_, n) => n + 1);
    }

    /// <summary>Writes what waits, until cancelled; then writes the rest.</summary>
    public async Task RunAsync(IAuditStore store, Action<Exception> failed, CancellationToken cancel)
    {
        var batch = new List<AuditEntry>();
        var attempts = new AuditAttempts();
        var minute = clock.GetTimestamp();
        using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(250), clock);
        while (true)
        {
            var more = true;
            try
            {
                more = await tick.WaitForNextTickAsync(cancel);
            }
            catch (OperationCanceledException)
            {
                more = false;
            }
            // While the store is away the counts go on where they are, in their bounded table, instead of making the batch longer every minute.
            if (!more || batch.Count < BatchSize && clock.GetElapsedTime(minute) >= TimeSpan.FromMinutes(1))
            {
                minute = clock.GetTimestamp();
                batch.AddRange(TakeCounts());
            }
            // What comes after the last look would never be written: it is refused.
            if (!more)
                _waiting.Writer.TryComplete();
            do
            {
                while (batch.Count < BatchSize && _waiting.Reader.TryRead(out var entry))
                    batch.Add(entry);
                if (batch.Count == 0)
                {
                    Interlocked.Exchange(ref _writtenUntil, clock.GetTimestamp());
                    break;
                }
                try
                {
                    await store.AppendOnceAsync(batch, attempts, CancellationToken.None);
                    batch.Clear();
                    _failing = false;
                }
                catch (Exception e) when (more)
                {
                    // The batch is kept and tried again; until that works nothing more is granted that could only be audited in memory.
                    _failing = true;
                    failed(e);
                    break;
                }
            }
            while (true);
            if (!more)
                return;
        }
    }

    private List<AuditEntry> TakeCounts()
    {
        var counts = Interlocked.Exchange(ref _counts, new());
        var now = clock.GetUtcNow().ToUnixTimeMilliseconds();
        return [.. counts.Select(c => new AuditEntry
        {
            Kind = c.Key.Kind,
            Outcome = AuditOutcome.Refused,
            At = now,
            Source = c.Key.Source,
            Detail = $"{c.Value} x {c.Key.Code} within a minute" + (c.Key.Reason is { } reason ? ": " + reason : ""),
        })];
    }
}
