using System.Text.Json;
using Keyreeve.Core.Audit;
using Keyreeve.Storage;
using Xunit;

namespace Keyreeve.Server.Tests.Faults;

/// <summary>A server process that is killed and started again on one data folder, on one of the engines.</summary>
internal abstract class FaultServer : IAsyncDisposable
{
    private long _readUntil;

    /// <summary>Its data folder.</summary>
    public TempFolder Folder { get; } = new();

    /// <summary>The process that lives now.</summary>
    public KeyreeveProcess Process { get; private set; } = null!;

    /// <summary>Flags that choose the engine.</summary>
    protected abstract string[] EngineFlags { get; }

    /// <summary>Starts it; the issuer stays the same over all lives although the ports change.</summary>
    public async Task StartAsync(params string[] more) => Process = await Folder.StartDemoAsync(
    [
        "--set", "Issuer=https://localhost:4711", "--set", "Tokens:RefreshGraceSeconds=300", "--set", "Tokens:RefreshReuseLimit=100",
        "--set", "Tokens:AccessTokenSeconds=86400", "--set", "Seal:WindowSeconds=1", "--set", "Log:Level=Warning", .. EngineFlags, .. more,
    ]);

    /// <summary>kill -9: no handler runs, nothing is flushed.</summary>
    public async Task KillAsync()
    {
        Process.KillNow();
        await Process.ExitAsync(TimeSpan.FromSeconds(30));
        await Process.DisposeAsync();
    }

    /// <summary>The database, opened beside the server.</summary>
    public abstract Task<IDatabase> OpenDatabaseAsync();

    /// <summary>The chain holds, and what it tells of each thing since the last look is added up.</summary>
    public async Task ReadAuditAsync(Dictionary<string, int> linesOf)
    {
        await using var database = await OpenDatabaseAsync();
        var audit = new Stores(database).Audit;
        Assert.Null((await AuditVerification.WalkAsync(audit, CancellationToken.None)).BrokenAt);
        IReadOnlyList<AuditLine> page;
        do
        {
            page = await audit.ReadAsync("node-1", _readUntil, 1000, CancellationToken.None);
            foreach (var line in page)
                Count(line, linesOf);
            if (page.Count > 0)
                _readUntil = page[^1].Sequence;
        }
        while (page.Count > 0);
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
        var kind = json.RootElement.GetProperty("kind").GetString()!.Split('.');
        if (kind is not [("user" or "client" or "key_record") and var thing, "created" or "changed" or "removed"])
            return;
        var name = json.RootElement.GetProperty(thing == "client" ? "clientId" : "subject").GetString()!;
        linesOf[name] = linesOf.GetValueOrDefault(name) + 1;
    }
}

/// <summary>On SQLite, in the data folder.</summary>
internal sealed class SqliteFaultServer : FaultServer
{
    protected override string[] EngineFlags => [];

    public override async Task<IDatabase> OpenDatabaseAsync() => await SqliteEngine.OpenAsync(Folder.File("keyreeve.db"), TimeProvider.System, "beside", CancellationToken.None);
}
