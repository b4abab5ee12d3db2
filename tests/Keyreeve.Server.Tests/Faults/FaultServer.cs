using System.Text.Json;
using Keyreeve.Core.Audit;
using Keyreeve.Storage;
using Keyreeve.Testing;
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

    /// <summary>The database, opened beside the server.</summary>
    public abstract Task<IDatabase> OpenDatabaseAsync();

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

    /// <summary>Starts the database server; Keyreeve is not running yet.</summary>
    public static async Task<PostgresFaultServer> MakeAsync()
    {
        var postgres = await TestPostgres.OwnAsync(fsync: true);
        return new(postgres, await postgres.NewDatabaseAsync());
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

    public override async Task<IDatabase> OpenDatabaseAsync()
    {
        Assert.True(PostgresAddress.TryRead(ConnectionString, allowPlain: true, out var address, out var wrong), wrong);
        return await PostgresEngine.OpenAsync(address, TimeProvider.System, "beside", CancellationToken.None);
    }

    protected override ValueTask DropAsync() => IsSecond ? ValueTask.CompletedTask : Postgres.DisposeAsync();
}

/// <summary>On SQLite, in the data folder.</summary>
internal sealed class SqliteFaultServer : FaultServer
{
    protected override string[] EngineFlags => [];

    public override async Task<IDatabase> OpenDatabaseAsync() => await SqliteEngine.OpenAsync(Folder.File("keyreeve.db"), TimeProvider.System, "beside", CancellationToken.None);
}
