using System.Text.Json;
using Keyreeve.Core.Audit;
using Keyreeve.Storage;
using Keyreeve.Testing;
using Microsoft.Data.Sqlite;
using Xunit;

namespace Keyreeve.Server.Tests.Faults;

/// <summary>A server process that is killed and started again on one data folder, on one of the engines.</summary>
internal abstract class FaultServer : IAsyncDisposable
{
    private readonly Dictionary<string, long> _readUntil = new(StringComparer.Ordinal);

    /// <summary>Its data folder.</summary>
    public TempFolder Folder { get; protected init; } = new();

    /// <summary>The process that lives now.</summary>
    public KeyreeveProcess? Process { get; private set; }

    /// <summary>Flags that choose the engine.</summary>
    protected abstract string[] EngineFlags { get; }

    /// <summary>What chooses the engine for a command beside the server, or after it.</summary>
    public virtual IReadOnlyDictionary<string, string> Environment { get; } = new Dictionary<string, string>();

    /// <summary>One on an engine, "SQLite" or "PostgreSQL"; it is not running yet.</summary>
    public static async Task<FaultServer> MakeAsync(string engine) => engine == "SQLite" ? new SqliteFaultServer() : await PostgresFaultServer.MakeAsync();

    /// <summary>Starts it; the issuer stays the same over all lives although the ports change.</summary>
    public async Task StartAsync(params string[] more) => Process = await Folder.StartDemoAsync(
    [
        "--set", "Issuer=https://localhost:4711", "--set", "Tokens:RefreshGraceSeconds=300", "--set", "Tokens:RefreshReuseLimit=100",
        "--set", "Tokens:AccessTokenSeconds=86400", "--set", "Seal:WindowSeconds=1", "--set", "Log:Level=Warning",
        "--set", "Limits:PerSource=1000000/s", "--set", "Limits:PerClient=1000000/s", .. EngineFlags, .. more,
    ]);

    /// <summary>Waits until the server says that it can work.</summary>
    public async Task ReadyAsync()
    {
        for (var since = TimeProvider.System.GetTimestamp(); await HealthAsync("readyz") != 200; await Task.Delay(50))
            Assert.True(TimeProvider.System.GetElapsedTime(since) < TimeSpan.FromSeconds(60), "the server does not become ready again: " + Process?.Output);
    }

    /// <summary>Waits until it says that it cannot; it lives on.</summary>
    public async Task NotReadyAsync()
    {
        for (var since = TimeProvider.System.GetTimestamp(); await HealthAsync("readyz") != 503; await Task.Delay(50))
            Assert.True(TimeProvider.System.GetElapsedTime(since) < TimeSpan.FromSeconds(60), "readyz does not tell that the store is away");
        Assert.Equal(200, await HealthAsync("healthz"));
    }

    /// <summary>The status of healthz or readyz.</summary>
    public async Task<int> HealthAsync(string path)
    {
        using var http = new HttpClient();
        using var answer = await http.GetAsync($"http://{(string)Folder.Listeners["listeners"]!["health"]!}/{path}");
        return (int)answer.StatusCode;
    }

    /// <summary>kill -9: no handler runs, nothing is flushed.</summary>
    public async Task KillAsync()
    {
        Process!.KillNow();
        await Process.ExitAsync();
        await Process.DisposeAsync();
        Process = null;
    }

    /// <summary>Stops it as an operator does.</summary>
    public async Task StopAsync()
    {
        await Process!.SignalAsync("TERM");
        Assert.Equal(0, await Process.ExitAsync());
        await Process.DisposeAsync();
        Process = null;
    }

    /// <summary>The database, opened beside the server.</summary>
    public abstract Task<IDatabase> OpenDatabaseAsync();

    /// <summary>The whole store, for reading; the server may run.</summary>
    public abstract Task<StoreDoor> ReadStoreAsync();

