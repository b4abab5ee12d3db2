using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Keyreeve.Bench;
using Keyreeve.Bench.Sides;
using Keyreeve.Bench.Sweeping;
using Keyreeve.Core.Tokens;
using Keyreeve.Storage;

// Fills a database with expired rows, starts the server on it, and prints what token requests take before, during and after the sweep.
const double Bound = 2;
CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
if (SweepOptions.Read(args) is not { } options)
{
    Console.WriteLine(SweepOptions.Usage);
    return 2;
}
var root = new DirectoryInfo(AppContext.BaseDirectory);
while (root is not null && !File.Exists(Path.Combine(root.FullName, "Keyreeve.slnx")))
    root = root.Parent;
if (root is null)
    throw new BenchException("run from a build inside the repository");
var dll = Path.Combine(root.FullName, "src/Keyreeve.Server/bin/Release/net10.0/Keyreeve.Server.dll");
var temporary = Directory.CreateTempSubdirectory("keyreeve-sweep-");
var data = Path.Combine(temporary.FullName, "data");
var file = Path.Combine(data, "keyreeve.db");
string[] serve =
[
    dll, "serve", "--demo", "--data", data, "--set", "Listeners:https:Address=127.0.0.1:0", "--set", "Listeners:mtls:Address=127.0.0.1:0",
    "--set", "Listeners:health:Address=127.0.0.1:0", "--set", "Passwords:Iterations=10000", "--set", "Log:Level=Warning",
];
try
{
    using (await MeasuredProcess.StartAsync("dotnet", data, "ca.pem", serve))
    {
        // It makes keys, clients and users; then it is stopped.
    }
    File.Delete(Path.Combine(data, "listeners.json"));
    var demo = JsonSerializer.Deserialize<JsonElement>(await File.ReadAllTextAsync(Path.Combine(data, "demo.json")));
    var alice = demo.GetProperty("users")[0].GetProperty("sub").GetString()!;
    ConcurrentQueue<RefreshToken> families;
    ConcurrentQueue<OpaqueToken> codes;
    var watch = Stopwatch.StartNew();
    await using (var filled = await SqliteEngine.OpenAsync(file, TimeProvider.System, "bench", CancellationToken.None))
    {
        await ExpiredRows.AddExpiredAsync(filled, options.Rows, options.RandomKeys, done =>
        {
            if (done % 1_000_000 == 0)
                Console.Error.WriteLine($"{done:N0} rows written, {done / watch.Elapsed.TotalSeconds:N0} a second");
        });
        families = new(await ExpiredRows.AddLiveFamiliesAsync(filled, alice, 1000));
        codes = new(await ExpiredRows.AddLiveCodesAsync(filled, alice, options.PerSecond * (int)(options.AtMost.TotalSeconds + 200) / 3));
    }
    Console.WriteLine($"{options.Rows:N0} expired rows{(options.RandomKeys ? " with random keys" : "")} written in {watch.Elapsed.TotalSeconds:N0} s; {Megabytes(file):N0} MB; {options.PerSecond} token requests a second; {Environment.ProcessorCount} cores");

    using var server = await MeasuredProcess.StartAsync("dotnet", data, "ca.pem", serve);
    await using var database = new SqliteReadOnly(file, TimeProvider.System);
    using var stop = new CancellationTokenSource();
    var load = new Load(server, demo, families, codes, options.PerSecond);
    var loading = load.RunAsync(stop.Token);
    var first = await SweepState.ReadAsync(database);
    await Task.Delay(TimeSpan.FromSeconds(10)); // compilers warm up
    load.Take();
    var quiet = new Cost(server);
    await Task.Delay(TimeSpan.FromSeconds(40)); // the first sweep begins a minute after the start
    var (quietCpu, quietOctets) = quiet.PerSecond();
    if (await SweepState.ReadAsync(database) != first)
        throw new BenchException("the sweep began before it was expected: the machine is too busy for this bench");
    var before = Print("before", load.Take());
    while (await SweepState.ReadAsync(database) == first)
        await Task.Delay(100);
    load.Take();
    watch.Restart();
    var sweeping = new Cost(server);
    var log = 0.0;
    bool done;
    while (!(done = (await SweepState.ReadAsync(database)).IsDone(TimeProvider.System.GetUtcNow())) && watch.Elapsed < options.AtMost)
    {
        await Task.Delay(250);
        log = Math.Max(log, Megabytes(file + "-wal"));
    }
    var took = watch.Elapsed.TotalSeconds;
    var during = Print("during", load.Take());
    var (cpu, octets) = sweeping.PerSecond();
    var swept = done ? options.Rows : options.Rows - await SweepState.CountAsync(database);
    load.Take();
    if (done)
        await Task.Delay(TimeSpan.FromSeconds(40));
    Print("after", load.Take());
    await stop.CancelAsync();
    await loading;
    var perSecond = swept / took;
    Console.WriteLine($"swept {swept:N0} of {options.Rows:N0} rows in {took:N0} s; of the server for each row, above what the load takes: CPU {(cpu - quietCpu) / perSecond * 1e6:N1} us, {(octets - quietOctets) / perSecond:N0} octets written; largest log {log:N0} MB; database {Megabytes(file):N0} MB; {load.Failed} requests failed");
    var ratio = during / before;
    var verdict = !done ? $"not done in {options.AtMost.TotalMinutes:N0} minutes" : load.Failed > 0 ? "requests failed" : ratio > Bound ? "missed" : "met";
    Console.WriteLine($"verdict: {verdict}; p99 {before:N1} ms before, {during:N1} ms during, ratio {ratio:N2} (bound {Bound:N1}); {perSecond:N0} rows a second");
    return verdict == "met" ? 0 : 1;
}
finally
{
    temporary.Delete(recursive: true);
}

static double Print(string phase, (double P50, double P99, double Most, int Count) times)
{
    Console.WriteLine($"{phase,-8} p50 {times.P50,8:N1} ms   p99 {times.P99,8:N1} ms   most {times.Most,8:N1} ms   {times.Count:N0} requests");
    return times.P99;
}

static double Megabytes(string file) => File.Exists(file) ? new FileInfo(file).Length / 1048576.0 : 0;
