using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Keyreeve.Bench.Sides;

namespace Keyreeve.Bench.Import;

/// <summary>One round: the same records by the product, and their rows by what an engine takes rows fastest with.</summary>
/// <param name="Seconds">The command <c>keyreeve admin key import</c>, from its start to its end.</param>
/// <param name="ServerCpuMicroseconds">Of the server, for one record.</param>
/// <param name="BareSeconds">The same rows into empty tables: a prepared INSERT on SQLite, COPY on PostgreSQL; committed and fsynced.</param>
internal sealed record ImportSample(double Seconds, double ServerCpuMicroseconds, double BareSeconds);

/// <summary>All rounds of an engine.</summary>
/// <param name="Engine">Its name.</param>
/// <param name="Records">Of one round.</param>
/// <param name="Samples">The rounds.</param>
internal sealed record ImportResult(string Engine, int Records, IReadOnlyList<ImportSample> Samples)
{
    /// <summary>Rate of the import / rate of the bare writing, at least.</summary>
    public const double Budget = 0.3;

    /// <summary>Median over the rounds of the ratio inside a round.</summary>
    public double Ratio => Report.Median(Samples.Select(s => s.BareSeconds / s.Seconds));
}

/// <summary>The row "bulk import": the wall clock decides, because an operator waits.</summary>
internal static class ImportRun
{
    /// <summary>As <c>--rows</c> knows it.</summary>
    public const string Name = "bulk import";

    public static async Task<ImportResult> RunAsync(KeyreeveSide side, BenchOptions options, DirectoryInfo folder, TextWriter progress)
    {
        var samples = new List<ImportSample>();
        // The first one is for the compilers of both sides and is thrown away.
        for (var round = 0; round <= options.Rounds; round++)
        {
            var service = string.Create(CultureInfo.InvariantCulture, $"import-{round}");
            await AdminAsync(side.Process.Folder, "service", "add", service, "--name", service, "--audience", "https://val.example/" + service);
            var file = WriteLines(folder, $"{side.Name}-{service}.ndjson", service, options.Import);
            var cpu = side.Process.CpuMicroseconds + side.DatabaseMicroseconds;
            var watch = Stopwatch.StartNew();
            await AdminAsync(side.Process.Folder, "key", "import", file);
            var seconds = watch.Elapsed.TotalSeconds;
            await side.Process.SettleAsync();
            var each = (side.Process.CpuMicroseconds + side.DatabaseMicroseconds - cpu) / options.Import;
            var bare = double.Parse(await SayAsync([Built.Dll("bench/Keyreeve.Bench", "Keyreeve.Bench.dll"), BareImport.Verb, service, FormattableString.Invariant($"{options.Import}"), side.Store, await side.NewStoreAsync(service + "-first"), await side.NewStoreAsync(service)]),
                CultureInfo.InvariantCulture);
            progress.WriteLine(FormattableString.Invariant($"{Name}, {side.Name}: {options.Import:N0} records in {seconds:0.00} s, {each:0.0} us of CPU each; bare {bare:0.00} s"));
            if (round > 0)
                samples.Add(new(seconds, each, bare));
        }
        return new(side.Name, options.Import, samples);
    }

    private static string WriteLines(DirectoryInfo folder, string name, string service, int records)
    {
        var path = Path.Combine(folder.FullName, name);
        using var lines = new StreamWriter(path, append: false, new UTF8Encoding(false), 1 << 20);
        for (var i = 0; i < records; i++)
            lines.Write(string.Create(CultureInfo.InvariantCulture, $"{{\"serviceId\":\"{service}\",\"userId\":\"sip:user-{i:0000000000}@val.example\",\"payload\":\"{Convert.ToBase64String(RandomNumberGenerator.GetBytes(48))}\"}}\n"));
        return path;
    }

    private static Task AdminAsync(string data, params string[] command) => SayAsync([Built.Dll("src/Keyreeve.Server", "Keyreeve.Server.dll"), "admin", .. command, "--data", data]);

    /// <summary>What a program of ours says, which runs as it would anywhere: with as many threads for its sockets as it wants.</summary>
    private static async Task<string> SayAsync(IReadOnlyList<string> arguments)
    {
        var start = new ProcessStartInfo("dotnet", arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var (name, _) in Load.LoadRun.OneThread)
            start.Environment.Remove(name);
        using var process = Children.Start(start);
        var said = await Task.WhenAll(process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync();
        return process.ExitCode == 0 ? said[0] : throw new BenchException($"{string.Join(' ', arguments.Skip(1).Take(3))} failed: " + string.Concat(said));
    }
}
