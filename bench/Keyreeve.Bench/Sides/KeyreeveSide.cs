using Keyreeve.Bench.Load;
using Keyreeve.Bench.World;
using Keyreeve.Storage;

namespace Keyreeve.Bench.Sides;

/// <summary>The server on one engine, filled to one size.</summary>
internal sealed class KeyreeveSide : Side
{
    private readonly PostgresCluster? _cluster;
    private readonly PostgresAddress? _address;

    private KeyreeveSide(string engine, int size, MeasuredProcess process, PostgresCluster? cluster = null, PostgresAddress? address = null)
        : base(engine, process)
    {
        (_cluster, _address) = (cluster, address);
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
        var address = Address(connection);
        var side = new KeyreeveSide("PostgreSQL", size, await StartAsync(data, collector, "--set", "Storage:Connection=" + connection), cluster, address);
        await using var database = await PostgresEngine.OpenAsync(address, TimeProvider.System, "bench", default);
        await side.FillAsync(database);
        await PostgresCluster.TidyAsync(connection);
        return side;
    }

    /// <summary>The store, for reading beside the server.</summary>
    public async Task<StoreDoor> OpenStoreAsync() =>
        _address is null ? await SqliteDoor.ReadAsync(Path.Combine(Process.Folder, "keyreeve.db"), default) : await PostgresDoor.ReadAsync(_address, default);

    /// <summary>A new store of the same engine with the same schema and nothing in it.</summary>
    public async Task<StoreDoor> MakeEmptyStoreAsync(string name)
    {
        if (_cluster is null)
        {
            var door = await SqliteDoor.MakeAsync(Path.Combine(Process.Folder, name + ".bare.db"), default);
            await MigrationRunner.RunAsync(door.Connection, Migration.Known, TimeProvider.System, default);
            return door;
        }
        var address = Address(await _cluster.NewDatabaseAsync("bare_" + name.Replace('-', '_')));
        await (await PostgresEngine.OpenAsync(address, TimeProvider.System, "bench", default)).DisposeAsync();
        return await PostgresDoor.ReadAsync(address, default);
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

    private static Task<MeasuredProcess> StartAsync(string data, Collector collector, params string[] more) => MeasuredProcess.StartAsync("dotnet", data, "ca.pem",
        [Built.Dll("src/Keyreeve.Server", "Keyreeve.Server.dll"), "serve", "--demo", "--data", data, "--set", "Listeners:https:Address=127.0.0.1:0",
            "--set", "Listeners:health:Address=127.0.0.1:0", "--set", "Listeners:mtls:Address=127.0.0.1:0", "--set", "Log:Level=Warning",
            "--set", "Telemetry:Otlp:Endpoint=" + collector.Address.AbsoluteUri,
            // The limits count, and let the one source and the one client of the load pass.
            "--set", "Limits:PerSource=10000000/s", "--set", "Limits:PerClient=10000000/s",
            // Tokens of the load live through the longest run.
            "--set", "Tokens:AccessTokenSeconds=86400", .. more]);

    private static PostgresAddress Address(string connection) =>
        PostgresAddress.TryRead(connection, allowPlain: false, out var address, out var wrong) ? address : throw new BenchException(wrong);

    private async Task FillAsync(IDatabase database)
    {
        await Filling.RunAsync(Process, World, database);
        await World.PrepareAsync();
    }
}
