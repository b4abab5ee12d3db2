using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Keys;
using Keyreeve.Server.Settings;
using Keyreeve.Storage;

namespace Keyreeve.Server.Hosting;

/// <summary>
/// Which database a node uses, and what must hold before it writes anything there. SQLite lies in the data folder and is one with
/// it; a PostgreSQL database is shared with other nodes, each with a folder of its own.
/// </summary>
internal static class StoreStart
{
    /// <summary>The first value that the first start of a database seals (<see cref="Pki"/>): it tells which KEK the database needs.</summary>
    private const string FirstSealed = "ca/Root";

    /// <summary>Says of a shared database what the file demo.folder says of a folder.</summary>
    private const string DemoMark = "demo";

    /// <summary>
    /// The KEK. Other nodes may have sealed the database long ago, so that this node must be given theirs; whether it is the right one
    /// is checked here, before anything is written.
    /// </summary>
    public static async Task<Kek> OpenKekAsync(ServerSettings settings, DataFolder folder, CancellationToken cancel)
    {
        if (settings.Postgres is not { } address)
            return folder.OpenKek();
        var first = await PostgresEngine.FindSealedAsync(address, FirstSealed, cancel);
        if (first is null)
            return folder.OpenKek();
        var needed = Kek.IdOf(first) ?? "of a newer version";
        var kek = folder.OpenKek($"the database {address} is sealed by KEK {needed}");
        if (kek.TryOpen(FirstSealed, first, out _))
            return kek;
        var has = kek.Id;
        kek.Dispose();
        throw new DataFolderException($"the database {address} is sealed by KEK {needed}, and this node has KEK {has}. Every node of a database has the same: copy the file kek of another node to {folder.Path("kek")}, or set KEYREEVE_KEK");
    }

    /// <summary>Opens it and brings its schema up to date.</summary>
    public static async Task<IDatabase> OpenDatabaseAsync(ServerSettings settings, DataFolder folder, TimeProvider clock, CancellationToken cancel) =>
        settings.Postgres is { } address
            ? await PostgresEngine.OpenAsync(address, clock, settings.Node, cancel)
            : await SqliteEngine.OpenAsync(folder.Database, clock, settings.Node, cancel);

    /// <summary>Opens the database that a server used or uses, for a command that runs beside it.</summary>
    /// <param name="settings">They name the database, or none.</param>
    /// <param name="dataPath">The data folder, when the database lies there.</param>
    /// <param name="what">What the command does; its name among the nodes.</param>
    /// <param name="cancel">Stops it.</param>
    public static async Task<IDatabase> OpenBesideAsync(ServerSettings settings, string dataPath, string what, CancellationToken cancel)
    {
        var name = string.Create(CultureInfo.InvariantCulture, $"{what} {Environment.MachineName} {Environment.ProcessId}");
        if (settings.Postgres is { } address)
            return await PostgresEngine.OpenAsync(address, TimeProvider.System, name, cancel);
        var folder = DataFolder.Existing(dataPath);
        return File.Exists(folder.Database)
            ? await SqliteEngine.OpenAsync(folder.Database, TimeProvider.System, name, cancel)
            : throw new DataFolderException($"there is no database in {folder.Root}");
    }

    /// <summary>Demo users are never added to a real database, and a demo's database is not for real use.</summary>
    public static async Task CheckDemoAsync(ServerOptions options, Stores stores, Kek kek, TimeProvider clock, CancellationToken cancel)
    {
        if (options.Settings.Postgres is not { } address)
            return;
        var marked = await stores.Sealed.FindAsync(DemoMark, cancel) is not null;
        if (marked && !options.Demo)
            throw new DataFolderException($"the database {address} was created with --demo and is not for real use. Name another one in Storage:Connection");
        if (marked || !options.Demo)
            return;
        if (await stores.Sealed.FindAsync(FirstSealed, cancel) is not null)
            throw new DataFolderException($"the database {address} was not created with --demo: demo users and secrets are never added to a real store. Name an empty one in Storage:Connection");
        await stores.Sealed.AddIfAbsentAsync(DemoMark, kek.Seal(DemoMark, Encoding.UTF8.GetBytes("{}")), Entry(clock, "this database is a demo's"), cancel);
    }

    /// <summary>What another node of a demo wrote into its folder; null when there is none.</summary>
    public static async Task<string?> FindDemoAsync(ServerParts parts, CancellationToken cancel) =>
        parts.Options.Settings.Postgres is not null && await parts.Stores.Sealed.FindAsync(DemoMark, cancel) is { } value
            && parts.Kek.TryOpen(DemoMark, value, out var text) && Encoding.UTF8.GetString(text) is { Length: > 2 } files ? files : null;

    /// <summary>Lets the other nodes of a demo have what this one made.</summary>
    public static Task KeepDemoAsync(ServerParts parts, string files, CancellationToken cancel) => parts.Options.Settings.Postgres is null
        ? Task.CompletedTask
        : parts.Stores.Sealed.PutAsync(DemoMark, parts.Kek.Seal(DemoMark, Encoding.UTF8.GetBytes(files)), Entry(parts.Clock, "demo data made"), cancel);

    /// <summary>A demo's store that came out of a backup or another engine: the database says so as if its first start had been here.</summary>
    public static Task MarkDemoAsync(StoreDoor door, Kek kek, IReadOnlyDictionary<string, byte[]> files, TimeProvider clock, CancellationToken cancel)
    {
        var json = new JsonObject([.. files.Select(f => KeyValuePair.Create<string, JsonNode?>(f.Key, Encoding.UTF8.GetString(f.Value)))]).ToJsonString();
        return new SealedStore(new OneConnection(door.Connection, clock, RestoredState.Node)).PutAsync(DemoMark, kek.Seal(DemoMark, Encoding.UTF8.GetBytes(json)), Entry(clock, "this database is a demo's"), cancel);
    }

    private static AuditEntry Entry(TimeProvider clock, string detail) => new()
    {
        Kind = "demo.marked",
        Outcome = AuditOutcome.Changed,
        At = clock.GetUtcNow().ToUnixTimeMilliseconds(),
        Actor = "system",
        Detail = detail,
    };
}
