namespace Keyreeve.Bench;

/// <summary>The order of a run: both processes live side by side, and only one of them has work at a time.</summary>
internal static class Rounds
{
    /// <summary>Seconds of load before anything counts: the runtime compiles hot methods a second time only after they were hot.</summary>
    private const int WarmUpSeconds = 4;

    public static async Task<(IReadOnlyList<RowResult> Results, MemoryResult Memory)> RunAsync(BenchOptions options, DirectoryInfo folder, TextWriter progress)
    {
        var (limitFolder, data) = (folder.CreateSubdirectory("limit").FullName, Path.Combine(folder.FullName, "data"));
        using var limit = await MeasuredProcess.StartAsync(Built("bench/Limit", "Keyreeve.Bench.Limit.dll"), limitFolder, "limit.pem", limitFolder);
        using var server = await MeasuredProcess.StartAsync(Built("src/Keyreeve.Server", "Keyreeve.Server.dll"), data, "ca.pem",
            "serve", "--demo", "--data", data, "--set", "Listeners:https:Address=127.0.0.1:0", "--set", "Listeners:health:Address=127.0.0.1:0",
            "--set", "Listeners:mtls:Address=127.0.0.1:0", "--set", "Log:Level=Warning");
        var demo = new Demo(server);
        var rows = Row.All.Where(r => r.Name.Contains(options.Only, StringComparison.OrdinalIgnoreCase)).ToList();
        if (rows.Count == 0)
            throw new BenchException($"no row has '{options.Only}' in its name: {string.Join("; ", Row.All.Select(r => r.Name))}");
        var limits = rows.ToDictionary(r => r, _ => new List<Sample>());
        var ours = rows.ToDictionary(r => r, _ => new List<Sample>());
        long requests = 0;
        foreach (var row in rows)
        {
            var question = await row.AskAsync(demo);
            await Load.ProbeAsync(server, question, row.Expected);
            await Load.ProbeAsync(limit, question with { Path = row.LimitPath }, "");
            progress.WriteLine($"warming up: {row.Name}");
            await Load.RunAsync(limit, question with { Path = row.LimitPath }, WarmUpSeconds, options.Connections);
            requests += (await Load.RunAsync(server, question, WarmUpSeconds, options.Connections)).Requests;
        }
        for (var round = 1; round <= options.Rounds; round++)
        {
            foreach (var row in rows)
            {
                var question = await row.AskAsync(demo);
                // Who goes first changes from round to round: whatever drifts meets both.
                if (round % 2 == 1)
                    limits[row].Add(await Load.RunAsync(limit, question with { Path = row.LimitPath }, options.Seconds, options.Connections));
                ours[row].Add(await Load.RunAsync(server, question, options.Seconds, options.Connections));
                if (round % 2 == 0)
                    limits[row].Add(await Load.RunAsync(limit, question with { Path = row.LimitPath }, options.Seconds, options.Connections));
                requests += ours[row][^1].Requests;
                progress.WriteLine(FormattableString.Invariant(
                    $"round {round}: {row.Name}: {ours[row][^1].CpuMicroseconds:0.0} us, limit {limits[row][^1].CpuMicroseconds:0.0} us"));
            }
        }
        while (options.Long && requests < MemoryResult.RequestsToJudge)
        {
            requests += (await Load.RunAsync(server, await rows[0].AskAsync(demo), 10, options.Connections)).Requests;
            progress.WriteLine(FormattableString.Invariant($"memory: {server.ResidentMegabytes:0} MB after {requests:N0} requests"));
        }
        foreach (var row in rows)
            await Load.ProbeAsync(server, await row.AskAsync(demo), row.Expected);
        return ([.. rows.Select(r => new RowResult(r, limits[r], ours[r]))], new MemoryResult(server.ResidentMegabytes, requests));
    }

    private static string Built(string project, string dll)
    {
        var root = new DirectoryInfo(AppContext.BaseDirectory);
        while (root is not null && !File.Exists(Path.Combine(root.FullName, "Keyreeve.slnx")))
            root = root.Parent;
        return root is null
            ? throw new BenchException("run from a build inside the repository")
            : Path.Combine(root.FullName, project, "bin", "Release", "net10.0", dll);
    }
}
