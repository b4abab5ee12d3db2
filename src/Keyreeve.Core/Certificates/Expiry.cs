namespace Keyreeve.Core.Certificates;

/// <summary>Something that ends.</summary>
/// <param name="What">What it is, for people.</param>
/// <param name="At">When.</param>
public sealed record Ending(string What, DateTimeOffset At);

/// <summary>When people are warned of an end: at 30, 14, 7 and 1 days, and when it is there. Our choice.</summary>
public static class Expiry
{
    private static readonly int[] Days = [1, 7, 14, 30];

    /// <summary>The first warning comes this long before the end.</summary>
    public static readonly TimeSpan Warned = TimeSpan.FromDays(30);

    /// <summary>The stage that was reached: the fewest of the days that are left at most; 0 when it has ended, null when it is no time to warn.</summary>
    public static int? StageOf(DateTimeOffset end, DateTimeOffset now)
    {
        if (end <= now)
            return 0;
        foreach (var days in Days)
            if (end - now <= TimeSpan.FromDays(days))
                return days;
        return null;
    }
}

/// <summary>Which ends were told of already: each once per stage. Safe for use by several threads.</summary>
public sealed class ExpiryMemory
{
    private readonly Lock _gate = new();
    private Dictionary<string, int> _told = new(StringComparer.Ordinal);

    /// <summary>What has to be told now. What is not among <paramref name="endings"/> any more is forgotten.</summary>
    public IReadOnlyList<(Ending Ending, int Stage)> ToTell(IEnumerable<Ending> endings, DateTimeOffset now)
    {
        lock (_gate)
            return Tell(endings, now);
    }

    private List<(Ending Ending, int Stage)> Tell(IEnumerable<Ending> endings, DateTimeOffset now)
    {
        var (news, told) = (new List<(Ending, int)>(), new Dictionary<string, int>(StringComparer.Ordinal));
        foreach (var ending in endings)
        {
            if (Expiry.StageOf(ending.At, now) is not { } stage)
                continue;
            if (!_told.TryGetValue(ending.What, out var before) || stage < before)
                news.Add((ending, stage));
            told[ending.What] = stage;
        }
        _told = told;
        return news;
    }
}
