using System.Data.Common;
using Dapper;
using Keyreeve.Core.Keys;

namespace Keyreeve.Storage;

/// <summary>
/// The columns that hold what the KEK sealed (<see cref="SealedColumn.All"/>): which KEKs a store needs, and whether what is in it opens.
/// </summary>
public static class SealedColumns
{
    /// <summary>Table and column of each.</summary>
    public static IReadOnlyList<(string Table, string Column)> Known { get; } = [.. SealedColumn.All.Select(c => (c.Table, c.Column))];

    /// <summary>True when the KEK opens what the key of this ID sealed.</summary>
    public static bool Knows(Kek kek, string id) => kek.Id == id || kek.OtherIds.Contains(id, StringComparer.Ordinal);

    /// <summary>IDs of the KEKs, in order. A value that is not sealed at all counts as sealed by "?".</summary>
    public static async Task<IReadOnlyList<string>> KeksAsync(DbConnection connection, DbTransaction? transaction, CancellationToken cancel)
    {
        var ids = new SortedSet<string>(StringComparer.Ordinal);
        foreach (var column in await ThereAsync(connection, transaction))
            foreach (var head in await connection.QueryAsync<byte[]>(new CommandDefinition($"SELECT DISTINCT substr({column.Column}, 1, 9) FROM {column.Table} WHERE {column.Only}", transaction: transaction, commandTimeout: 0, cancellationToken: cancel)))
                ids.Add(Kek.IdOf(head) ?? "?");
        return [.. ids];
    }

    /// <summary>Opens every value; returns the name of the first that does not open, or null.</summary>
    public static async Task<string?> FirstClosedAsync(DbConnection connection, Kek kek, CancellationToken cancel)
    {
        foreach (var column in await ThereAsync(connection, null))
        {
            await using var command = connection.CreateCommand();
            command.CommandText = $"SELECT {column.Column}, {string.Join(", ", column.Key.Concat(column.Beside))} FROM {column.Table} WHERE {column.Only}";
            command.CommandTimeout = 0;
            await using var rows = await command.ExecuteReaderAsync(cancel);
            while (await rows.ReadAsync(cancel))
            {
                var name = column.Purpose([.. Enumerable.Range(1, column.Key.Count + column.Beside.Count).Select(rows.GetValue)]);
                if (!kek.TryOpen(name, rows.GetFieldValue<byte[]>(0), out var opened))
                    return name;
                System.Security.Cryptography.CryptographicOperations.ZeroMemory(opened);
            }
        }
        return null;
    }

    private static async Task<IEnumerable<SealedColumn>> ThereAsync(DbConnection connection, DbTransaction? transaction)
    {
        var steps = (await MigrationRunner.AppliedAsync(connection, transaction)).Select(step => step.Number).ToHashSet();
        return SealedColumn.All.Where(column => steps.Contains(column.Since));
    }
}
