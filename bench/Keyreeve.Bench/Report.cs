using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace Keyreeve.Bench;

/// <summary>All rounds of one row, side by side.</summary>
internal sealed record RowResult(Row Row, IReadOnlyList<Sample> Limit, IReadOnlyList<Sample> Ours)
{
    /// <summary>Median over the rounds of limit / ours: both sides of one round saw the same neighbours.</summary>
    public double Ratio => Report.Median(Limit.Zip(Ours, (limit, ours) => limit.CpuMicroseconds / ours.CpuMicroseconds));

    public bool Met => Ratio >= Row.Budget;
}

/// <summary>Resident memory of the server at the end.</summary>
internal sealed record MemoryResult(double Megabytes, long Requests)
{
    public const double Budget = 150;
    public const long RequestsToJudge = 1_000_000;

    /// <summary>Null before a million requests: the budget speaks of that moment.</summary>
    public bool? Met => Requests < RequestsToJudge ? null : Megabytes < Budget;
}

/// <summary>The table and its twin for machines.</summary>
internal static class Report
{
    private const string Columns = "{0,-29}{1,7}{2,8}  {3,-8}{4,9}{5,10}{6,9}{7,9}{8,9}";

    public static string Machine { get; } = string.Create(CultureInfo.InvariantCulture,
        $"{Environment.ProcessorCount} cores, {Cpu()}, {RuntimeInformation.FrameworkDescription}, load before {LoadBefore()}");

    public static void Print(TextWriter to, IReadOnlyList<RowResult> results, MemoryResult memory, BenchOptions options)
    {
        to.WriteLine();
        to.WriteLine(string.Create(CultureInfo.InvariantCulture, $"Medians of {options.Rounds} rounds x {options.Seconds} s, {options.Connections} connections, HTTPS/1.1 keep-alive. ratio = CPU per request, limit / ours."));
        to.WriteLine(Machine);
        to.WriteLine();
        Line(to, "row", "ratio", "budget", "verdict", "CPU us", "req/s", "p50 ms", "p99 ms", "RSS MB");
        foreach (var result in results)
        {
            Line(to, result.Row.Name, Text(result.Ratio, "0.00"), Text(result.Row.Budget, "0.00"), Verdict(result.Met), [.. Figures(result.Ours)]);
            Line(to, "  limit " + result.Row.LimitPath, "", "", "", [.. Figures(result.Limit)]);
        }
        Line(to, "resident memory", "", "< 150", memory.Met is { } met ? Verdict(met) : "-", "", "", "", "", Text(memory.Megabytes, "0"));
        to.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  after {memory.Requests:N0} requests{(memory.Met is null ? "; the budget speaks of 1,000,000: --long" : "")}"));
        to.WriteLine();
    }

    public static void Write(string file, IReadOnlyList<RowResult> results, MemoryResult memory, BenchOptions options) => File.WriteAllText(file, JsonSerializer.Serialize(
        new
        {
            machine = Machine,
            options.Seconds,
            options.Rounds,
            options.Connections,
            rows = results.Select(r => new { r.Row.Name, limitPath = r.Row.LimitPath, r.Ratio, r.Row.Budget, r.Met, limit = r.Limit, ours = r.Ours }),
            memory = new { memory.Megabytes, memory.Requests, budget = MemoryResult.Budget, memory.Met },
        },
        new JsonSerializerOptions(JsonSerializerDefaults.Web) { WriteIndented = true }) + "\n");

    public static double Median(IEnumerable<double> values)
    {
        var sorted = values.Order().ToArray();
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }

    private static IEnumerable<string> Figures(IReadOnlyList<Sample> samples) =>
    [
        Text(Median(samples.Select(s => s.CpuMicroseconds)), "0.0"),
        Text(Median(samples.Select(s => s.PerSecond)), "#,0"),
        Text(Median(samples.Select(s => s.P50)), "0.00"),
        Text(Median(samples.Select(s => s.P99)), "0.0"),
        Text(Median(samples.Select(s => s.ResidentMegabytes)), "0"),
    ];

    private static void Line(TextWriter to, string name, string ratio, string budget, string verdict, params string[] figures) =>
        to.WriteLine(string.Format(CultureInfo.InvariantCulture, Columns, [name, ratio, budget, verdict, .. figures]).TrimEnd());

    private static string Verdict(bool met) => met ? "met" : "MISSED";

    private static string Text(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);

    private static string Cpu() => File.ReadLines("/proc/cpuinfo").FirstOrDefault(l => l.StartsWith("model name", StringComparison.Ordinal))?.Split(':')[1].Trim()
        ?? RuntimeInformation.ProcessArchitecture.ToString();

    private static string LoadBefore() => File.ReadAllText("/proc/loadavg").Split(' ')[0];
}
