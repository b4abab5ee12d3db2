namespace Keyreeve.Server.Hosting;

/// <summary>For the log of work that is tried again and again: a failure is told of once, until a while passed without one.</summary>
/// <param name="clock">Its timestamps count: a clock that is set ends no outage.</param>
/// <param name="every">How often the work is tried, when that is less than many times a minute.</param>
internal sealed class Outage(TimeProvider clock, TimeSpan every = default)
{
    private static readonly TimeSpan Least = TimeSpan.FromSeconds(30);

    /// <summary>A round may take a while to fail: two that failed in a row are one outage.</summary>
    private readonly TimeSpan _over = Least + 3 * every;

    private long _failedAt;

    /// <summary>It failed just now. True when that is to be told.</summary>
    public bool Begins()
    {
        var now = clock.GetTimestamp();
        var before = Interlocked.Exchange(ref _failedAt, now);
        return before == 0 || clock.GetElapsedTime(before, now) > _over;
    }
}
