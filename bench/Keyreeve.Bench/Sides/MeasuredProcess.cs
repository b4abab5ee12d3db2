using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using Keyreeve.Bench.Load;
using Keyreeve.Engines.Tls;

namespace Keyreeve.Bench.Sides;

/// <summary>A server as a child process: started, asked what it costs, stopped.</summary>
internal sealed class MeasuredProcess : IDisposable
{
    private readonly Process _process;

    private MeasuredProcess(Process process, string folder, Uri address, X509Certificate2 root)
    {
        (_process, Folder, Address, Roots) = (process, folder, address, [root]);
        Http = new HttpClient(TlsProfile.CreateHandler(Roots)) { BaseAddress = address };
    }

    /// <summary>Its certificate's issuer, the only one trusted.</summary>
    public X509Certificate2Collection Roots { get; }

    /// <summary>Where it keeps its files.</summary>
    public string Folder { get; }

    /// <summary>Its https listener.</summary>
    public Uri Address { get; }

    /// <summary>For single questions beside the load; trusts this process' certificate alone.</summary>
    public HttpClient Http { get; }

    /// <summary>User and system time of all its threads so far, in microseconds.</summary>
    public double CpuMicroseconds => ProcessTimes.Of(_process.Id);

    /// <summary>Octets it has written by write(2) so far: to files, sockets have calls of their own (proc(5), <c>wchar</c>). 0 when this is not root: the server asks the kernel not to show it.</summary>
    public long OctetsWritten
    {
        get
        {
            try
            {
                var line = File.ReadLines($"/proc/{_process.Id}/io").First(l => l.StartsWith("wchar:", StringComparison.Ordinal));
                return long.Parse(line.AsSpan("wchar:".Length), CultureInfo.InvariantCulture);
            }
            catch (UnauthorizedAccessException)
            {
                return 0;
            }
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

    /// <summary>Starts a program and waits until it has written FOLDER/listeners.json.</summary>
    /// <exception cref="BenchException">It ended, or was not ready within 60 s.</exception>
    public static async Task<MeasuredProcess> StartAsync(string program, string folder, string certificate, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var (name, _) in LoadRun.OneThread)
            start.Environment.Remove(name);
        var process = Children.Start(start);
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
                    throw new BenchException($"{Path.GetFileName(arguments[0])} did not start: {string.Join("\n", said)}");
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
    /// three looks in a row with hardly a tick of CPU, at most 5 s.
    /// </summary>
    public async Task SettleAsync()
    {
        var quiet = 0;
        var last = CpuMicroseconds;
        for (var look = 0; look < 40 && quiet < 3; look++)
        {
            // Three looks are longer than the interval at which the audit queue is written (250 ms).
            await Task.Delay(120);
            var now = CpuMicroseconds;
            quiet = now - last < 2 * ProcessTimes.MicrosecondsPerTick ? quiet + 1 : 0;
            last = now;
        }
    }

    /// <inheritdoc />
    public void Dispose()
    {
        Http.Dispose();
        if (!_process.HasExited)
            _process.Kill();
        // With a limit it does not wait for the end of what it said, which needs a thread of the pool, where there is but this one.
        _process.WaitForExit(TimeSpan.FromSeconds(30));
        _process.Dispose();
    }
}
