using Keyreeve.Bench.Load;
using Keyreeve.Bench.World;
using Keyreeve.Storage;

namespace Keyreeve.Bench.Sides;

/// <summary>The server on one engine, filled to one size.</summary>
internal sealed class KeyreeveSide : Side
{
    private readonly PostgresCluster? _cluster;

    private KeyreeveSide(string engine, int size, MeasuredProcess process, PostgresCluster? cluster = null)
        : base(engine, process)
    {
        _cluster = cluster;
        World = new BenchWorld(process, size);
        Questions = new Acts(World);
    }

    /// <summary>Who lives there.</summary>
    public BenchWorld World { get; }

    /// <summary>What they ask.</summary>
    public Acts Questions { get; }

    /// <summary>Starts the server as an operator would, with demo data and quiet logs, and fills its store.</summary>
    public static async Task<KeyreeveSide> StartOnSqliteAsync(DirectoryInfo folder, int size)
    {
        var data = Path.Combine(folder.FullName, FormattableString.Invariant($"sqlite-{size}"));
        var side = new KeyreeveSide("SQLite", size, await StartAsync(data));
        await using var database = await SqliteEngine.OpenAsync(Path.Combine(data, "keyreeve.db"), TimeProvider.System, "bench", default);
        await side.FillAsync(database);
        return side;
    }

    /// <summary>The same on a database of its own in a PostgreSQL cluster.</summary>
    public static async Task<KeyreeveSide> StartOnPostgresAsync(DirectoryInfo folder, PostgresCluster cluster, int size)
    {
        var connection = await cluster.NewDatabaseAsync(FormattableString.Invariant($"bench_{size}"));
        var data = Path.Combine(folder.FullName, FormattableString.Invariant($"postgres-{size}"));
        var side = new KeyreeveSide("PostgreSQL", size, await StartAsync(data, "--set", "Storage:Connection=" + connection), cluster);
        if (!PostgresAddress.TryRead(connection, allowPlain: false, out var address, out var wrong))
            throw new BenchException(wrong);
        await using var database = await PostgresEngine.OpenAsync(address, TimeProvider.System, "bench", default);
        await side.FillAsync(database);
        await PostgresCluster.TidyAsync(connection);
        return side;
    }

    public override double DatabaseMicroseconds => _cluster?.CpuMicroseconds ?? 0;

    /// <summary>Of the library that the server binds to.</summary>
    public static string SqliteVersion() => SQLitePCL.raw.sqlite3_libversion().utf8_to_string();

    public override Act? ActFor(Row row) => row.Work switch
    {
        Work.ClientCredentials => Questions.ClientCredentials("/token"),
        Work.Introspection => Questions.Introspection("/introspect"),
        Work.KeyRequest => Questions.KeyRequest("/seal/km/v1/requests", "\"payload\""),
        Work.CodeFlow => Questions.CodeFlow(),
        Work.Refresh => Questions.Refresh(),
        _ => null,
    };

    private static Task<MeasuredProcess> StartAsync(string data, params string[] more) => MeasuredProcess.StartAsync("dotnet", data, "ca.pem",
        [Built.Dll("src/Keyreeve.Server", "Keyreeve.Server.dll"), "serve", "--demo", "--data", data, "--set", "Listeners:https:Address=127.0.0.1:0",
            "--set", "Listeners:health:Address=127.0.0.1:0", "--set", "Listeners:mtls:Address=127.0.0.1:0", "--set", "Log:Level=Warning",
            // Tokens of the load live through the longest run.
            "--set", "Tokens:AccessTokenSeconds=86400", .. more]);

    private async Task FillAsync(IDatabase database)
    {
        await Filling.RunAsync(Process, World, database);
        await World.PrepareAsync();
    }
}
