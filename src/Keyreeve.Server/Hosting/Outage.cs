namespace Keyreeve.Server.Hosting;

/// <summary>For the log of work that is tried again many times a minute: a failure is told of once, until half a minute passed without one.</summary>
internal sealed class Outage(TimeProvider clock)
{
    private static readonly TimeSpan Over = TimeSpan.FromSeconds(30);

    private long _failedAt;

    /// <summary>It failed just now. True when that is to be told.</summary>
    public bool Begins()
    {
        var now = clock.GetTimestamp();
        var before = Interlocked.Exchange(ref _failedAt, now);
        return before == 0 || clock.GetElapsedTime(before, now) > Over;
    }
}