    /// <summary>Makes an empty store beside the server's own, which is kept under a name.</summary>
    public abstract Task<StoreDoor> MakeStoreAsync(string name);

    /// <summary>Gives the stopped server a copy of a store that is kept under a name, in the place of its own.</summary>
    public abstract Task UseStoreAsync(string name);

    /// <summary>From now on the store cannot be written, until <see cref="BringStoreBackAsync"/>.</summary>
    public abstract Task TakeStoreAwayAsync();

    /// <summary>It is there again.</summary>
    public abstract Task BringStoreBackAsync();

    /// <summary>The chain holds, and what it tells of each thing since the last look is added up.</summary>
    public async Task ReadAuditAsync(Dictionary<string, int> linesOf)
    {
        await using var database = await OpenDatabaseAsync();
        var audit = new Stores(database).Audit;
        Assert.Null((await AuditVerification.WalkAsync(audit, CancellationToken.None)).BrokenAt);
        foreach (var (node, _, _) in await audit.HeadsAsync(CancellationToken.None))
            while (await audit.ReadAsync(node, _readUntil.GetValueOrDefault(node), 1000, CancellationToken.None) is { Count: > 0 } page)
            {
                foreach (var line in page)
                    Count(line, linesOf);
                _readUntil[node] = page[^1].Sequence;
            }
    }

    public async ValueTask DisposeAsync()
    {
        if (Process is not null)
            await Process.DisposeAsync();
        await DropAsync();
        Folder.Dispose();
    }

    /// <summary>Takes the database away.</summary>
    protected virtual ValueTask DropAsync() => ValueTask.CompletedTask;

    private static void Count(AuditLine line, Dictionary<string, int> linesOf)
    {
        using var json = JsonDocument.Parse(line.Json);
        var kind = json.RootElement.GetProperty("kind").GetString()!;
        // The VAL servers' doors write a line for a refusal too.
        var isChange = json.RootElement.GetProperty("outcome").GetString() == nameof(AuditOutcome.Changed);
        var isCounted = kind.Split('.') is ["user" or "client" or "key_record", "created" or "changed" or "removed"] || (isChange && kind is "km.provision" or "km.record" or "idm.configuration");
        if (!isCounted)
            return;
        var name = json.RootElement.GetProperty(kind.StartsWith("client.", StringComparison.Ordinal) ? "clientId" : "subject").GetString()!;
        linesOf[name] = linesOf.GetValueOrDefault(name) + 1;
    }
}

/// <summary>On PostgreSQL: a server of its own, which writes what it commits to the disk.</summary>
internal sealed class PostgresFaultServer : FaultServer
{
    private PostgresFaultServer(TestPostgres postgres, string connection) => (Postgres, ConnectionString) = (postgres, connection);

    /// <summary>The database server.</summary>
    public TestPostgres Postgres { get; }

    /// <summary>Of the database.</summary>
    public string ConnectionString { get; }

    protected override string[] EngineFlags => ["--set", "Storage:Connection=" + ConnectionString];

    public override IReadOnlyDictionary<string, string> Environment => new Dictionary<string, string> { ["KEYREEVE__Storage__Connection"] = ConnectionString };

    /// <summary>Starts the database server; Keyreeve is not running yet.</summary>
    public static async Task<PostgresFaultServer> MakeAsync()
    {
        var postgres = await TestPostgres.OwnAsync(fsync: true);
        return new(postgres, await postgres.NewDatabaseAsync());
    }

    /// <summary>The same with its tables, or its log, on a file system that can be filled.</summary>
    public static async Task<PostgresFaultServer> MakeAsync(SmallDisk holds)
    {
        var postgres = await TestPostgres.OnSmallDiskAsync(holds);
        return new(postgres, await postgres.NewDatabaseAsync(holds == SmallDisk.Tables ? "TABLESPACE small" : ""));
    }

