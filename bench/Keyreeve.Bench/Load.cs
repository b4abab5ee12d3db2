using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Headers;
using System.Text;

namespace Keyreeve.Bench;

/// <summary>One request, as it is sent again and again.</summary>
/// <param name="Path">Where to.</param>
/// <param name="Type">Media type of the body.</param>
/// <param name="Authorization">The whole header value.</param>
/// <param name="Body">With %TIME% and %ID% when it must be new each time.</param>
internal sealed record Question(string Path, string Type, string Authorization, string Body)
{
    public const string Form = "application/x-www-form-urlencoded";

    public bool IsFresh => Body.Contains("%ID%", StringComparison.Ordinal);
}

/// <summary>What one run of load has shown.</summary>
/// <param name="Requests">Answers with a 2xx status: a run with others is no run.</param>
/// <param name="PerSecond">Of wall clock.</param>
/// <param name="CpuMicroseconds">The server process' CPU time per request, background work included.</param>
/// <param name="P50">Milliseconds.</param>
/// <param name="P99">Milliseconds; closed loop, not corrected for coordinated omission.</param>
/// <param name="ResidentMegabytes">After the run.</param>
internal sealed record Sample(long Requests, double PerSecond, double CpuMicroseconds, double P50, double P99, double ResidentMegabytes);

/// <summary>Load by wrk, a process of its own: its time is not the server's.</summary>
internal static class Load
{
    private const string Wrk = "/usr/bin/wrk";

    private static int s_runs;

    /// <summary>Says what to install; null when all is there.</summary>
    public static string? Missing => File.Exists(Wrk) ? null : $"{Wrk} is not there: apt-get install wrk";

    /// <summary>Asks once and demands a 2xx and <paramref name="expected"/> in the body.</summary>
    public static async Task ProbeAsync(MeasuredProcess server, Question question, string expected)
    {
        var body = question.Body
            .Replace("%TIME%", TimeProvider.System.GetUtcNow().ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal)
            .Replace("%ID%", $"probe{Interlocked.Increment(ref s_runs)}", StringComparison.Ordinal);
        using var request = new HttpRequestMessage(HttpMethod.Post, question.Path) { Content = new ByteArrayContent(Encoding.UTF8.GetBytes(body)) };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue(question.Type);
        request.Headers.TryAddWithoutValidation("Authorization", question.Authorization);
        using var response = await server.Http.SendAsync(request);
        var text = await response.Content.ReadAsStringAsync();
        if (!response.IsSuccessStatusCode || !text.Contains(expected, StringComparison.Ordinal))
            throw new BenchException($"{question.Path} answers {(int)response.StatusCode} {text}");
    }

    /// <summary>Runs load for some seconds.</summary>
    /// <exception cref="BenchException">An answer was not 2xx, a socket failed, or a request took more than 2 s.</exception>
    public static async Task<Sample> RunAsync(MeasuredProcess server, Question question, int seconds, int connections)
    {
        var script = Path.Combine(AppContext.BaseDirectory, "load", question.IsFresh ? "fresh.lua" : "post.lua");
        // One thread: with two, the load would take the machine from what it measures.
        var start = new ProcessStartInfo(Wrk, ["-t1", $"-c{connections}", $"-d{seconds}s", "-s", script, new Uri(server.Address, question.Path).AbsoluteUri])
        {
            RedirectStandardOutput = true,
        };
        start.Environment["BENCH_TYPE"] = question.Type;
        start.Environment["BENCH_AUTHORIZATION"] = question.Authorization;
        start.Environment["BENCH_BODY"] = question.Body;
        start.Environment["BENCH_RUN"] = $"r{Interlocked.Increment(ref s_runs)}";
        await server.SettleAsync();
        var cpu = server.CpuMicroseconds;
        var watch = Stopwatch.StartNew();
        using var wrk = Process.Start(start)!;
        var output = await wrk.StandardOutput.ReadToEndAsync();
        await wrk.WaitForExitAsync();
        var elapsed = watch.Elapsed;
        await server.SettleAsync();
        cpu = server.CpuMicroseconds - cpu;
        var result = output.Split('\n').FirstOrDefault(l => l.StartsWith("RESULT ", StringComparison.Ordinal))
            ?? throw new BenchException($"wrk gave no result for {question.Path}: {output}");
        var n = result.Split(' ')[1..].Select(t => long.Parse(t, CultureInfo.InvariantCulture)).ToArray();
        if (n[0] == 0 || n[1] != 0 || n[2] != 0)
            throw new BenchException($"{question.Path}: {n[0]} requests, {n[1]} not 2xx, {n[2]} socket errors or time-outs. A run with errors measures nothing.");
        return new(n[0], n[0] / elapsed.TotalSeconds, cpu / n[0], n[3] / 1000.0, n[4] / 1000.0, server.ResidentMegabytes);
    }
}
