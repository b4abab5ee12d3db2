namespace Keyreeve.Storage;

/// <summary>Brings a store up to date before a server does: schema and backfills, to the end.</summary>
public static class StoreMigration
{
    /// <summary>Runs what is missing. May be broken off and run again at any time.</summary>
    /// <param name="door">Looks at the store before it is changed.</param>
    /// <param name="open">Opens its engine, which makes the schema's steps.</param>
    /// <param name="again">Backfills begin anew.</param>
    /// <param name="progress">Told after each batch.</param>
    /// <param name="cancel">Ends between two steps.</param>
    /// <exception cref="SchemaRefusedException">The store is a newer program's, or half filled.</exception>
    public static async Task RunAsync(StoreDoor door, Func<Task<IDatabase>> open, bool again, Action<TransferProgress>? progress, CancellationToken cancel)
    {
        if (!(await door.ReadCatalogueAsync(null, cancel)).Any(t => t.Name == "schema_migrations"))
            throw new TransferRefusedException("this is no store of Keyreeve: it has no table schema_migrations");
        progress?.Invoke(new("migrating", "schema", 0, 0));
        await using var database = await open();
        if (again)
            await database.WriteAsync(unit => BackfillTable.BeginAgainAsync(unit.Connection, unit.Transaction), cancel);
        await new BackfillRunner(database).RunAsync(background: false, b => progress?.Invoke(new("filling", b.Name, b.RowsDone, Math.Max(b.RowsTotal, b.RowsDone))), cancel);
    }
}
