using Keyreeve.Storage;

namespace Keyreeve.Server.Sweeping;

/// <summary>
/// How fast a sweep goes. Pure: each batch says how many rows the next one has and how long to wait before it. A batch is as large as
/// others can bear to wait for, and the writer is the sweep's for a tenth of the time at most, measured by the sweep's own batches:
/// on a fast disk ten million rows go in about a quarter of an hour, on a slow or busy one the sweep steps back by itself.
/// </summary>
/// <param name="Rows">Of the next batch.</param>
/// <param name="Wait">Before it.</param>
public readonly record struct SweepPace(int Rows, TimeSpan Wait)
{
    /// <summary>A batch's statement takes about so long. Our choice: a request that writes waits for one batch at most; with 5 ms the slowest 1 % of token requests took up to 2.1 times as long, measured.</summary>
    public static readonly TimeSpan Target = TimeSpan.FromMilliseconds(3);

    /// <summary>Rows of a batch at least: below it the commit is all that a batch costs.</summary>
    public const int MinRows = 20;

    /// <summary>Rows of a batch at most.</summary>
    public const int MaxRows = 5000;

    /// <summary>Waiting times as long as the work: 9 is a tenth of the time. With a quarter, 1 % of token requests took four times as long, measured.</summary>
    private const int Rest = 9;

    /// <summary>A stalled disk is not answered by stopping for minutes.</summary>
    private static readonly TimeSpan MaxWait = TimeSpan.FromSeconds(2);

    /// <summary>The first batch.</summary>
    public static SweepPace Start { get; } = new(200, TimeSpan.Zero);

    /// <summary>The next batch after one: at most twice and at least half as large, so that one odd measurement does not decide.</summary>
    public SweepPace After(SweepStep step)
    {
        var wanted = step.Working > TimeSpan.Zero ? Rows * (Target / step.Working) : Rows * 2;
        var rows = (int)Math.Clamp(Math.Clamp(wanted, Rows / 2.0, Rows * 2.0), MinRows, MaxRows);
        var wait = step.Busy * Rest;
        return new(rows, wait < MaxWait ? wait : MaxWait);
    }
}
