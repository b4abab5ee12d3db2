using Keyreeve.Bench.Load;
using Keyreeve.Bench.World;
using Keyreeve.Storage;

namespace Keyreeve.Bench.Sides;

/// <summary>The server on one engine, filled to one size.</summary>
internal sealed class KeyreeveSide : Side
{
    private readonly PostgresCluster? _cluster;
    private readonly string? _connection;

    private KeyreeveSide(string engine, int size, MeasuredProcess process, PostgresCluster? cluster = null, string? connection = null)
        : base(engine, process)
    {
        (_cluster, _connection) = (cluster, connection);
        World = new BenchWorld(process, size);
        Questions = new Acts(World);
    }

    /// <summary>Who lives there.</summary>
    public BenchWorld World { get; }

    /// <summary>What they ask.</summary>
    public Acts Questions { get; }

    /// <summary>Starts the server as an operator would, with demo data, quiet logs and a collector of its telemetry, and fills its store.</summary>
    public static async Task<KeyreeveSide> StartOnSqliteAsync(DirectoryInfo folder, Collector collector, int size)
    {
        var data = Path.Combine(folder.FullName, FormattableString.Invariant($"sqlite-{size}"));
        var side = new KeyreeveSide("SQLite", size, await StartAsync(data, collector));
        await using var database = await SqliteEngine.OpenAsync(Path.Combine(data, "keyreeve.db"), TimeProvider.System, "bench", default);
        await side.FillAsync(database);
        return side;
    }

    /// <summary>The same on a database of its own in a PostgreSQL cluster.</summary>
    public static async Task<KeyreeveSide> StartOnPostgresAsync(DirectoryInfo folder, Collector collector, PostgresCluster cluster, int size)
    {
        var connection = await cluster.NewDatabaseAsync(FormattableString.Invariant($"bench_{size}"));
        var data = Path.Combine(folder.FullName, FormattableString.Invariant($"postgres-{size}"));
        var side = new KeyreeveSide("PostgreSQL", size, await StartAsync(data, collector, "--set", "Storage:Connection=" + connection), cluster, connection);
        await using var database = await PostgresEngine.OpenAsync(Address(connection), TimeProvider.System, "bench", default);
        await side.FillAsync(database);
        await PostgresCluster.TidyAsync(connection);
        return side;
    }

    /// <summary>Where its store is: a file, or the connection string of a database.</summary>
    public string Store => _connection ?? Path.Combine(Process.Folder, "keyreeve.db");

    /// <summary>The same for a store that is not there yet, on the same engine.</summary>
    public async Task<string> NewStoreAsync(string name) =>
        _cluster is null ? Path.Combine(Process.Folder, name + ".bare.db") : await _cluster.NewDatabaseAsync("bare_" + name.Replace('-', '_'));

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

    private static Task<MeasuredProcess> StartAsync(string data, Collector collector, params string[] more) => MeasuredProcess.StartAsync("dotnet", data, "ca.pem",
        [Built.Dll("src/Keyreeve.Server", "Keyreeve.Server.dll"), "serve", "--demo", "--data", data, "--set", "Listeners:https:Address=127.0.0.1:0",
            "--set", "Listeners:health:Address=127.0.0.1:0", "--set", "Listeners:mtls:Address=127.0.0.1:0", "--set", "Log:Level=Warning",
            "--set", "Telemetry:Otlp:Endpoint=" + collector.Address.AbsoluteUri,
            // The limits count, and let the one source and the one client of the load pass.
            "--set", "Limits:PerSource=10000000/s", "--set", "Limits:PerClient=10000000/s",
            // Tokens of the load live through the longest run.
            "--set", "Tokens:AccessTokenSeconds=86400", .. more]);

    /// <summary>Which of the two a store's place is.</summary>
    public static bool IsFile(string store) => Path.IsPathRooted(store);

    /// <summary>The address in a connection string of ours.</summary>
    public static PostgresAddress Address(string connection) =>
        PostgresAddress.TryRead(connection, allowPlain: false, out var address, out var wrong) ? address : throw new BenchException(wrong);

    private async Task FillAsync(IDatabase database)
    {
        await Filling.RunAsync(Process, World, database);
        await World.PrepareAsync();
    }
}
