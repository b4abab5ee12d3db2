using System.Diagnostics;

namespace Keyreeve.Bench.Sides;

/// <summary>Everybody who takes part in a run, started.</summary>
internal sealed class AllSides : IDisposable
{
    private readonly List<Side> _all = [];
    private readonly List<string> _notRun = ["log ingest, CAPIF discovery, OSCORE, KMS key set, SIP PUBLISH: not in the product yet"];
    private readonly List<string> _versions = [];

    private readonly Collector _collector = Collector.Start();
    private PostgresCluster? _cluster;

    /// <summary>Those that ours is held against first.</summary>
    public IReadOnlyList<Side> All => _all;

    /// <summary>The server whose memory is judged.</summary>
    public KeyreeveSide First => _all.OfType<KeyreeveSide>().First();

    /// <summary>Reports of telemetry that came from them.</summary>
    public int Reports => _collector.Reports;

    /// <summary>What was left out, and why.</summary>
    public IReadOnlyList<string> NotRun => _notRun;

    /// <summary>Of the parts that are not ours.</summary>
    public string Versions => string.Join(", ", _versions);

    public static async Task<AllSides> StartAsync(BenchOptions options, DirectoryInfo folder, TextWriter progress)
    {
        var sides = new AllSides();
        try
        {
            await sides.RunUpAsync(options, folder, progress);
            return sides;
        }
        catch
        {
            sides.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        foreach (var side in _all)
            side.Dispose();
        _cluster?.Dispose();
        _collector.Dispose();
    }

    private async Task RunUpAsync(BenchOptions options, DirectoryInfo folder, TextWriter progress)
    {
        var sizes = options.Size > 0 ? new[] { BenchOptions.SmallSize, options.Size } : [BenchOptions.SmallSize];
        if (options.Engine is "sqlite" or "both")
        {
            foreach (var size in sizes)
                await AddAsync("SQLite", size, () => KeyreeveSide.StartOnSqliteAsync(folder, _collector, size), progress);
            _versions.Add("SQLite " + KeyreeveSide.SqliteVersion());
        }
        if (options.Engine is "postgres" or "both")
        {
            (_cluster, var missing) = await PostgresCluster.StartAsync();
            if (_cluster is null && options.Engine == "postgres")
                throw new BenchException(missing!);
            if (_cluster is null)
                _notRun.Add("PostgreSQL: " + missing);
            else
            {
                foreach (var size in sizes)
                    await AddAsync("PostgreSQL", size, () => KeyreeveSide.StartOnPostgresAsync(folder, _collector, _cluster, size), progress);
                _versions.Add(_cluster.Version);
            }
        }
        await AddOthersAsync(options.Chosen(), folder);
    }

    private async Task AddOthersAsync(IReadOnlyList<Row> rows, DirectoryInfo folder)
    {
        if (rows.Any(r => r.Against == "limit"))
            _all.Insert(0, await LimitSide.StartAsync(folder, _collector, First.Questions));
        if (rows.Any(r => r.Against == "oidc-provider"))
        {
            var (peer, missing) = await OidcProviderSide.StartAsync(folder);
            if (peer is not null)
                _all.Insert(0, peer);
            if (peer is not null)
                _versions.Add(OidcProviderSide.Version());
            else
                _notRun.Add("oidc-provider: " + missing);
        }
    }

    private async Task AddAsync(string engine, int size, Func<Task<KeyreeveSide>> start, TextWriter progress)
    {
        var watch = Stopwatch.StartNew();
        progress.Write(FormattableString.Invariant($"filling {engine} with {size:N0} users, clients, sessions, grants and key records ... "));
        _all.Add(await start());
        progress.WriteLine(FormattableString.Invariant($"{watch.Elapsed.TotalSeconds:0.0} s"));
    }
}
