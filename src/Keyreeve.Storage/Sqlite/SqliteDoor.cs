using System.Data.Common;
using System.Globalization;
using Dapper;
using Microsoft.Data.Sqlite;

namespace Keyreeve.Storage;

/// <summary>The door of a SQLite file.</summary>
public sealed class SqliteDoor : StoreDoor
{
    /// <summary>Rows of one transaction while filling. Our choice: some megabytes, and one fsync for all of them.</summary>
    private const int RowsPerTransaction = 50_000;

    private readonly SqliteConnection _connection;
    private readonly string _path;

    private SqliteDoor(SqliteConnection connection, string path)
        : base(connection) => (_connection, _path) = (connection, path);

    /// <inheritdoc />
    public override string Engine => "SQLite";

    /// <summary>Opens an existing file for reading, beside a server that writes it.</summary>
    public static Task<SqliteDoor> ReadAsync(string path, CancellationToken cancel) =>
        OpenAsync(path, "PRAGMA busy_timeout = 5000; PRAGMA query_only = ON;", cancel);

    /// <summary>Makes a new file to be filled, readable by its owner only; one left by an earlier attempt is taken away.</summary>
    public static Task<SqliteDoor> MakeAsync(string path, CancellationToken cancel)
    {
        foreach (var left in (string[])[path, path + "-wal", path + "-shm", path + "-journal"])
            File.Delete(left);
        SqliteEngine.CreatePrivate(path);
        // A rollback journal: when the connection is closed the file is whole and alone.
        return OpenAsync(path, "PRAGMA journal_mode = DELETE; PRAGMA synchronous = FULL;", cancel);
    }

    /// <inheritdoc />
    public override Task<DbTransaction> BeginSnapshotAsync(CancellationToken cancel)
    {
        // Deferred: it begins to see with its first statement and locks nobody out.
        var transaction = _connection.BeginTransaction(deferred: true);
        return Task.FromResult<DbTransaction>(transaction);
    }

    /// <inheritdoc />
    public override async Task<IReadOnlyList<TableShape>> ReadCatalogueAsync(DbTransaction? transaction, CancellationToken cancel)
    {
        var tables = new List<TableShape>();
        foreach (var name in (await Connection.QueryAsync<string>("SELECT name FROM sqlite_master WHERE type = 'table' AND substr(name, 1, 7) <> 'sqlite_' ORDER BY name", transaction: transaction)).AsList())
        {
            var columns = await Connection.QueryAsync<Column>("SELECT name, type, \"notnull\" AS not_null FROM pragma_table_info(@Table) ORDER BY cid", new { Table = name }, transaction);
            var references = await Connection.QueryAsync<string>("SELECT DISTINCT \"table\" FROM pragma_foreign_key_list(@Table)", new { Table = name }, transaction);
            tables.Add(new(name, [.. columns.Select(c => new ColumnShape(c.Name, TableShape.KindOf(name, c.Name, c.Type), c.NotNull == 0))], [.. references]));
        }
        return tables;
    }

    /// <inheritdoc />
    public override Task<RowSink> FillAsync(TableShape table, CancellationToken cancel) => Task.FromResult<RowSink>(new Sink(_connection, table));

    /// <inheritdoc />
    public override Task<long> SizeAsync(CancellationToken cancel) =>
        Task.FromResult(((string[])[_path, _path + "-wal"]).Where(File.Exists).Sum(file => new FileInfo(file).Length));

    private static async Task<SqliteDoor> OpenAsync(string path, string pragmas, CancellationToken cancel)
    {
        NativeSqlite.Bind();
        var text = new SqliteConnectionStringBuilder { DataSource = path, Mode = SqliteOpenMode.ReadWrite, Pooling = false, ForeignKeys = true };
        var connection = new SqliteConnection(text.ConnectionString);
        try
        {
            await connection.OpenAsync(cancel);
            await connection.ExecuteAsync(pragmas);
            return new(connection, path);
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    private sealed class Column
    {
        public string Name { get; init; } = "";
        public string Type { get; init; } = "";
        public long NotNull { get; init; }
    }

    /// <summary>One prepared insert in large transactions.</summary>
    private sealed class Sink : RowSink
    {
        private readonly SqliteConnection _connection;
        private readonly SqliteCommand _insert;
        private SqliteTransaction? _transaction;
        private int _rows;

        public Sink(SqliteConnection connection, TableShape table)
        {
            _connection = connection;
            _insert = connection.CreateCommand();
            var names = table.Columns.Select((_, i) => "@p" + i.ToString(CultureInfo.InvariantCulture)).ToList();
            _insert.CommandText = $"INSERT INTO {table.Name} ({table.ColumnList}) VALUES ({string.Join(", ", names)})";
            foreach (var name in names)
                _insert.Parameters.AddWithValue(name, DBNull.Value);
        }

        public override async ValueTask WriteAsync(object?[] row, CancellationToken cancel)
        {
            if (_transaction is null)
                _insert.Transaction = _transaction = (SqliteTransaction)await _connection.BeginTransactionAsync(cancel);
            for (var i = 0; i < row.Length; i++)
                _insert.Parameters[i].Value = row[i] ?? DBNull.Value;
            await _insert.ExecuteNonQueryAsync(cancel);
            if (++_rows % RowsPerTransaction == 0)
                await CompleteAsync(cancel);
        }

        public override async Task CompleteAsync(CancellationToken cancel)
        {
            if (_transaction is null)
                return;
            await _transaction.CommitAsync(cancel);
            await _transaction.DisposeAsync();
            _transaction = null;
        }

        public override async ValueTask DisposeAsync()
        {
            if (_transaction is not null)
                await _transaction.DisposeAsync();
            await _insert.DisposeAsync();
        }
    }
}
