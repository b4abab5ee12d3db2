namespace Keyreeve.Storage;

/// <summary>How a store stands, whatever program wrote it.</summary>
/// <param name="SchemaVersion">Steps it has.</param>
/// <param name="Pending">Steps of this program that it has not.</param>
/// <param name="Filling">What began to fill it and has not ended, or null.</param>
/// <param name="Backfills">How far each is.</param>
/// <param name="Rows">Rows of the tables asked for.</param>
/// <param name="Octets">Its size on disk.</param>
public sealed record StoreStatus(
    int SchemaVersion, IReadOnlyList<Migration> Pending, string? Filling, IReadOnlyList<BackfillProgress> Backfills, IReadOnlyDictionary<string, long> Rows, long Octets)
{
    /// <summary>Reads it; changes nothing.</summary>
    public static async Task<StoreStatus> ReadAsync(StoreDoor door, IReadOnlyList<string> tables, CancellationToken cancel)
    {
        var catalogue = await door.ReadCatalogueAsync(null, cancel);
        var steps = Has("schema_migrations") ? await MigrationRunner.AppliedAsync(door.Connection, null) : [];
        var filling = Has(StoreMarks.Table) ? await StoreMarks.FillingAsync(door.Connection) : null;
        var backfills = Has("schema_backfills") ? await BackfillTable.ReadAsync(door.Connection, null) : [];
        var rows = new Dictionary<string, long>(StringComparer.Ordinal);
        foreach (var table in catalogue.Where(t => tables.Contains(t.Name, StringComparer.Ordinal)))
            rows.Add(table.Name, await door.CountAsync(table, null, cancel));
        return new(steps.Count == 0 ? 0 : steps[^1].Number, [.. Migration.Known.Where(m => !steps.Any(s => s.Number == m.Number))], filling, backfills, rows, await door.SizeAsync(cancel));

        bool Has(string table) => catalogue.Any(t => t.Name == table);
    }
}
