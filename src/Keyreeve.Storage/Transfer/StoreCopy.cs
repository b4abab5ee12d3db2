using Keyreeve.Core.Keys;

namespace Keyreeve.Storage;

/// <summary>Copies a whole store into an empty one, of whatever engine. The source is only read; its server is stopped, which is the caller's to see to.</summary>
public static class StoreCopy
{
    /// <summary>What the mark says.</summary>
    public const string By = "keyreeve admin db copy";

    /// <summary>Copies, reads back, compares; then, and not before, the target can be served.</summary>
    /// <param name="source">Where the rows are.</param>
    /// <param name="target">Empty, or left by an attempt that broke off.</param>
    /// <param name="kek">Opens the source's sealed values, to see that they are whole.</param>
    /// <param name="acceptDamage">Copy although the source's audit is broken or a value does not open.</param>
    /// <param name="clock">For the schema's steps.</param>
    /// <param name="progress">Told now and then.</param>
    /// <param name="cancel">Leaves a target that no server uses.</param>
    /// <returns>Rows by table.</returns>
    /// <exception cref="TransferRefusedException">Nothing was changed, and why.</exception>
    public static async Task<IReadOnlyList<TableTally>> RunAsync(
        StoreDoor source, StoreDoor target, Kek kek, bool acceptDamage, TimeProvider clock, Action<TransferProgress>? progress, CancellationToken cancel)
    {
        var catalogue = await source.ReadCatalogueAsync(null, cancel);
        if (!catalogue.Any(t => t.Name == "schema_migrations"))
            throw new TransferRefusedException("the source is no store of Keyreeve: it has no table schema_migrations");
        if (catalogue.Any(t => t.Name == StoreMarks.Table) && await StoreMarks.FillingAsync(source.Connection) is { } by)
            throw new TransferRefusedException($"the source is half filled ({by} has not ended): there is nothing to copy");
        var steps = await MigrationRunner.AppliedAsync(source.Connection, null);
        MigrationRunner.Refuse(steps);
        if (steps.Count != Migration.Known.Count)
            throw new TransferRefusedException($"the source has schema version {steps.Count}, this program has {Migration.Known.Count}: run keyreeve admin db migrate on it first");
        if (await StoreFilling.ExamineAsync(source, kek, clock, progress, cancel) is { } damage && !acceptDamage)
            throw new TransferRefusedException($"the source is damaged: {damage}. Find out why; --accept-damage copies it as it is");

        // One state, also when somebody starts a server in spite of all.
        await using var snapshot = await source.BeginSnapshotAsync(cancel);
        var shapes = TableShape.InOrder(await source.ReadCatalogueAsync(snapshot, cancel)).ToDictionary(t => t.Name, StringComparer.Ordinal);
        var tables = await StoreFilling.BeginAsync(target, By, steps.Count, clock, cancel);
        if (!tables.Select(t => t.Name).ToHashSet(StringComparer.Ordinal).SetEquals(shapes.Keys))
            throw new InvalidDataException("the two engines do not have the same tables");
        var tallies = new List<TableTally>();
        foreach (var table in tables)
        {
            // The target's order of columns is the one that both are read and written in.
            var total = await source.CountAsync(table, snapshot, cancel);
            var tally = await StoreFilling.FillAsync(target, table, source.ReadRowsAsync(table, snapshot, cancel), "copying", total, progress, cancel);
            if (tally.Rows != total)
                throw new InvalidDataException($"table {table.Name} has {tally.Rows} rows where {total} were counted");
            tallies.Add(tally);
        }
        foreach (var (table, tally) in tables.Zip(tallies))
            await StoreFilling.CompareAsync(target, table, tally, progress, cancel);
        await StoreFilling.LosePassingAsync(target, cancel);
        await StoreMarks.EndFillingAsync(target.Connection, null);
        return tallies;
    }
}
