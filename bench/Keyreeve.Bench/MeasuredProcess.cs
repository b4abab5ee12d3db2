using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using Keyreeve.Engines.Tls;

namespace Keyreeve.Bench;

/// <summary>A server of ours as a child process: started, asked what it costs, stopped.</summary>
internal sealed class MeasuredProcess : IDisposable
{
    /// <summary>Unit of /proc/PID/stat. The kernel shows times in hundredths of a second whatever its own tick is.</summary>
    private const double MicrosecondsPerTick = 10_000;

    private readonly Process _process;

    private MeasuredProcess(Process process, string folder, Uri address, X509Certificate2 root)
    {
        (_process, Folder, Address) = (process, folder, address);
        Http = new HttpClient(TlsProfile.CreateHandler([root])) { BaseAddress = address };
    }

    /// <summary>Where it keeps its files.</summary>
    public string Folder { get; }

    /// <summary>Its https listener.</summary>
    public Uri Address { get; }

    /// <summary>For single questions beside the load; trusts this process' certificate alone.</summary>
    public HttpClient Http { get; }

    /// <summary>User and system time of all its threads so far, in microseconds.</summary>
    public double CpuMicroseconds
    {
        get
        {
            // The name in parentheses may hold anything; utime and stime are the 12th and 13th field behind it (proc(5)).
            var stat = File.ReadAllText($"/proc/{_process.Id}/stat");
            var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
            return (long.Parse(fields[11], CultureInfo.InvariantCulture) + long.Parse(fields[12], CultureInfo.InvariantCulture)) * MicrosecondsPerTick;
        }
    }

    /// <summary>Resident memory in megabytes (2^20).</summary>
    public double ResidentMegabytes
    {
        get
        {
            var line = File.ReadLines($"/proc/{_process.Id}/status").First(l => l.StartsWith("VmRSS:", StringComparison.Ordinal));
            return long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) / 1024.0;
        }
    }

    /// <summary>Starts <c>dotnet DLL ARGUMENTS</c> and waits until it has written FOLDER/listeners.json.</summary>
    /// <exception cref="BenchException">It ended, or was not ready within 60 s.</exception>
    public static async Task<MeasuredProcess> StartAsync(string dll, string folder, string certificate, params string[] arguments)
    {
        if (!File.Exists(dll))
            throw new BenchException($"{dll} is not there: build with -c Release");
        var start = new ProcessStartInfo("dotnet", [dll, .. arguments]) { RedirectStandardOutput = true, RedirectStandardError = true };
        var process = Process.Start(start)!;
        var said = new List<string>();
        process.OutputDataReceived += (_, line) => Keep(line.Data);
        process.ErrorDataReceived += (_, line) => Keep(line.Data);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        var ready = Path.Combine(folder, "listeners.json");
        for (var waited = Stopwatch.StartNew(); !File.Exists(ready); await Task.Delay(50))
        {
            if (process.HasExited || waited.Elapsed > TimeSpan.FromSeconds(60))
            {
                process.Kill();
                lock (said)
                    throw new BenchException($"{Path.GetFileName(dll)} did not start: {string.Join("\n", said)}");
            }
        }
        using var listeners = JsonDocument.Parse(await File.ReadAllTextAsync(ready));
        var root = X509CertificateLoader.LoadCertificateFromFile(Path.Combine(folder, certificate));
        return new(process, folder, new Uri(listeners.RootElement.GetProperty("issuer").GetString()!), root);

        void Keep(string? line)
        {
            lock (said)
                if (line is not null && said.Count < 100)
                    said.Add(line);
        }
    }

    /// <summary>
    /// Waits until background work of the load (audit lines, collections) is done, so that it is counted where it was caused:
    /// three looks in a row without a tick of CPU, at most 5 s.
    /// </summary>
    public async Task SettleAsync()
    {
        var quiet = 0;
        var last = CpuMicroseconds;
        for (var look = 0; look < 25 && quiet < 3; look++)
        {
            await Task.Delay(200);
            var now = CpuMicroseconds;
            quiet = now - last < 2 * MicrosecondsPerTick ? quiet + 1 : 0;
            last = now;
        }
    }

    /// <inheritdoc />
    public void Dispose()
    {
        Http.Dispose();
        if (!_process.HasExited)
            _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
    }
}

/// <summary>The run cannot be believed or cannot go on; the message is for the person who started it.</summary>
internal sealed class BenchException(string message) : Exception(message);
