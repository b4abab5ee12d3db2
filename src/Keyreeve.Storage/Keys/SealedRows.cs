using System.Data.Common;
using System.Security.Cryptography;
using Dapper;
using Keyreeve.Core.Keys;

namespace Keyreeve.Storage;

/// <summary>How many rows of a column one KEK seals.</summary>
/// <param name="Column">The column.</param>
/// <param name="KekId">The KEK's id; null for what is no sealed value.</param>
/// <param name="Rows">How many.</param>
public sealed record SealedCount(SealedColumn Column, string? KekId, long Rows);

/// <summary>How a rewrap stands.</summary>
/// <param name="Seen">Rows looked at.</param>
/// <param name="Rewrapped">Rows that are sealed by the current KEK since.</param>
/// <param name="Unopened">Rows that open with no known key, or whose row was tampered with: they stay as they are.</param>
/// <param name="FirstUnopened">Why the first of them does not open, or null.</param>
public readonly record struct RewrapProgress(long Seen, long Rewrapped, long Unopened, string? FirstUnopened);

/// <summary>All values that the KEK seals, whatever their table: counted by KEK, and rewrapped from any known KEK to the current one.</summary>
public sealed class SealedRows(IDatabase database)
{
    /// <summary>Rows of one batch. Our choice: some milliseconds, so that a request behind it does not notice.</summary>
    public const int BatchRows = 200;

    /// <summary>Reads every sealed value's head: a walk through the tables.</summary>
    public Task<IReadOnlyList<SealedCount>> CountAsync(CancellationToken cancel) => database.ReadAsync<IReadOnlyList<SealedCount>>(async connection =>
    {
        var counts = new List<SealedCount>();
        foreach (var column in SealedColumn.All)
        {
            var heads = await connection.QueryAsync<(byte[] Head, long Rows)>(
                $"SELECT substr({column.Column}, 1, 9) AS head, COUNT(*) AS number FROM {column.Table} WHERE {column.Only} GROUP BY substr({column.Column}, 1, 9)");
            counts.AddRange(heads.GroupBy(h => Kek.IdOf(h.Head)).Select(g => new SealedCount(column, g.Key, g.Sum(h => h.Rows))).OrderBy(c => c.KekId, StringComparer.Ordinal));
        }
        return counts;
    }, cancel);

    /// <summary>
    /// Seals anew, by the current key, whatever another one sealed. Batches are short and compare before they set: who changes a row meanwhile wins. It may
    /// be cut off and run again at any time.
    /// </summary>
    /// <param name="kek">Opens with all its keys, seals with the current one.</param>
    /// <param name="goesOn">Asked before each batch; false ends the walk.</param>
    /// <param name="told">Told after each batch.</param>
    /// <param name="cancel">Ends the walk between two batches.</param>
    public async Task<RewrapProgress> RewrapAsync(Kek kek, Func<Task<bool>> goesOn, Action<RewrapProgress> told, CancellationToken cancel)
    {
        var progress = default(RewrapProgress);
        foreach (var column in SealedColumn.All)
        {
            Row[] page = [];
            do
            {
                if (!await goesOn())
                    return progress;
                page = await ReadAsync(column, page.LastOrDefault()?.Key, cancel);
                var began = database.Clock.GetTimestamp();
                var changes = Reseal(column, page, kek, ref progress);
                if (changes.Count > 0)
                {
                    progress = progress with { Rewrapped = progress.Rewrapped + await WriteAsync(column, changes, cancel) };
                    // Requests get three quarters of the store at least.
                    await Task.Delay(3 * database.Clock.GetElapsedTime(began), cancel);
                }
                told(progress);
            }
            while (page.Length == BatchRows);
        }
        return progress;
    }

    private Task<Row[]> ReadAsync(SealedColumn column, object[]? after, CancellationToken cancel) => database.ReadAsync(async connection =>
    {
        var keys = string.Join(", ", column.Key);
        await using var select = connection.CreateCommand();
        var values = column.Key.Concat(column.Beside).ToList();
        var where = after is null ? "" : $"AND ({keys}) > ({string.Join(", ", column.Key.Select((_, i) => $"@k{i}"))})";
        select.CommandText = $"SELECT {string.Join(", ", values)}, {column.Column} FROM {column.Table} WHERE {column.Only} {where} ORDER BY {keys} LIMIT {BatchRows}";
        for (var i = 0; i < after?.Length; i++)
            Add(select, $"@k{i}").Value = after[i];
        await using var reader = await select.ExecuteReaderAsync(cancel);
        var rows = new List<Row>(BatchRows);
        while (await reader.ReadAsync(cancel))
        {
            var read = values.Select((_, i) => reader.GetValue(i)).ToArray();
            rows.Add(new(read[..column.Key.Count], read, reader.GetFieldValue<byte[]>(values.Count)));
        }
        return rows.ToArray();
    }, cancel);

    private static List<(object[] Key, byte[] Before, byte[] After)> Reseal(SealedColumn column, Row[] page, Kek kek, ref RewrapProgress progress)
    {
        var changes = new List<(object[], byte[], byte[])>();
        progress = progress with { Seen = progress.Seen + page.Length };
        foreach (var row in page)
        {
            if (Kek.IdOf(row.Value) == kek.Id)
                continue;
            var purpose = column.Purpose(row.Named);
            if (!kek.TryOpen(purpose, row.Value, out var plain))
            {
                progress = progress with { Unopened = progress.Unopened + 1, FirstUnopened = progress.FirstUnopened ?? $"{column}, row {string.Join('/', row.Key)}: {kek.WhyNot(row.Value)}" };
                continue;
            }
            changes.Add((row.Key, row.Value, kek.Seal(purpose, plain)));
            CryptographicOperations.ZeroMemory(plain);
        }
        return changes;
    }

    private Task<int> WriteAsync(SealedColumn column, List<(object[] Key, byte[] Before, byte[] After)> changes, CancellationToken cancel) => database.WriteAsync(async unit =>
    {
        // Of key records only what the release before has sealed.
        unit.ChangesNothingRemembered();
        await using var update = unit.Connection.CreateCommand();
        update.Transaction = unit.Transaction;
        update.CommandText = $"UPDATE {column.Table} SET {column.Column} = @after WHERE {string.Join(" AND ", column.Key.Select((k, i) => $"{k} = @k{i}"))} AND {column.Column} = @before";
        var (newValue, oldValue) = (Add(update, "@after"), Add(update, "@before"));
        var keyValues = column.Key.Select((_, i) => Add(update, $"@k{i}")).ToArray();
        var changed = 0;
        // The parameters stay and get new values: an engine that has prepared the statement goes on with the ones that it knows.
        foreach (var (key, before, after) in changes)
        {
            (newValue.Value, oldValue.Value) = (after, before);
            for (var i = 0; i < key.Length; i++)
                keyValues[i].Value = key[i];
            changed += await update.ExecuteNonQueryAsync(cancel);
        }
        if (changed > 0 && column.HeldBy is { } topic)
            unit.Bump(topic);
        return changed;
    }, cancel);

    private static DbParameter Add(DbCommand command, string name)
    {
        var parameter = command.CreateParameter();
        parameter.ParameterName = name;
        command.Parameters.Add(parameter);
        return parameter;
    }

    /// <param name="Key">The key's values.</param>
    /// <param name="Named">Those, and the ones beside them.</param>
    /// <param name="Value">The sealed octets.</param>
    private sealed record Row(object[] Key, object[] Named, byte[] Value);
}
