using System.Collections.Concurrent;

namespace Keyreeve.Core.Limits;

/// <summary>
/// Measures callers against a rate (the "generic cell rate algorithm": one number per caller, the moment at which all it took will be
/// forgotten). Bounded: a caller whose moment is past says nothing and is dropped; when there are too many others, new callers share
/// a fixed number of places, so that a flood of names neither fills the memory nor goes unmeasured.
/// </summary>
public sealed class RateMeter(Rate rate, TimeProvider clock, int capacity = RateMeter.Callers)
{
    /// <summary>Callers measured apart. Our choice: some 10 MB at the worst.</summary>
    public const int Callers = 50_000;

    /// <summary>Places that all further callers share.</summary>
    private const int SharedPlaces = 1024;

    /// <summary>A debt is never longer than this, whatever was charged. Our choice: a machine with an old secret works again soon after it got the new one.</summary>
    private static readonly TimeSpan LongestDebt = TimeSpan.FromMinutes(5);

    private readonly ConcurrentDictionary<string, long> _forgottenAt = new(StringComparer.Ordinal);
    private readonly long[] _shared = new long[SharedPlaces];
    private readonly long _start = clock.GetTimestamp();
    private long _lastSweep;

    /// <summary>Callers remembered now.</summary>
    public int Count => _forgottenAt.Count;

    /// <summary>Takes one, when it is allowed. Otherwise nothing is taken, and <paramref name="wait"/> says when it would be.</summary>
    public bool TryTake(string caller, out TimeSpan wait)
    {
        var now = Now;
        wait = TimeSpan.Zero;
        while (true)
        {
            var known = Read(caller, out var place);
            var start = Math.Max(known, now);
            // "At once" means: what was taken may reach as far ahead of now as the burst lasts.
            var ahead = start - now - (long)((rate.Burst - 1) * rate.Interval.Ticks);
            if (ahead > 0)
            {
                wait = TimeSpan.FromTicks(ahead);
                return false;
            }
            if (Write(caller, place, known, start + rate.Interval.Ticks))
                return true;
        }
    }

    /// <summary>True while the caller has used up what it may; takes nothing.</summary>
    public bool IsSpent(string caller, out TimeSpan wait)
    {
        var ahead = Read(caller, out _) - Now - (long)((rate.Burst - 1) * rate.Interval.Ticks);
        wait = TimeSpan.FromTicks(Math.Max(ahead, 0));
        return ahead > 0;
    }

    /// <summary>Takes one that has happened already, allowed or not.</summary>
    public void Charge(string caller)
    {
        var now = Now;
        while (true)
        {
            var known = Read(caller, out var place);
            var most = now + (long)(rate.Burst * rate.Interval.Ticks) + LongestDebt.Ticks;
            if (Write(caller, place, known, Math.Min(Math.Max(known, now) + rate.Interval.Ticks, most)))
                return;
        }
    }

    // Ticks of 100 ns since this was made: nobody sets this clock.
    private long Now => clock.GetElapsedTime(_start).Ticks;

    private long Read(string caller, out int place)
    {
        place = -1;
        if (_forgottenAt.TryGetValue(caller, out var at))
            return at;
        if (_forgottenAt.Count >= capacity && !Sweep())
        {
            place = (int)((uint)caller.GetHashCode(StringComparison.Ordinal) % SharedPlaces);
            return Volatile.Read(ref _shared[place]);
        }
        return 0;
    }

    private bool Write(string caller, int place, long known, long at)
    {
        if (place >= 0)
            return Interlocked.CompareExchange(ref _shared[place], at, known) == known;
        return known == 0 ? _forgottenAt.TryAdd(caller, at) : _forgottenAt.TryUpdate(caller, at, known);
    }

    /// <summary>Drops callers that say nothing any more, at most once a second; true when there is room.</summary>
    private bool Sweep()
    {
        var (now, last) = (Now, Volatile.Read(ref _lastSweep));
        if (now - last >= TimeSpan.TicksPerSecond && Interlocked.CompareExchange(ref _lastSweep, now, last) == last)
            foreach (var entry in _forgottenAt)
                if (entry.Value <= now)
                    _forgottenAt.TryRemove(entry);
        return _forgottenAt.Count < capacity;
    }
}
