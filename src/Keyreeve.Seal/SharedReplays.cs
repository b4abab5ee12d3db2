using Keyreeve.Wire.Seal;

namespace Keyreeve.Seal;

/// <summary>The table that nodes share: which requests were accepted by any of them.</summary>
public interface ISeenRequestStore
{
    /// <summary>
    /// Adds requests with their Date/Time; returns those that were new. One whose date belongs to what was forgotten is not new. When
    /// the table has lost what it held, everything dated until <paramref name="lostUntil"/> counts as forgotten.
    /// </summary>
    Task<IReadOnlySet<SeenRequest>> AddAsync(IReadOnlyList<(SeenRequest Request, long DateTime)> requests, long lostUntil, CancellationToken cancel);

    /// <summary>
    /// Forgets requests dated before a moment, but for the newest <paramref name="kept"/> of them; nothing of the dates forgotten is new
    /// again. In transactions of <paramref name="limit"/> rows; returns how many it was.
    /// </summary>
    Task<int> ForgetAsync(long before, int kept, int limit, CancellationToken cancel);
}

/// <summary>
/// The memory of several nodes: a table in their database, which a restart of a node does not lose. Requests that come while a batch
/// is written make up the next one, so that a busy node writes a few times a second, whatever it is asked.
/// </summary>
/// <remarks>The table holds no secret and need not survive a crash of the database: it tells when it was emptied, and what may have been in it is then refused by its date.</remarks>
public sealed class SharedReplays(ISeenRequestStore store, SealSettings settings, TimeProvider clock) : IReplayMemory
{
    /// <summary>Requests in one statement. Our choice.</summary>
    private const int MaxBatch = 512;

    /// <summary>Requests that may wait; more are refused. Our choice: a second of the fastest traffic.</summary>
    private const int MaxWaiting = 20_000;

    /// <summary>Requests kept although their date is over: a clock that is set back brings dates into the window again. Our choice.</summary>
    public const int Kept = 250_000;

    private readonly Lock _gate = new();
    private List<Waiting> _waiting = [];
    private bool _writing;

    /// <inheritdoc />
    public ValueTask<bool> FirstUseAsync(string subject, KmRequest request)
    {
        var one = new Waiting(SeenRequest.Of(subject, request), request.DateTime, new(TaskCreationOptions.RunContinuationsAsynchronously));
        bool first;
        lock (_gate)
        {
            if (_waiting.Count >= MaxWaiting)
                return new(false);
            _waiting.Add(one);
            first = !_writing;
            _writing = true;
        }
        if (first)
            _ = Task.Run(WriteAsync);
        return new(one.Told.Task);
    }

    /// <summary>Forgets what is over by twice the window, but for what a clock set back may need.</summary>
    public Task<int> SweepAsync(int limit, CancellationToken cancel) =>
        store.ForgetAsync(clock.GetUtcNow().ToUnixTimeSeconds() - 2 * (long)settings.Window.TotalSeconds, Kept, limit, cancel);

    private async Task WriteAsync()
    {
        while (Take() is { Count: > 0 } batch)
        {
            try
            {
                var lostUntil = clock.GetUtcNow().ToUnixTimeSeconds() + (long)settings.Window.TotalSeconds;
                var isNew = (await store.AddAsync([.. batch.Select(b => (b.Request, b.DateTime))], lostUntil, CancellationToken.None)).ToHashSet();
                foreach (var one in batch)
                    one.Told.SetResult(isNew.Remove(one.Request)); // of two copies in one batch the first is new
            }
#pragma warning disable CA1031 // Whatever it is, it is told to those who wait, each of which refuses its request.
            catch (Exception e)
            {
                foreach (var one in batch)
                    one.Told.TrySetException(e);
            }
#pragma warning restore CA1031
        }
    }

    private List<Waiting> Take()
    {
        lock (_gate)
        {
            var batch = _waiting.Count <= MaxBatch ? _waiting : _waiting[..MaxBatch];
            _waiting = _waiting.Count <= MaxBatch ? [] : _waiting[MaxBatch..];
            _writing = batch.Count > 0;
            return batch;
        }
    }

    private sealed record Waiting(SeenRequest Request, long DateTime, TaskCompletionSource<bool> Told);
}
