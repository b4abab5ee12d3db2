using Keyreeve.Bench.Import;
using Keyreeve.Bench.Load;
using Keyreeve.Bench.Sides;

namespace Keyreeve.Bench;

/// <summary>All rounds of one row on one side.</summary>
internal sealed record Measured(Row Row, Side Side, List<Sample> Samples)
{
    /// <summary>Users, clients and key records there; 0 for those that ours is held against.</summary>
    public int Size => (Side as KeyreeveSide)?.World.Size ?? 0;
}

/// <summary>Resident memory of the server at the end.</summary>
internal sealed record MemoryResult(double Megabytes, long Requests)
{
    public const double Budget = 150;
    public const long RequestsToJudge = 1_000_000;

    /// <summary>Where it goes, by the column RSS MB: printed when the budget is missed.</summary>
    public const string Why = "the runtime has most of it: bare Kestrel with the same collector (limit, RSS MB) has two thirds after the same load";

    /// <summary>Null before a million requests: the budget speaks of that moment.</summary>
    public bool? Met => Requests < RequestsToJudge ? null : Megabytes < Budget;
}

/// <summary>Everything a run has shown.</summary>
/// <param name="All">In the order of rows, then sides.</param>
/// <param name="Memory">Of the first server.</param>
/// <param name="Imports">Bulk import, by engine.</param>
/// <param name="NotRun">What was left out, and why.</param>
/// <param name="Versions">Of what took part.</param>
internal sealed record BenchResult(IReadOnlyList<Measured> All, MemoryResult Memory, IReadOnlyList<ImportResult> Imports, IReadOnlyList<string> NotRun, string Versions);

/// <summary>The order of a run: all processes live side by side, and only one of them has work at a time.</summary>
internal static class Rounds
{
    /// <summary>Pieces of work before anything counts: the runtimes compile a method anew only after it was hot for a while, and the compiler's time is the server's. After 4,000 it was still a tenth of it.</summary>
    private const int WarmUp = 60_000;

    /// <summary>And no more of it than so many times 2 s, on a machine that is too slow for that.</summary>
    private const int WarmUpRuns = 5;

    public static async Task<BenchResult> RunAsync(BenchOptions options, DirectoryInfo folder, TextWriter progress)
    {
        using var sides = await Sides.AllSides.StartAsync(options, folder, progress);
        var all = (from row in options.Chosen() from side in sides.All where side.ActFor(row) is not null select new Measured(row, side, [])).ToList();
        long requests = 0;
        foreach (var measured in all)
        {
            progress.WriteLine($"warming up: {Title(measured)}");
            await LoadRun.ProbeAsync(measured.Side, measured.Side.ActFor(measured.Row)!);
            long warm = 0;
            for (var run = 0; run < WarmUpRuns && warm < WarmUp; run++)
            {
                var sample = await LoadRun.RunAsync(measured.Side, measured.Side.ActFor(measured.Row)!, 2, options.Connections);
                Count(measured, sample);
                warm += sample.Count;
            }
        }
        for (var round = 1; round <= options.Rounds; round++)
        {
            foreach (var row in options.Chosen())
            {
                // Who goes first changes from round to round: whatever drifts meets all.
                var mine = all.Where(m => m.Row == row);
                foreach (var measured in round % 2 == 1 ? mine : mine.Reverse())
                {
                    var sample = await LoadRun.RunAsync(measured.Side, measured.Side.ActFor(row)!, options.Seconds, options.Connections);
                    measured.Samples.Add(sample);
                    Count(measured, sample);
                    progress.WriteLine(FormattableString.Invariant($"round {round}: {Title(measured)}: {sample.CpuMicroseconds:0.0} us, {sample.PerSecond:0}/s"));
                }
            }
        }
        var first = sides.First;
        while (options.Long && options.Chosen().Count > 0 && requests < MemoryResult.RequestsToJudge)
        {
            requests += (await LoadRun.RunAsync(first, first.ActFor(options.Chosen()[0])!, 10, options.Connections)).Count;
            progress.WriteLine(FormattableString.Invariant($"memory: {first.Process.ResidentMegabytes:0} MB after {requests:N0} requests"));
        }
        // Before the import: that is an operator's work, and not what the memory is promised for.
        var memory = new MemoryResult(first.Process.ResidentMegabytes, requests);
        var imports = new List<ImportResult>();
        if (options.Imports)
            foreach (var side in sides.All.OfType<KeyreeveSide>().Where(s => s.World.Size == BenchOptions.SmallSize))
                imports.Add(await ImportRun.RunAsync(side, options, folder, progress));
        if (sides.Reports == 0)
            throw new BenchException("no telemetry came to the collector: the figures would be those of servers without it");
        return new(all, memory, imports, sides.NotRun, sides.Versions);

        void Count(Measured measured, Sample sample) => requests += measured.Side == sides.First ? sample.Count * measured.Row.Requests : 0;
    }

    private static string Title(Measured m) => FormattableString.Invariant($"{m.Row.Name}, {m.Side.Name}{(m.Size > 0 ? $" {m.Size:N0}" : "")}");
}
