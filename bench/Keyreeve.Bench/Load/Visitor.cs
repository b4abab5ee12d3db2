namespace Keyreeve.Bench.Load;

/// <summary>
/// Who sits at one connection. Each draws evenly from its own part of the numbers 0 to N-1, so that two never rotate one refresh
/// token at the same time; together they touch all of them.
/// </summary>
internal sealed class Visitor(int place, int of)
{
    // xorshift: repeatable from run to run, and cheaper than what it drives.
    private ulong _state = 0x9E3779B97F4A7C15UL * (ulong)(place + 1);

    /// <summary>The place among the visitors.</summary>
    public int Place => place;

    /// <summary>A number of this visitor's part.</summary>
    public int Draw(int size)
    {
        _state ^= _state << 13;
        _state ^= _state >> 7;
        _state ^= _state << 17;
        var mine = (size - place + of - 1) / of;
        return (int)((_state >> 16) % (ulong)Math.Max(1, mine)) * of + place;
    }

    /// <summary>Other numbers in the next run.</summary>
    public void Skip(long run) => _state += (ulong)run * 0xBF58476D1CE4E5B9UL;
}

/// <summary>One piece of work of a row: one request, or all requests of a flow.</summary>
/// <exception cref="BenchException">The answer is not the right one: a run with errors measures nothing.</exception>
internal delegate ValueTask Act(Connection connection, Visitor visitor);
