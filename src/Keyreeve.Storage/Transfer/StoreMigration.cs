using System.Globalization;

namespace Keyreeve.Storage;

/// <summary>Brings a store up to date while no server does: schema and backfills, to the end.</summary>
public static class StoreMigration
{
    /// <summary>Runs what is missing. May be broken off and run again at any time.</summary>
    /// <param name="door">The store.</param>
    /// <param name="again">Backfills begin anew.</param>
    /// <param name="clock">For the rows that tell of it.</param>
    /// <param name="progress">Told after each batch.</param>
    /// <param name="cancel">Ends between two steps.</param>
    /// <exception cref="SchemaRefusedException">The store is a newer program's, or half filled.</exception>
    public static async Task RunAsync(StoreDoor door, bool again, TimeProvider clock, Action<TransferProgress>? progress, CancellationToken cancel)
    {
        if (!(await door.ReadCatalogueAsync(null, cancel)).Any(t => t.Name == "schema_migrations"))
            throw new TransferRefusedException("this is no store of Keyreeve: it has no table schema_migrations");
        progress?.Invoke(new("migrating", "schema", 0, 0));
        await MigrationRunner.RunAsync(door.Connection, Migration.Known, clock, cancel);
        // A process of its own, and so a lease of its own: a server that died a moment ago keeps it for half a minute.
        var database = new OneConnection(door.Connection, clock, string.Create(CultureInfo.InvariantCulture, $"migrate/{Environment.MachineName}/{Environment.ProcessId}"));
        if (again)
            await database.WriteAsync(unit => BackfillTable.BeginAgainAsync(unit.Connection, unit.Transaction), cancel);
        await new BackfillRunner(database).RunAsync(background: false, b => progress?.Invoke(new("filling", b.Name, b.RowsDone, Math.Max(b.RowsTotal, b.RowsDone))), cancel);
    }
}
