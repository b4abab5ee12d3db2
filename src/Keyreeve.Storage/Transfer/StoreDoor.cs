using System.Data.Common;
using System.Runtime.CompilerServices;
using Dapper;

namespace Keyreeve.Storage;

/// <summary>
/// One connection to a whole store, for what moves all of it: backup, restore, copy, migrate. Tables and columns come from the engine's
/// catalogue. Not for requests: those go through <see cref="IDatabase"/>.
/// </summary>
public abstract class StoreDoor(DbConnection connection) : IAsyncDisposable
{
    /// <summary>The connection, the holder's alone.</summary>
    public DbConnection Connection { get; } = connection;

    /// <summary>The engine's name, for people.</summary>
    public abstract string Engine { get; }

    /// <summary>A statement of the schema in the engine's words.</summary>
    public virtual string Say(string statement) => statement;

    /// <summary>Begins to see one state, whatever others write meanwhile; nobody waits for it.</summary>
    public abstract Task<DbTransaction> BeginSnapshotAsync(CancellationToken cancel);

    /// <summary>Every table there is, in no order.</summary>
    public abstract Task<IReadOnlyList<TableShape>> ReadCatalogueAsync(DbTransaction? transaction, CancellationToken cancel);

    /// <summary>Begins to fill a table.</summary>
    public abstract Task<RowSink> FillAsync(TableShape table, CancellationToken cancel);

    /// <summary>Octets on disk.</summary>
    public abstract Task<long> SizeAsync(CancellationToken cancel);

    /// <summary>Takes away every table: an unfinished copy is begun anew.</summary>
    public async Task EmptyAsync(CancellationToken cancel)
    {
        var tables = await ReadCatalogueAsync(null, cancel);
        await using var transaction = await Connection.BeginTransactionAsync(cancel);
        // What refers goes before what it refers to. The mark is the last to go.
        foreach (var table in TableShape.InOrder(tables).Reverse().Select(t => t.Name).Concat(Migration.PassingTables).Append("schema_migrations").Append(StoreMarks.Table))
            await Connection.ExecuteAsync(new CommandDefinition($"DROP TABLE IF EXISTS {table}", transaction: transaction, cancellationToken: cancel));
        await transaction.CommitAsync(cancel);
    }

    /// <summary>How many rows a table has.</summary>
    public Task<long> CountAsync(TableShape table, DbTransaction? transaction, CancellationToken cancel) =>
        Connection.ExecuteScalarAsync<long>(new CommandDefinition($"SELECT count(*) FROM {table.Name}", transaction: transaction, commandTimeout: 0, cancellationToken: cancel));

    /// <summary>The rows of a table as they come, one at a time in memory.</summary>
    /// <exception cref="InvalidDataException">A value is not of its column's type.</exception>
    public async IAsyncEnumerable<object?[]> ReadRowsAsync(TableShape table, DbTransaction? transaction, [EnumeratorCancellation] CancellationToken cancel)
    {
        await using var command = Connection.CreateCommand();
        command.CommandText = $"SELECT {table.ColumnList} FROM {table.Name}";
        command.CommandTimeout = 0;
        command.Transaction = transaction;
        await using var rows = await command.ExecuteReaderAsync(cancel);
        while (await rows.ReadAsync(cancel))
        {
            var row = new object?[table.Columns.Count];
            for (var i = 0; i < row.Length; i++)
                row[i] = Checked(table, table.Columns[i], rows.GetValue(i));
            yield return row;
        }
    }

    /// <inheritdoc />
    public virtual async ValueTask DisposeAsync()
    {
        await Connection.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    /// <summary>SQLite lets any value lie in any column; it must not reach an engine that does not, or come back as another one.</summary>
    private static object? Checked(TableShape table, ColumnShape column, object value) => (value, column.Kind) switch
    {
        (DBNull, _) when column.Nullable => null,
        (long, ColumnKind.Number) or (string, ColumnKind.Text) or (byte[], ColumnKind.Octets) => value,
        _ => throw new InvalidDataException($"column {column.Name} of table {table.Name} holds {(value is DBNull ? "nothing" : value.GetType().Name)} where {column.Kind} belongs: the store is damaged"),
    };
}
