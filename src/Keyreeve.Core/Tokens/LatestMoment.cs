namespace Keyreeve.Core.Tokens;

/// <summary>
/// The latest moment at which this node may have issued a token, over clocks that are set back. "Everything issued until now" must
/// reach up to it: what was issued while the clock was ahead carries a time that is still to come.
/// </summary>
/// <param name="atLeast">What an earlier process is known to have seen; Unix seconds.</param>
public sealed class LatestMoment(long atLeast)
{
    private long _seconds = atLeast;

    /// <summary>A token is issued at this moment.</summary>
    public void See(DateTimeOffset now)
    {
        var seconds = now.ToUnixTimeSeconds();
        var known = Interlocked.Read(ref _seconds);
        while (seconds > known && Interlocked.CompareExchange(ref _seconds, seconds, known) is var other && other != known)
            known = other;
    }

    /// <summary>The moment given, or the latest seen when that is later.</summary>
    public DateTimeOffset OrLater(DateTimeOffset now) => DateTimeOffset.FromUnixTimeSeconds(Interlocked.Read(ref _seconds)) is var seen && seen > now ? seen : now;
}
