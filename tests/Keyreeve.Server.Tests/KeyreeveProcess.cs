using System.Diagnostics;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json.Nodes;
using Keyreeve.Engines.Tls;
using Xunit;

namespace Keyreeve.Server.Tests;

/// <summary>
/// The program as an operator runs it: a process of its own, its output captured, its time bounded. Whatever a test does, the
/// process is gone when this is disposed.
/// </summary>
public sealed class KeyreeveProcess : IAsyncDisposable
{
    /// <summary>A machine that compiles and tests at once is slow; an honest run needs a tenth of it.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);

    private readonly Process _process;
    private readonly StringBuilder _output = new();
    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private KeyreeveProcess(Process process)
    {
        _process = process;
        process.OutputDataReceived += (_, line) => Take(line.Data);
        process.ErrorDataReceived += (_, line) => Take(line.Data);
        process.Exited += (_, _) => _ready.TrySetResult();
        process.Start();
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
    }

    /// <summary>Both streams as far as they came.</summary>
    public string Output
    {
        get
        {
            lock (_output)
                return _output.ToString();
        }
    }

    public static KeyreeveProcess Start(IEnumerable<string> arguments, IReadOnlyDictionary<string, string>? environment = null, bool withInput = false)
    {
        var start = new ProcessStartInfo("dotnet")
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = withInput,
            WorkingDirectory = Path.GetTempPath(),
        };
        start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, "Keyreeve.Server.dll"));
        foreach (var argument in arguments)
            start.ArgumentList.Add(argument);
        foreach (var name in start.Environment.Keys.Where(k => k.StartsWith("KEYREEVE_", StringComparison.OrdinalIgnoreCase)).ToList())
            start.Environment.Remove(name);
        foreach (var (name, value) in environment ?? new Dictionary<string, string>())
            start.Environment[name] = value;
        return new(new Process { StartInfo = start, EnableRaisingEvents = true });
    }

    /// <summary>Runs to the end: exit code and everything printed.</summary>
    public static Task<(int Code, string Output)> RunAsync(params string[] arguments) => RunAsync(arguments, null, null);

    public static async Task<(int Code, string Output)> RunAsync(IEnumerable<string> arguments, IReadOnlyDictionary<string, string>? environment, string? input = null)
    {
        await using var process = Start(arguments, environment, input is not null);
        if (input is not null)
            await process.SayAsync(input);
        return (await process.ExitAsync(), process.Output);
    }

    /// <summary>Waits for the first screen's last line.</summary>
    public async Task ReadyAsync()
    {
        await _ready.Task.WaitAsync(Patience, TestContext.Current.CancellationToken);
        Assert.False(_process.HasExited, "the server ended: " + Output);
    }

    /// <summary>
    /// Waits until it has said so. What it reports goes to the error stream, which is read apart from the first screen: it may come
    /// to us after the screen's last line although it was written before.
    /// </summary>
    public async Task SaysAsync(string text)
    {
        for (var since = TimeProvider.System.GetTimestamp(); !Output.Contains(text, StringComparison.Ordinal); await Task.Delay(20, TestContext.Current.CancellationToken))
            Assert.True(TimeProvider.System.GetElapsedTime(since) < Patience, $"it does not say '{text}': {Output}");
    }

    /// <summary>kill -SIGNAL</summary>
    public async Task SignalAsync(string signal)
    {
        using var kill = Process.Start("kill", ["-" + signal, _process.Id.ToString(System.Globalization.CultureInfo.InvariantCulture)]);
        await kill.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal(0, kill.ExitCode);
    }

    /// <summary>Octets of memory that are resident now.</summary>
    public long Memory
    {
        get
        {
            _process.Refresh();
            return _process.WorkingSet64;
        }
    }

    /// <summary>True when it has ended.</summary>
    public bool HasExited => _process.HasExited;

    /// <summary>kill -9, at once: no other program is started for it first.</summary>
    public void KillNow() => _process.Kill();

    /// <summary>The exit code; a process that does not end fails the test.</summary>
    public Task<int> ExitAsync() => ExitAsync(Patience);

    /// <summary>The exit code; a process that does not end within the limit fails the test.</summary>
    public async Task<int> ExitAsync(TimeSpan limit)
    {
        await _process.WaitForExitAsync(TestContext.Current.CancellationToken).WaitAsync(limit);
        return _process.ExitCode;
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
            _process.Kill(entireProcessTree: true);
        await _process.WaitForExitAsync(CancellationToken.None);
        _process.Dispose();
    }

    private async Task SayAsync(string input)
    {
        try
        {
            await _process.StandardInput.WriteAsync(input);
            _process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It ended without reading: its exit code and what it printed are the result.
        }
    }

    private void Take(string? line)
    {
        if (line is null)
            return;
        lock (_output)
            _output.AppendLine(line);
        if (line.StartsWith("Stop with Ctrl-C", StringComparison.Ordinal))
            _ready.TrySetResult();
    }
}

/// <summary>A data folder that is gone after the test, and the commands on it.</summary>
public sealed class TempFolder : IDisposable
{
    public static readonly string[] FreePorts =
    [
        "--set", "Listeners:https:Address=127.0.0.1:0", "--set", "Listeners:mtls:Address=127.0.0.1:0", "--set", "Listeners:health:Address=127.0.0.1:0",
        "--set", "Passwords:Iterations=10000",
    ];

    public string Root { get; } = Directory.CreateTempSubdirectory("keyreeve-program-").FullName;

    public string Data => Path.Combine(Root, "data");

    public JsonObject Listeners => Json("listeners.json");

    public JsonObject Demo => Json("demo.json");

    public string File(string name) => Path.Combine(Data, name);

    public string[] Serve(params string[] more) => ["serve", "--data", Data, .. FreePorts, .. more];

    /// <summary>Starts and waits until it is ready.</summary>
    public async Task<KeyreeveProcess> StartAsync(IReadOnlyDictionary<string, string>? environment, params string[] more)
    {
        var process = KeyreeveProcess.Start(Serve(more), environment);
        try
        {
            await process.ReadyAsync();
            return process;
        }
        catch
        {
            await process.DisposeAsync();
            throw;
        }
    }

    public Task<KeyreeveProcess> StartDemoAsync(params string[] more) => StartAsync(null, ["--demo", .. more]);

    /// <summary>Starts, and stops as an operator does.</summary>
    public Task StartAndStopAsync(params string[] more) => StartAndStopAsync(null, more);

    public async Task StartAndStopAsync(IReadOnlyDictionary<string, string>? environment, params string[] more)
    {
        await using var process = await StartAsync(environment, more);
        await process.SignalAsync("TERM");
        Assert.Equal(0, await process.ExitAsync());
    }

    /// <summary>The admin API as the first operator.</summary>
    public HttpClient Operator()
    {
        var roots = new X509Certificate2Collection();
        roots.ImportFromPemFile(File("ca.pem"));
        var port = ((string)Listeners["listeners"]!["mtls"]!).Split(':')[^1];
        return new HttpClient(TlsProfile.CreateHandler(roots, X509Certificate2.CreateFromPemFile(File("admin.pem"), File("admin.key"))))
        {
            BaseAddress = new Uri($"https://localhost:{port}/admin/v1/"),
            Timeout = TimeSpan.FromSeconds(60),
        };
    }

    public void Dispose() => Directory.Delete(Root, recursive: true);

    private JsonObject Json(string name) => JsonNode.Parse(System.IO.File.ReadAllText(File(name)))!.AsObject();
}
