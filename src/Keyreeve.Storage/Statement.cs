using System.Data;
using System.Data.Common;

namespace Keyreeve.Storage;

/// <summary>
/// A statement of a hot path: its text is parsed once per connection (<see cref="Prepared"/>), its values are set by place. What is
/// asked rarely goes through Dapper, which reads better and costs as much as the look-up itself.
/// </summary>
/// <param name="sql">The text.</param>
/// <param name="names">Its parameters, <c>@</c> included, in the order in which the values will come; <c>@Name[]</c> is one of octets that may be null.</param>
internal sealed class Statement(string sql, params string[] names)
{
    private const string Octets = "[]";
    private readonly string[] _names = [.. names.Select(name => name.Replace(Octets, "", StringComparison.Ordinal))];

    // PostgreSQL wants to know of what type a NULL is.
    private readonly DbType[] _nulls = [.. names.Select(name => name.EndsWith(Octets, StringComparison.Ordinal) ? DbType.Binary : DbType.String)];

    /// <summary>The command of a connection with these values; the caller runs it at once and does not dispose it.</summary>
    /// <param name="connection">The connection, which is the caller's alone.</param>
    /// <param name="values">long, string, byte[] or null, in the order of the names.</param>
    public DbCommand On(DbConnection connection, params ReadOnlySpan<object?> values)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(values.Length, _names.Length, nameof(values));
        var command = Prepared.On(connection, sql, _names);
        for (var i = 0; i < values.Length; i++)
        {
            var parameter = command.Parameters[i];
            if (values[i] is null)
                parameter.DbType = _nulls[i];
            parameter.Value = values[i] ?? DBNull.Value;
        }
        return command;
    }

    /// <summary>The same inside a write.</summary>
    public DbCommand In(UnitOfWork unit, params ReadOnlySpan<object?> values)
    {
        var command = On(unit.Connection, values);
        command.Transaction = unit.Transaction;
        return command;
    }

    /// <summary>The row, read by <paramref name="read"/>, or default when there is none.</summary>
    public async Task<T?> FirstAsync<T>(DbConnection connection, Func<DbDataReader, T> read, CancellationToken cancel, params object?[] values)
    {
        await using var row = await On(connection, values).ExecuteReaderAsync(cancel);
        return await row.ReadAsync(cancel) ? read(row) : default;
    }
}

/// <summary>Columns that may be NULL.</summary>
internal static class NullableColumns
{
    /// <summary>TEXT.</summary>
    public static string? TextOrNull(this DbDataReader row, int column) => row.IsDBNull(column) ? null : row.GetString(column);

    /// <summary>BYTEA.</summary>
    public static byte[]? OctetsOrNull(this DbDataReader row, int column) => row.IsDBNull(column) ? null : row.GetFieldValue<byte[]>(column);

    /// <summary>BIGINT.</summary>
    public static long? NumberOrNull(this DbDataReader row, int column) => row.IsDBNull(column) ? null : row.GetInt64(column);
}
