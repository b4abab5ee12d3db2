using Keyreeve.Wire.Seal;

namespace Keyreeve.Seal;

/// <summary>The last moment at which an earlier process on this store may have accepted a request; 0 when there was none. Unix seconds.</summary>
public sealed record PreviousLife(long LastSeen);

/// <summary>
/// The memory of one node: accepted requests by their Date/Time. What the process before this one may have accepted is refused by its
/// date, so that a restart opens no gap; so is what had to be forgotten, which keeps within bounds.
/// </summary>
/// <remarks>
/// A date is forgotten when it is outside the window <em>and</em> room is needed, not when it is outside the window alone: a clock that
/// jumps ahead and back, or back and lives an hour twice, brings old dates into the window again.
/// </remarks>
public sealed class ReplayMemory(SealSettings settings, PreviousLife previous, TimeProvider clock) : IReplayMemory
{
    /// <summary>Requests remembered at once; more are refused rather than forgotten. Our choice: 40,000 a second at a window of 5 s, in about 20 MB.</summary>
    private const int Capacity = 500_000;

    /// <summary>Requests kept although their date is over. Our choice: an hour at 70 a second, in about 10 MB.</summary>
    private const int Kept = 250_000;

    private readonly Lock _gate = new();
    private readonly SortedDictionary<long, HashSet<SeenRequest>> _byDate = [];
    private long _refusedUntil = previous.LastSeen == 0 ? 0 : previous.LastSeen + (long)settings.Window.TotalSeconds;
    private int _count;

    /// <inheritdoc />
    public ValueTask<bool> FirstUseAsync(string subject, KmRequest request) => new(FirstUse(subject, request));

    /// <summary>True exactly once for a request.</summary>
    public bool FirstUse(string subject, KmRequest request)
    {
        var seen = SeenRequest.Of(subject, request);
        lock (_gate)
        {
            if (request.DateTime <= _refusedUntil)
                return false;
            if (!_byDate.TryGetValue(request.DateTime, out var ofDate))
            {
                ForgetNeedsLock(Kept);
                _byDate.Add(request.DateTime, ofDate = []);
            }
            if (_count >= Capacity)
                ForgetNeedsLock(Capacity - 1);
            if (_count >= Capacity || !ofDate.Add(seen))
                return false;
            _count++;
            return true;
        }
    }

    /// <summary>Forgets the oldest dates that could not pass now, until so many requests are left; nothing of these dates is accepted again.</summary>
    private void ForgetNeedsLock(int left)
    {
        var passesFrom = clock.GetUtcNow().ToUnixTimeSeconds() - (long)settings.Window.TotalSeconds;
        while (_count > left && _byDate.First() is var (date, requests) && date < passesFrom)
        {
            _byDate.Remove(date);
            _count -= requests.Count;
            _refusedUntil = Math.Max(_refusedUntil, date);
        }
    }
}