    /// <summary>Another node on the same database, with a folder of its own that has this one's KEK.</summary>
    public PostgresFaultServer OtherNode()
    {
        var other = new PostgresFaultServer(Postgres, ConnectionString) { IsSecond = true };
        Directory.CreateDirectory(other.Folder.Data);
        foreach (var file in (string[])["kek", "admin.pem", "admin.key"])
            File.Copy(Folder.File(file), other.Folder.File(file));
        return other;
    }

    /// <summary>True for a node that must not take the database away.</summary>
    public bool IsSecond { get; private init; }

    public override async Task<IDatabase> OpenDatabaseAsync() => await PostgresEngine.OpenAsync(Address(ConnectionString), TimeProvider.System, "beside", CancellationToken.None);

    public override async Task<StoreDoor> ReadStoreAsync() => await PostgresDoor.ReadAsync(Address(ConnectionString), CancellationToken.None);

    public override async Task<StoreDoor> MakeStoreAsync(string name)
    {
        await Postgres.RunAsync("postgres", "CREATE DATABASE " + name);
        return await PostgresDoor.HoldAsync(Address(Postgres.ConnectionString(name)), CancellationToken.None);
    }

    public override async Task UseStoreAsync(string name)
    {
        await Postgres.DropAsync(ConnectionString);
        await Postgres.RunAsync("postgres", $"CREATE DATABASE {TestPostgres.NameOf(ConnectionString)} TEMPLATE {name}");
    }

    public override Task TakeStoreAwayAsync() => Postgres.StopAsync();

    public override Task BringStoreBackAsync() => Postgres.StartAsync();

    private static PostgresAddress Address(string connection) =>
        PostgresAddress.TryRead(connection, allowPlain: true, out var address, out var wrong) ? address : throw new InvalidOperationException(wrong);

    protected override ValueTask DropAsync() => IsSecond ? ValueTask.CompletedTask : Postgres.DisposeAsync();
}

/// <summary>On SQLite, in the data folder.</summary>
internal sealed class SqliteFaultServer : FaultServer
{
    private SqliteConnection? _locker;

    protected override string[] EngineFlags => [];

    private string Database => Folder.File("keyreeve.db");

    public override async Task<IDatabase> OpenDatabaseAsync() => await SqliteEngine.OpenAsync(Database, TimeProvider.System, "beside", CancellationToken.None);

    public override async Task<StoreDoor> ReadStoreAsync() => await SqliteDoor.ReadAsync(Database, CancellationToken.None);

    public override async Task<StoreDoor> MakeStoreAsync(string name)
    {
        var door = await SqliteDoor.MakeAsync(Folder.File(name), CancellationToken.None);
        // As a server leaves it: whoever reads keeps nobody from writing.
        await ExecuteAsync((SqliteConnection)door.Connection, "PRAGMA journal_mode = WAL");
        return door;
    }

    public override Task UseStoreAsync(string name)
    {
        foreach (var file in (string[])[Database, Database + "-wal", Database + "-shm"])
            File.Delete(file);
        File.Copy(Folder.File(name), Database);
        return Task.CompletedTask;
    }

    /// <summary>Another program locks the file.</summary>
    public override async Task TakeStoreAwayAsync()
    {
        NativeSqlite.Bind();
        _locker = new SqliteConnection($"Data Source={Database};Pooling=False");
        await _locker.OpenAsync(TestContext.Current.CancellationToken);
        await ExecuteAsync(_locker, "PRAGMA busy_timeout = 60000");
        await ExecuteAsync(_locker, "BEGIN EXCLUSIVE");
    }

    public override async Task BringStoreBackAsync()
    {
        await ExecuteAsync(_locker!, "ROLLBACK");
        await DropAsync();
    }

    protected override async ValueTask DropAsync()
    {
        if (_locker is not null)
            await _locker.DisposeAsync();
        _locker = null;
    }

    private static async Task ExecuteAsync(SqliteConnection connection, string sql)
    {
        await using var command = connection.CreateCommand();
        command.CommandText = sql;
        await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
    }
}
