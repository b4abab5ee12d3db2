using System.Data.Common;
using System.Globalization;
using Keyreeve.Storage;
using Npgsql;

namespace Keyreeve.Bench.World;

/// <summary>A column that differs from copy to copy.</summary>
internal sealed record Own(string Column, Func<int, object> Value);

/// <summary>Copies one row many times, as fast as the engine takes rows; columns that are not named stay as they are in the row.</summary>
internal static class Copies
{
    /// <summary>Rows in one transaction.</summary>
    private const int Batch = 100_000;

    /// <summary>Copies the row that <paramref name="where"/> finds, once for each number.</summary>
    public static async Task MakeAsync(IDatabase database, string table, string where, IReadOnlyList<int> numbers, params Own[] own)
    {
        for (var from = 0; from < numbers.Count; from += Batch)
        {
            var part = numbers.Skip(from).Take(Batch);
            await database.WriteAsync(async unit =>
            {
                var (columns, row) = await ReadAsync(unit, table, where);
                var values = columns.Select(c => own.FirstOrDefault(o => o.Column == c)?.Value).ToArray();
                if (unit.Connection is NpgsqlConnection postgres)
                    await CopyAsync(postgres, table, columns, row, values, part);
                else
                    await InsertAsync(unit, table, columns, row, values, part);
                return true;
            }, CancellationToken.None);
        }
    }

    private static async Task<(string[] Columns, object[] Row)> ReadAsync(UnitOfWork unit, string table, string where)
    {
        using var read = unit.Connection.CreateCommand();
        read.Transaction = unit.Transaction;
        read.CommandText = $"SELECT * FROM {table} WHERE {where} LIMIT 1";
        await using var reader = await read.ExecuteReaderAsync();
        if (!await reader.ReadAsync())
            throw new BenchException($"{table} has no row where {where}");
        var row = new object[reader.FieldCount];
        reader.GetValues(row);
        return ([.. Enumerable.Range(0, row.Length).Select(reader.GetName)], row);
    }

    private static async Task CopyAsync(NpgsqlConnection connection, string table, string[] columns, object[] row, Func<int, object>?[] values, IEnumerable<int> numbers)
    {
        await using var copy = await connection.BeginBinaryImportAsync($"COPY {table} ({string.Join(", ", columns)}) FROM STDIN (FORMAT BINARY)");
        foreach (var i in numbers)
        {
            await copy.StartRowAsync();
            for (var c = 0; c < columns.Length; c++)
            {
                if ((values[c]?.Invoke(i) ?? row[c]) is var value and not DBNull)
                    await copy.WriteAsync(value);
                else
                    await copy.WriteNullAsync();
            }
        }
        await copy.CompleteAsync();
    }

    private static async Task InsertAsync(UnitOfWork unit, string table, string[] columns, object[] row, Func<int, object>?[] values, IEnumerable<int> numbers)
    {
        // With the default of 2 MB every page of an index is written several times.
        using (var cache = unit.Connection.CreateCommand())
        {
            cache.Transaction = unit.Transaction;
            cache.CommandText = "PRAGMA cache_size = -262144";
            await cache.ExecuteNonQueryAsync();
        }
        using var insert = unit.Connection.CreateCommand();
        insert.Transaction = unit.Transaction;
        for (var c = 0; c < columns.Length; c++)
        {
            var parameter = insert.CreateParameter();
            parameter.ParameterName = "@p" + c.ToString(CultureInfo.InvariantCulture);
            parameter.Value = row[c];
            insert.Parameters.Add(parameter);
        }
        insert.CommandText = $"INSERT INTO {table} ({string.Join(", ", columns)}) VALUES ({string.Join(", ", insert.Parameters.Cast<DbParameter>().Select(p => p.ParameterName))})";
        await insert.PrepareAsync();
        foreach (var i in numbers)
        {
            for (var c = 0; c < values.Length; c++)
                if (values[c] is { } value)
                    insert.Parameters[c].Value = value(i);
            await insert.ExecuteNonQueryAsync();
        }
    }
}
