using System.CommandLine;
using Keyreeve.Server.Hosting;
using Keyreeve.Server.Settings;
using Keyreeve.Storage;

namespace Keyreeve.Server.Cli;

/// <summary>Where a store is: in the SQLite file of a data folder. Opened whole, for the commands that move it.</summary>
internal sealed class StorePlace
{
    private StorePlace(DataFolder folder, string node) => (Folder, Node) = (folder, node);

    /// <summary>The data folder: lock, KEK, the demo's files.</summary>
    public DataFolder Folder { get; }

    /// <summary>The node that the settings name.</summary>
    public string Node { get; }

    /// <summary>For people.</summary>
    public string Name => Folder.Database;

    public static Option<string> DataOption() => new("--data") { Description = "the data folder", DefaultValueFactory = _ => "./data" };

    public static Option<string?> ConfigOption() => new("--config") { Description = "the server's JSON file with settings" };

    /// <summary>The store of an existing folder and its settings.</summary>
    public static StorePlace Of(string data, string? config) => new(DataFolder.Existing(data), ServeCommand.ReadSettings(config, null, []).Node);

    /// <summary>The store of a folder whose lock is held, until this is no longer needed.</summary>
    public static StorePlace Of(DataFolder held, ServerSettings settings) => new(held, settings.Node);

    /// <summary>Opens it for reading; its server may run.</summary>
    public async Task<StoreDoor> ReadAsync(CancellationToken cancel)
    {
        Demand();
        return await SqliteDoor.ReadAsync(Folder.Database, cancel);
    }

    /// <summary>Opens it for writing; its server does not run.</summary>
    public async Task<StoreDoor> WriteAsync(CancellationToken cancel)
    {
        Demand();
        return await SqliteDoor.WriteAsync(Folder.Database, cancel);
    }

    /// <summary>
    /// Makes a store that is not there yet, fills it, and only then puts it in its place. The folder is held.
    /// </summary>
    /// <param name="fill">Fills it; what it throws leaves nothing that a server would use.</param>
    /// <param name="before">The last thing before it can be used.</param>
    /// <param name="cancel">Stops.</param>
    public async Task MakeAsync(Func<StoreDoor, Task> fill, Action before, CancellationToken cancel)
    {
        DemandEmpty();
        var unfinished = Folder.Database + ".unfinished";
        await using (var door = await SqliteDoor.MakeAsync(unfinished, cancel))
            await fill(door);
        before();
        File.Move(unfinished, Folder.Database, overwrite: false);
    }

    /// <summary>Refuses a place where a store is, or the log of one.</summary>
    public void DemandEmpty()
    {
        foreach (var file in (string[])[Folder.Database, Folder.Database + "-wal"])
            if (File.Exists(file))
                throw new TransferRefusedException($"{file} is there: a store is never overwritten. Nothing was changed; move it away, or give another folder");
    }

    private void Demand()
    {
        if (!File.Exists(Folder.Database))
            throw new TransferRefusedException($"there is no database in {Folder.Root}");
    }
}
