using Dapper;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Keys;

namespace Keyreeve.Storage;

/// <summary>What restore and copy share: they fill an empty store, and until they have ended no server starts on it.</summary>
internal static class StoreFilling
{
    /// <summary>Marks the store and makes the first <paramref name="steps"/> steps of the schema; what an attempt before this one left is taken away.</summary>
    /// <returns>The tables to be filled, each empty, in an order in which they can be.</returns>
    /// <exception cref="TransferRefusedException">The store is in use by somebody.</exception>
    public static async Task<IReadOnlyList<TableShape>> BeginAsync(StoreDoor target, string by, int steps, TimeProvider clock, CancellationToken cancel)
    {
        var there = await target.ReadCatalogueAsync(null, cancel);
        if (there.Any(t => t.Name == StoreMarks.Table) && await StoreMarks.FillingAsync(target.Connection) is not null)
            await target.EmptyAsync(cancel);
        else if (there.Count > 0)
            throw new TransferRefusedException($"the target is not empty: it has {there.Count} tables ({string.Join(", ", there.Select(t => t.Name).Order(StringComparer.Ordinal).Take(3))} ...). Nothing was changed; give an empty one");
        await StoreMarks.BeginFillingAsync(target.Connection, by, cancel);
        await MigrationRunner.ApplyAsync(target.Connection, [.. Migration.Known.Take(steps)], Backfill.Known, clock, target.Say, cancel);
        var tables = TableShape.InOrder(await target.ReadCatalogueAsync(null, cancel));
        foreach (var table in tables.Reverse())
            await target.Connection.ExecuteAsync(new CommandDefinition($"DELETE FROM {table.Name}", cancellationToken: cancel));
        return tables;
    }

    /// <summary>Leaves the tables that nobody moves as a crash of the database would: empty, which says that something was lost.</summary>
    public static async Task LosePassingAsync(StoreDoor target, CancellationToken cancel)
    {
        foreach (var table in (await target.ReadCatalogueAsync(null, cancel)).Where(t => Migration.PassingTables.Contains(t.Name)))
            await target.Connection.ExecuteAsync(new CommandDefinition($"DELETE FROM {table.Name}", cancellationToken: cancel));
    }

    /// <summary>Moves the rows of one table.</summary>
    public static async Task<TableTally> FillAsync(
        StoreDoor target, TableShape table, IAsyncEnumerable<object?[]> rows, string doing, long total, Action<TransferProgress>? progress, CancellationToken cancel)
    {
        var counter = new TallyCounter(table.Name);
        await using (var sink = await target.FillAsync(table, cancel))
        {
            await foreach (var row in rows.WithCancellation(cancel))
            {
                await sink.WriteAsync(row, cancel);
                counter.Add(row);
                if (counter.Rows % 1000 == 0)
                    progress?.Invoke(new(doing, table.Name, counter.Rows, total));
            }
            await sink.CompleteAsync(cancel);
        }
        progress?.Invoke(new(doing, table.Name, counter.Rows, total));
        return counter.Tally;
    }

    /// <summary>Reads back what was written.</summary>
    /// <exception cref="InvalidDataException">The engine does not hold what it was given.</exception>
    public static async Task CompareAsync(StoreDoor target, TableShape table, TableTally given, Action<TransferProgress>? progress, CancellationToken cancel)
    {
        var held = await TableTally.OfAsync(target, table, rows => progress?.Invoke(new("checking", table.Name, rows, given.Rows)), cancel);
        progress?.Invoke(new("checking", table.Name, held.Rows, given.Rows));
        if (held != given)
            throw new InvalidDataException($"table {table.Name}: {given.Rows} rows were given and {held.Rows} are held, or other ones");
    }

    /// <summary>Walks the audit and opens every sealed value. Null when all is well, else what is not.</summary>
    public static async Task<string?> ExamineAsync(StoreDoor door, Kek kek, TimeProvider clock, Action<TransferProgress>? progress, CancellationToken cancel)
    {
        progress?.Invoke(new("examining", "audit", 0, 0));
        var walk = await AuditVerification.WalkAsync(new AuditStore(new OneConnection(door.Connection, clock, "examine")), cancel);
        if (walk.BrokenAt is not null)
            return $"the audit's chain is broken at {walk.BrokenAt}";
        progress?.Invoke(new("examining", "sealed values", 0, 0));
        return await SealedColumns.FirstClosedAsync(door.Connection, kek, cancel) is { } closed ? $"the sealed value {closed} does not open: its row was changed, or another KEK sealed it" : null;
    }
}
