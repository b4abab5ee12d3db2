using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;
using Keyreeve.Bench.Import;
using Keyreeve.Bench.Load;

namespace Keyreeve.Bench;

/// <summary>The tables and their twin for machines.</summary>
internal static class Report
{
    private const string Columns = "{0,-22}{1,-14}{2,10}{3,7}{4,8}  {5,-7}{6,9}{7,10}{8,9}{9,8}{10,8}{11,8}";

    /// <summary>Growth: from the small store to the large one nothing may cost more than this much more.</summary>
    private const double GrowthBudget = 1.2;

    private static readonly double LoadAtStart = double.Parse(File.ReadAllText("/proc/loadavg").Split(' ')[0], CultureInfo.InvariantCulture);

    public static string Machine { get; } = string.Create(CultureInfo.InvariantCulture,
        $"{Environment.ProcessorCount} cores, {Cpu()}, {RuntimeInformation.FrameworkDescription}, load before {LoadAtStart:0.00}");

    /// <summary>Prints; true when a budget is missed.</summary>
    public static bool Print(TextWriter to, BenchResult result, BenchOptions options)
    {
        to.WriteLine();
        to.WriteLine(string.Create(CultureInfo.InvariantCulture, $"Medians of {options.Rounds} rounds x {options.Seconds} s, {options.Connections} connections, HTTPS/1.1 keep-alive, telemetry on (OTLP metrics, 1 request in 100 traced; oidc-provider has none)."));
        to.WriteLine("ratio = CPU time for one, the other side's / ours, in the same round. Not a budget: req/s, p50, p99 (they are the machine's).");
        to.WriteLine($"{Machine}, {result.Versions}");
        if (LoadAtStart > Environment.ProcessorCount)
            to.WriteLine("OTHERS USE THIS MACHINE: more ran before the benchmark than it has cores. Costs are inflated and budgets are not to be judged by this run.");
        to.WriteLine();
        var causes = new List<string>();
        Line(to, "row", "side", "store", "ratio", "budget", "verdict", "CPU us", "of it DB", "per s", "p50 ms", "p99 ms", "RSS MB");
        foreach (var m in result.All)
        {
            if (m.Size == 0)
            {
                Line(to, m.Row.Name, m.Side.Name, "", "", "", "", [.. Figures(m.Samples)]);
                continue;
            }
            var (ratio, met) = RatioOf(result, m);
            Line(to, m.Row.Name, m.Side.Name, Text(m.Size, "#,0"), ratio is { } r ? Text(r, "0.00") : "-",
                m.Row.BudgetSpeaksOf(m.Side.Name) ? Text(m.Row.Budget, "0.00") : "-", Verdict(met), [.. Figures(m.Samples)]);
            if (met == false)
                causes.Add($"{m.Row.Name}, {m.Side.Name} {Text(m.Size, "#,0")}: {m.Row.WhyOn(m.Side.Name)}{(m.Size > BenchOptions.SmallSize ? "; " + m.Row.WhyGrowth : "")}");
        }
        PrintGrowth(to, result, causes);
        PrintImports(to, result, causes);
        to.WriteLine();
        to.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"resident memory {result.Memory.Megabytes:0} MB after {result.Memory.Requests:N0} requests; budget < {MemoryResult.Budget:0} MB after {MemoryResult.RequestsToJudge:N0}: {(result.Memory.Met is { } m2 ? Verdict(m2) : "not judged, run with --long")}"));
        if (result.Memory.Met == false)
            causes.Add("resident memory: " + MemoryResult.Why);
        foreach (var cause in causes.Distinct(StringComparer.Ordinal))
            to.WriteLine("missed: " + cause);
        foreach (var line in result.NotRun)
            to.WriteLine("not run: " + line);
        to.WriteLine();
        return causes.Count > 0;
    }

    public static void Write(string file, BenchResult result, BenchOptions options) => File.WriteAllText(file, JsonSerializer.Serialize(
        new
        {
            machine = Machine,
            versions = result.Versions,
            options.Seconds,
            options.Rounds,
            options.Connections,
            rows = result.All.Select(m => new
            {
                m.Row.Name,
                side = m.Side.Name,
                m.Size,
                ratio = RatioOf(result, m).Ratio,
                budget = m.Size > 0 && m.Row.BudgetSpeaksOf(m.Side.Name) ? m.Row.Budget : (double?)null,
                met = RatioOf(result, m).Met,
                growth = GrowthOf(result, m),
                rounds = m.Samples,
            }),
            imports = result.Imports.Select(i => new { i.Engine, i.Records, i.Ratio, budget = ImportResult.Budget, rounds = i.Samples }),
            memory = new { result.Memory.Megabytes, result.Memory.Requests, budget = MemoryResult.Budget, result.Memory.Met },
            notRun = result.NotRun,
        },
        new JsonSerializerOptions(JsonSerializerDefaults.Web) { WriteIndented = true }) + "\n");

    public static double Median(IEnumerable<double> values)
    {
        var sorted = values.Order().ToArray();
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }

    /// <summary>Median over the rounds of theirs / ours: all sides of one round saw the same neighbours. Null when the other side did not run.</summary>
    private static (double? Ratio, bool? Met) RatioOf(BenchResult result, Measured ours)
    {
        if (ours.Size == 0 || result.All.FirstOrDefault(m => m.Row == ours.Row && m.Side.Name == ours.Row.Against) is not { } theirs)
            return (null, null);
        var ratio = Median(theirs.Samples.Zip(ours.Samples, (a, b) => a.CpuMicroseconds / b.CpuMicroseconds));
        return (ratio, ours.Row.BudgetSpeaksOf(ours.Side.Name) ? ratio >= ours.Row.Budget : null);
    }

    /// <summary>Cost in the large store / cost in the small one, of the same engine; null where there is nothing to compare.</summary>
    private static double? GrowthOf(BenchResult result, Measured large) =>
        large.Size > BenchOptions.SmallSize && Small(result, large) is { } small
            ? Median(large.Samples.Zip(small.Samples, (a, b) => a.CpuMicroseconds / b.CpuMicroseconds))
            : null;

    private static Measured? Small(BenchResult result, Measured large) =>
        result.All.FirstOrDefault(m => m.Row == large.Row && m.Side.Name == large.Side.Name && m.Size == BenchOptions.SmallSize);

    private static void PrintGrowth(TextWriter to, BenchResult result, List<string> causes)
    {
        const string columns = "{0,-22}{1,-14}{2,8}{3,8}{4,8}  {5,-7}{6,19}{7,18}{8,18}{9,13}";
        var grown = result.All.Where(m => GrowthOf(result, m) is not null).ToList();
        if (grown.Count == 0)
            return;
        to.WriteLine();
        to.WriteLine(string.Create(CultureInfo.InvariantCulture, $"Growth: {BenchOptions.SmallSize:N0} -> {grown[0].Size:N0} users, clients, sessions, grants and key records, each drawn at random."));
        to.WriteLine(string.Format(CultureInfo.InvariantCulture, columns, "row", "side", "", "growth", "budget", "verdict", "CPU us", "p50 ms", "p99 ms", "RSS MB"));
        foreach (var large in grown)
        {
            var (small, growth) = (Small(result, large)!, GrowthOf(result, large)!.Value);
            if (growth > GrowthBudget)
                causes.Add($"growth of {large.Row.Name}, {large.Side.Name}: {large.Row.WhyGrowth}");
            to.WriteLine(string.Format(CultureInfo.InvariantCulture, columns, large.Row.Name, large.Side.Name, "", Text(growth, "0.00"), Text(GrowthBudget, "0.00"),
                Verdict(growth <= GrowthBudget), Pair(s => s.CpuMicroseconds, "0.0"), Pair(s => s.P50, "0.00"), Pair(s => s.P99, "0.0"), Pair(s => s.ResidentMegabytes, "0")));

            string Pair(Func<Sample, double> figure, string format) => Text(Median(small.Samples.Select(figure)), format) + " -> " + Text(Median(large.Samples.Select(figure)), format);
        }
    }

    private static void PrintImports(TextWriter to, BenchResult result, List<string> causes)
    {
        const string columns = "{0,-22}{1,-14}{2,10}{3,7}{4,8}  {5,-7}{6,9}{7,10}{8,14}";
        if (result.Imports.Count == 0)
            return;
        to.WriteLine();
        to.WriteLine("Bulk import: keyreeve admin key import, from start to end / the same rows by a prepared INSERT (SQLite) or COPY (PostgreSQL), in the same round, by the clock.");
        to.WriteLine(string.Format(CultureInfo.InvariantCulture, columns, "row", "side", "records", "ratio", "budget", "verdict", "CPU us", "per s", "bare per s"));
        foreach (var import in result.Imports)
        {
            var met = import.Ratio >= ImportResult.Budget;
            if (!met)
                causes.Add($"{ImportRun.Name}, {import.Engine}: the server and the database work in turns on two cores that the command uses too: each record is parsed, looked up and sealed by a key of its own, in batches that are committed each");
            to.WriteLine(string.Format(CultureInfo.InvariantCulture, columns, ImportRun.Name, import.Engine, Text(import.Records, "#,0"), Text(import.Ratio, "0.00"), Text(ImportResult.Budget, "0.00"), Verdict(met),
                Text(Median(import.Samples.Select(s => s.ServerCpuMicroseconds)), "0.0"), Text(Median(import.Samples.Select(s => import.Records / s.Seconds)), "#,0"),
                Text(Median(import.Samples.Select(s => import.Records / s.BareSeconds)), "#,0")));
        }
    }

    private static IEnumerable<string> Figures(IReadOnlyList<Sample> samples) =>
    [
        Text(Median(samples.Select(s => s.CpuMicroseconds)), "0.0"),
        Median(samples.Select(s => s.DatabaseMicroseconds)) is > 0 and var database ? Text(database, "0.0") : "",
        Text(Median(samples.Select(s => s.PerSecond)), "#,0"),
        Text(Median(samples.Select(s => s.P50)), "0.00"),
        Text(Median(samples.Select(s => s.P99)), "0.0"),
        Text(Median(samples.Select(s => s.ResidentMegabytes)), "0"),
    ];

    private static void Line(TextWriter to, string row, string side, string store, string ratio, string budget, string verdict, params string[] figures) =>
        to.WriteLine(string.Format(CultureInfo.InvariantCulture, Columns, [row, side, store, ratio, budget, verdict, .. figures]).TrimEnd());

    private static string Verdict(bool? met) => met switch { true => "met", false => "MISSED", null => "-" };

    private static string Text(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);

    private static string Cpu() => File.ReadLines("/proc/cpuinfo").FirstOrDefault(l => l.StartsWith("model name", StringComparison.Ordinal))?.Split(':')[1].Trim()
        ?? RuntimeInformation.ProcessArchitecture.ToString();
}
