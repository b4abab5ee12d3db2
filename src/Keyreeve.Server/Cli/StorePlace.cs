using System.CommandLine;
using Keyreeve.Server.Hosting;
using Keyreeve.Server.Settings;
using Keyreeve.Storage;

namespace Keyreeve.Server.Cli;

/// <summary>Where a store is: in the SQLite file of a data folder, or in the PostgreSQL database that the settings name. Opened whole, for the commands that move it.</summary>
internal sealed class StorePlace
{
    private readonly DataFolder _folder;
    private readonly PostgresAddress? _postgres;

    private StorePlace(DataFolder folder, PostgresAddress? postgres, string node) => (_folder, _postgres, Node) = (folder, postgres, node);

    /// <summary>The node that the settings name.</summary>
    public string Node { get; }

    /// <summary>True when other nodes may share it.</summary>
    public bool IsShared => _postgres is not null;

    /// <summary>For people; no password.</summary>
    public string Name => _postgres?.Name ?? _folder.Database;

    public static Option<string> DataOption() => new("--data") { Description = "the data folder", DefaultValueFactory = _ => "./data" };

    public static Option<string?> ConfigOption() => new("--config") { Description = "the server's JSON file with settings: it may name a PostgreSQL database" };

    /// <summary>The store of a folder and its settings. To change it, hold the folder.</summary>
    public static StorePlace Of(DataFolder folder, ServerSettings settings) => new(folder, settings.Postgres, settings.Node);

    /// <summary>What <c>--to</c> names: a database, or a folder that is held from now on.</summary>
    /// <param name="text">A connection string or a path.</param>
    /// <param name="config">The server's settings: whether a connection may be unencrypted.</param>
    /// <param name="source">The folder that will go on beside a database: the KEK is there.</param>
    /// <param name="held">The folder, to be let go of.</param>
    public static StorePlace OfTarget(string text, string? config, DataFolder source, out DataFolder? held)
    {
        if (PostgresAddress.IsMeant(text))
        {
            held = null;
            return Of(source, ServeCommand.ReadSettings(config, null, ["Storage:Connection=" + text]));
        }
        held = DataFolder.Hold(text, make: true);
        return new(held, null, "");
    }

    /// <summary>Opens it for reading; its server may run.</summary>
    public async Task<StoreDoor> ReadAsync(CancellationToken cancel)
    {
        Demand();
        return _postgres is null ? await SqliteDoor.ReadAsync(_folder.Database, cancel) : await PostgresDoor.ReadAsync(_postgres, cancel);
    }

    /// <summary>Opens it for reading while no server runs, and none can start. The folder is held.</summary>
    public async Task<StoreDoor> ReadAloneAsync(CancellationToken cancel)
    {
        Demand();
        return _postgres is null ? await SqliteDoor.ReadAsync(_folder.Database, cancel) : await PostgresDoor.HoldAsync(_postgres, cancel);
    }

    /// <summary>
    /// Opens its engine as a server does, and with it makes the schema's steps; under a name of its own. The name is the same each time: what was
    /// broken off goes on at once, because the work that it had taken is its own again.
    /// </summary>
    public async Task<IDatabase> OpenEngineAsync(CancellationToken cancel)
    {
        Demand();
        var node = $"migrate/{Environment.MachineName}";
        return _postgres is null
            ? await SqliteEngine.OpenAsync(_folder.Database, TimeProvider.System, node, cancel)
            : await PostgresEngine.OpenAsync(_postgres, TimeProvider.System, node, cancel);
    }

    /// <summary>Fills a store that is not there yet; only a whole one can be used by a server. The folder is held.</summary>
    /// <param name="fill">Fills it; what it throws leaves nothing that a server would use.</param>
    /// <param name="beside">Writes what belongs beside the store, before it can be used.</param>
    /// <param name="cancel">Stops.</param>
    public async Task MakeAsync(Func<StoreDoor, Task> fill, Action beside, CancellationToken cancel)
    {
        DemandEmpty();
        if (_postgres is not null)
        {
            await using var door = await PostgresDoor.HoldAsync(_postgres, cancel);
            await fill(door);
            beside();
            return;
        }
        var unfinished = _folder.Database + ".unfinished";
        await using (var door = await SqliteDoor.MakeAsync(unfinished, cancel))
            await fill(door);
        beside();
        File.Move(unfinished, _folder.Database, overwrite: false);
    }

    /// <summary>Refuses a folder where a store is, or the log of one. Of a database <see cref="MakeAsync"/> finds out.</summary>
    public void DemandEmpty()
    {
        if (_postgres is not null)
            return;
        foreach (var file in (string[])[_folder.Database, _folder.Database + "-wal"])
            if (File.Exists(file))
                throw new TransferRefusedException($"{file} is there: a store is never overwritten. Nothing was changed; move it away, or give another folder");
    }

    private void Demand()
    {
        if (_postgres is null && !File.Exists(_folder.Database))
            throw new TransferRefusedException($"there is no database in {_folder.Root}");
    }
}
