using System.Diagnostics;
using Keyreeve.Bench.Sides;

namespace Keyreeve.Bench.Load;

/// <summary>What one run of load has shown.</summary>
/// <param name="Count">Pieces of work, each with the right answers.</param>
/// <param name="PerSecond">Of wall clock.</param>
/// <param name="CpuMicroseconds">CPU time of the server (and its database server) for one, background work included.</param>
/// <param name="DatabaseMicroseconds">The database server's part of it; 0 when the database is inside the process.</param>
/// <param name="P50">Milliseconds.</param>
/// <param name="P99">Milliseconds; closed loop, not corrected for coordinated omission.</param>
/// <param name="ResidentMegabytes">Of the server process after the run.</param>
internal sealed record Sample(long Count, double PerSecond, double CpuMicroseconds, double DatabaseMicroseconds, double P50, double P99, double ResidentMegabytes);

/// <summary>
/// The load: connections that are opened before anything counts, each asking again as soon as it is answered. It runs in this process,
/// whose time is not the server's.
/// </summary>
internal static class LoadRun
{
    private static long s_runs;

    /// <summary>
    /// Must be called before the first socket: sockets then complete on one thread, which makes the load a single event loop. With the
    /// thread pool it would take the machine from what it measures.
    /// </summary>
    public static void UseOneThread()
    {
        foreach (var (name, value) in OneThread)
            Environment.SetEnvironmentVariable(name, value);
    }

    /// <summary>What children must not inherit.</summary>
    public static IReadOnlyList<(string Name, string Value)> OneThread { get; } =
        [("DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS", "1"), ("DOTNET_SYSTEM_NET_SOCKETS_THREAD_COUNT", "1")];

    /// <summary>Runs load for some seconds.</summary>
    /// <exception cref="BenchException">An answer was wrong, or a connection failed.</exception>
    public static async Task<Sample> RunAsync(Side side, Act act, double seconds, int connections)
    {
        var run = Interlocked.Increment(ref s_runs);
        var visitors = Enumerable.Range(0, connections).Select(i => new Visitor(i, connections)).ToList();
        var open = new List<Connection>();
        try
        {
            foreach (var visitor in visitors)
            {
                open.Add(await Connection.OpenAsync(side.Process.Address, side.Process.Roots));
                visitor.Skip(run);
            }
            await side.Process.SettleAsync();
            var (cpu, database) = (side.Process.CpuMicroseconds, side.DatabaseMicroseconds);
            var watch = Stopwatch.StartNew();
            var end = Stopwatch.GetTimestamp() + (long)(seconds * Stopwatch.Frequency);
            var times = await Task.WhenAll(visitors.Select(v => VisitAsync(open[v.Place], v, act, end)));
            var elapsed = watch.Elapsed;
            await side.Process.SettleAsync();
            (cpu, database) = (side.Process.CpuMicroseconds - cpu, side.DatabaseMicroseconds - database);
            var all = times.SelectMany(t => t).Order().ToArray();
            if (all.Length == 0)
                throw new BenchException("no answer came in time");
            return new(all.Length, all.Length / elapsed.TotalSeconds, (cpu + database) / all.Length, database / all.Length,
                Milliseconds(all[all.Length / 2]), Milliseconds(all[(int)(all.Length * 0.99)]), side.Process.ResidentMegabytes);
        }
        finally
        {
            foreach (var connection in open)
                connection.Dispose();
        }
    }

    /// <summary>Does one piece of work, to see that it can be done.</summary>
    public static async Task ProbeAsync(Side side, Act act)
    {
        using var connection = await Connection.OpenAsync(side.Process.Address, side.Process.Roots);
        await act(connection, new Visitor(0, 1));
    }

    private static double Milliseconds(long ticks) => ticks * 1000.0 / Stopwatch.Frequency;

    private static async Task<List<long>> VisitAsync(Connection connection, Visitor visitor, Act act, long end)
    {
        var times = new List<long>(4096);
        for (var start = Stopwatch.GetTimestamp(); start < end;)
        {
            await act(connection, visitor);
            var now = Stopwatch.GetTimestamp();
            times.Add(now - start);
            start = now;
        }
        return times;
    }
}
