using Keyreeve.Core.Keys;

namespace Keyreeve.Storage;

/// <summary>Fills an empty store from a backup.</summary>
public static class StoreRestore
{
    /// <summary>What the mark says.</summary>
    public const string By = "keyreeve restore";

    /// <summary>Holds the backup against this program, the KEK and its seal; nothing is written before.</summary>
    /// <exception cref="TransferRefusedException">It cannot be restored here, and what is missing.</exception>
    /// <exception cref="SchemaRefusedException">It is of a newer program.</exception>
    public static void Check(BackupReader backup, Kek kek, Action<TransferProgress>? progress, CancellationToken cancel)
    {
        MigrationRunner.Refuse([.. backup.Header.Schema.Select((name, i) => (i + 1, name))]);
        var missing = backup.NeededKeks.Where(id => !SealedColumns.Knows(kek, id)).ToList();
        if (missing.Count > 0)
            throw new TransferRefusedException($"the backup needs KEK {string.Join(" and ", missing)}; the one that is here is {kek.Id}. Put the right one in its place; nothing was changed");
        backup.CheckSeal(kek, progress, cancel);
    }

    /// <summary>Fills, compares, brings the schema up to date, ends what could be used twice; then, and not before, a server can use it.</summary>
    /// <param name="backup">As <see cref="Check"/> found it good.</param>
    /// <param name="target">Empty, or left by an attempt that broke off.</param>
    /// <param name="kek">Opens the file's seal and the sealed values.</param>
    /// <param name="choices">What the operator asked for.</param>
    /// <param name="attachment">Gets the files of a demo folder.</param>
    /// <param name="clock">For the audit line.</param>
    /// <param name="progress">Told now and then.</param>
    /// <param name="cancel">Leaves a target that no server uses.</param>
    /// <exception cref="TransferRefusedException">It is not restored, and why.</exception>
    /// <exception cref="InvalidDataException">The backup does not hold what it says.</exception>
    public static async Task<RestoredState> RunAsync(
        BackupReader backup, StoreDoor target, Kek kek, RestoreChoices choices, Action<string, byte[]> attachment, TimeProvider clock, Action<TransferProgress>? progress, CancellationToken cancel)
    {
        var tables = (await StoreFilling.BeginAsync(target, By, backup.Header.Schema.Count, clock, cancel)).ToDictionary(t => t.Name, StringComparer.Ordinal);
        if (!tables.Keys.ToHashSet(StringComparer.Ordinal).SetEquals(backup.Header.Rows.Keys))
            throw new InvalidDataException("the backup does not have the tables of its schema version");
        var tallies = new List<(TableShape, TableTally)>();
        await backup.ReadBodyAsync(kek, async given =>
        {
            var shape = InOrderOf(given, tables[given.Name]);
            tallies.Add((shape, await StoreFilling.FillAsync(target, shape, given.ReadRows(shape.Columns).ToAsyncEnumerable(), "restoring", backup.Header.Rows[given.Name], progress, cancel)));
        }, attachment, cancel);
        foreach (var (table, tally) in tallies)
            await StoreFilling.CompareAsync(target, table, tally, progress, cancel);
        progress?.Invoke(new("migrating", "schema", 0, 0));
        await MigrationRunner.ApplyAsync(target.Connection, Migration.Known, Backfill.Known, clock, target.Say, cancel);
        await StoreFilling.LosePassingAsync(target, cancel);
        if (await StoreFilling.ExamineAsync(target, kek, clock, progress, cancel) is { } damage && !choices.AcceptDamage)
            throw new TransferRefusedException($"the store was damaged already when it was backed up: {damage}. Take another backup, or restore it as it is with --accept-damage");
        return await new OneConnection(target.Connection, clock, RestoredState.Node).WriteAsync(async unit =>
        {
            var ended = await RestoredState.EndAsync(unit, backup.Header, choices.KeepGrants);
            await StoreMarks.EndFillingAsync(unit.Connection, unit.Transaction);
            return ended;
        }, cancel);
    }

    /// <summary>The table with its columns in the order of the file. Names that are not the catalogue's own do not get further than this.</summary>
    private static TableShape InOrderOf(BackupTable given, TableShape table)
    {
        var columns = given.Columns.Select(g => table.Columns.FirstOrDefault(c => c.Name == g.Name && c.Kind == g.Kind)).ToList();
        if (columns.Count != table.Columns.Count || columns.Contains(null) || columns.Distinct().Count() != columns.Count)
            throw new InvalidDataException($"table {table.Name} of the backup does not have the columns of its schema version");
        return table with { Columns = columns! };
    }
}

/// <summary>What an operator may ask of a restore.</summary>
/// <param name="KeepGrants">Refresh tokens go on working.</param>
/// <param name="AcceptDamage">Restore although the audit is broken or a sealed value does not open.</param>
public sealed record RestoreChoices(bool KeepGrants, bool AcceptDamage);
