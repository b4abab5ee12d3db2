using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Keyreeve.Bench;
using Keyreeve.Bench.Sides;
using Keyreeve.Bench.Sweeping;
using Keyreeve.Storage;

// Fills a database with expired rows, starts the server on it, and prints what token requests take before, during and after the sweep.
CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
var rows = args.Length > 0 ? long.Parse(args[0], CultureInfo.InvariantCulture) : 1_000_000;
var perSecond = args.Length > 1 ? int.Parse(args[1], CultureInfo.InvariantCulture) : 60;
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

    var watch = Stopwatch.StartNew();
    await using var database = await SqliteEngine.OpenAsync(file, TimeProvider.System, "bench", CancellationToken.None);
    await ExpiredRows.AddExpiredAsync(database, rows, done =>
    {
        if (done % 1_000_000 == 0)
            Console.Error.WriteLine($"{done:N0} rows");
    });
    var families = new ConcurrentQueue<Keyreeve.Core.Tokens.RefreshToken>(await ExpiredRows.AddLiveFamiliesAsync(database, alice, 1000));
    var codes = new ConcurrentQueue<Keyreeve.Core.Tokens.OpaqueToken>(await ExpiredRows.AddLiveCodesAsync(database, alice, 50_000));
    var first = await ExpiredRows.FirstCodeEndAsync(database);
    Console.WriteLine($"{rows:N0} expired rows written in {watch.Elapsed.TotalSeconds:N0} s; {Megabytes(file):N0} MB; {perSecond} token requests a second; {Environment.ProcessorCount} cores");

    using var server = await MeasuredProcess.StartAsync("dotnet", data, "ca.pem", serve);
    var ready = Stopwatch.StartNew();
    using var stop = new CancellationTokenSource();
    var load = new Load(server, demo, families, codes, perSecond);
    var loading = load.RunAsync(stop.Token);
    await Task.Delay(TimeSpan.FromSeconds(10)); // compilers warm up
    load.Take();
    await Task.Delay(TimeSpan.FromSeconds(40)); // the first sweep begins a minute after the start
    Print("before", load.Take());
    while (!(await ExpiredRows.LookAsync(database, first)).Begun)
        await Task.Delay(100);
    load.Take();
    watch.Restart();
    var (cpu, log) = (server.CpuMicroseconds, 0.0);
    while (!(await ExpiredRows.LookAsync(database, first)).Done)
    {
        await Task.Delay(500);
        log = Math.Max(log, Megabytes(file + "-wal"));
    }
    var took = watch.Elapsed;
    Print("during", load.Take());
    cpu = (server.CpuMicroseconds - cpu) / 1e6;
    await Task.Delay(TimeSpan.FromSeconds(40));
    Print("after", load.Take());
    await stop.CancelAsync();
    await loading;
    Console.WriteLine($"swept in {took.TotalSeconds:N0} s, {rows / took.TotalSeconds:N0} rows a second; CPU of the server meanwhile {cpu:N0} s; largest log {log:N0} MB; database {Megabytes(file):N0} MB; {load.Failed} requests failed");
    return load.Failed == 0 ? 0 : 1;
}
finally
{
    temporary.Delete(recursive: true);
}

static void Print(string phase, (double P50, double P99, double Most, int Count) times) =>
    Console.WriteLine($"{phase,-8} p50 {times.P50,8:N1} ms   p99 {times.P99,8:N1} ms   most {times.Most,8:N1} ms   {times.Count:N0} requests");

static double Megabytes(string file) => File.Exists(file) ? new FileInfo(file).Length / 1048576.0 : 0;
