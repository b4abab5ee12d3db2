using System.Data;
using System.Data.Common;
using Dapper;
using Npgsql;
using NpgsqlTypes;

namespace Keyreeve.Storage;

/// <summary>The door of a PostgreSQL database.</summary>
public sealed class PostgresDoor : StoreDoor
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(15);

    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(250);

    private readonly NpgsqlConnection _connection;

    private PostgresDoor(NpgsqlConnection connection)
        : base(connection) => _connection = connection;

    /// <inheritdoc />
    public override string Engine => "PostgreSQL";

    /// <summary>Opens it beside nodes that serve.</summary>
    /// <exception cref="StoreRefusedException">The database is not for us.</exception>
    /// <exception cref="StoreUnavailableException">It does not answer or does not let us in.</exception>
    public static Task<PostgresDoor> ReadAsync(PostgresAddress address, CancellationToken cancel) => OpenAsync(address, alone: false, cancel);

    /// <summary>Opens it for itself: no node runs, and none starts while this is open.</summary>
    /// <exception cref="TransferRefusedException">A node runs.</exception>
    /// <exception cref="StoreRefusedException">The database is not for us.</exception>
    /// <exception cref="StoreUnavailableException">It does not answer or does not let us in.</exception>
    public static Task<PostgresDoor> HoldAsync(PostgresAddress address, CancellationToken cancel) => OpenAsync(address, alone: true, cancel);

    /// <inheritdoc />
    public override string Say(string statement) => PostgresEngine.InOctets(statement);

    /// <inheritdoc />
    public override async Task<DbTransaction> BeginSnapshotAsync(CancellationToken cancel)
    {
        var transaction = await _connection.BeginTransactionAsync(IsolationLevel.RepeatableRead, cancel);
        await using var only = new NpgsqlCommand("SET TRANSACTION READ ONLY", _connection, transaction);
        await only.ExecuteNonQueryAsync(cancel);
        return transaction;
    }

    /// <inheritdoc />
    public override async Task<IReadOnlyList<TableShape>> ReadCatalogueAsync(DbTransaction? transaction, CancellationToken cancel)
    {
        var columns = await _connection.QueryAsync<Column>("""
            SELECT c.relname::text AS "table", a.attname::text AS name, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AS not_null
            FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
            WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
            ORDER BY c.relname, a.attnum
            """, transaction: transaction);
        var references = (await _connection.QueryAsync<Reference>("""
            SELECT DISTINCT conrelid::regclass::text AS "table", confrelid::regclass::text AS target FROM pg_constraint
            WHERE contype = 'f' AND connamespace = current_schema()::regnamespace
            """, transaction: transaction)).ToLookup(r => r.Table, r => r.Target, StringComparer.Ordinal);
        return [.. columns.GroupBy(c => c.Table, StringComparer.Ordinal).Select(table => new TableShape(table.Key,
            [.. table.Select(c => new ColumnShape(c.Name, TableShape.KindOf(table.Key, c.Name, c.Type), !c.NotNull))], [.. references[table.Key]]))];
    }

    /// <summary>COPY: all rows of the table are one transaction.</summary>
    public override async Task<RowSink> FillAsync(TableShape table, CancellationToken cancel) =>
        new Sink(await _connection.BeginBinaryImportAsync($"COPY {table.Name} ({table.ColumnList}) FROM STDIN (FORMAT BINARY)", cancel), table);

    /// <inheritdoc />
    public override Task<long> SizeAsync(CancellationToken cancel) => _connection.ExecuteScalarAsync<long>(
        "SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::bigint FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'");

    private static async Task<PostgresDoor> OpenAsync(PostgresAddress address, bool alone, CancellationToken cancel)
    {
        RowMapping.Set();
        var settings = address.Open("");
        // Not "keyreeve/NODE": by that name the nodes are known.
        settings.ApplicationName = "keyreeve store command";
        settings.Pooling = false;
        settings.CommandTimeout = 0;
        settings.Timeout = 15;
        settings.Options = (settings.Options + " -c statement_timeout=0 -c lock_timeout=10000 -c tcp_keepalives_idle=30").Trim();
        var connection = new NpgsqlConnection(settings.ConnectionString);
        try
        {
            await connection.OpenAsync(cancel);
            var facts = await PostgresFacts.ReadAsync(connection, cancel);
            if (facts.Refusal is { } refusal)
                throw new StoreRefusedException($"{address}: {refusal}");
            if (alone)
                await DemandNobodyAsync(connection, address, facts.Schema!, cancel);
            return new(connection);
        }
        catch (Exception failure) when (failure is NpgsqlException or System.Net.Sockets.SocketException or TimeoutException)
        {
            await connection.DisposeAsync();
            throw PostgresErrors.Tell(failure);
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    /// <summary>
    /// A node that starts takes its name first and then waits for the schema, which from here on is ours; so whoever is not seen now does not get in. The
    /// connections of a killed process end a moment after it: they are waited for.
    /// </summary>
    private static async Task DemandNobodyAsync(NpgsqlConnection connection, PostgresAddress address, string schema, CancellationToken cancel)
    {
        for (var look = 1; await WhoAsync(connection, schema) is { } others; look++)
        {
            if (look * Look > Patience)
                throw new TransferRefusedException($"{address}: {others}. Nothing was changed");
            await Task.Delay(Look, cancel);
        }
    }

    private static async Task<string?> WhoAsync(NpgsqlConnection connection, string schema)
    {
        const string Lock = "SELECT (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()) > 0 OR pg_try_advisory_lock(@Key)";
        if (!await connection.ExecuteScalarAsync<bool>(Lock, new { Key = PostgresLock.Key(schema, PostgresLock.Schema) }))
            return "a node is starting on this database, or another command works on it";
        var nodes = (await connection.QueryAsync<string>(
            "SELECT DISTINCT substr(application_name, 10) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'keyreeve/%' ORDER BY 1")).AsList();
        return nodes.Count == 0 ? null : $"nodes run on this database ({string.Join(", ", nodes)}): stop them";
    }

    private sealed class Column
    {
        public string Table { get; init; } = "";
        public string Name { get; init; } = "";
        public string Type { get; init; } = "";
        public bool NotNull { get; init; }
    }

    private sealed class Reference
    {
        public string Table { get; init; } = "";
        public string Target { get; init; } = "";
    }

    private sealed class Sink(NpgsqlBinaryImporter importer, TableShape table) : RowSink
    {
        public override async ValueTask WriteAsync(object?[] row, CancellationToken cancel)
        {
            await importer.StartRowAsync(cancel);
            for (var i = 0; i < row.Length; i++)
            {
                switch (row[i])
                {
                    case null:
                        await importer.WriteNullAsync(cancel);
                        break;
                    case long number:
                        await importer.WriteAsync(number, NpgsqlDbType.Bigint, cancel);
                        break;
                    case string text:
                        await importer.WriteAsync(text, NpgsqlDbType.Text, cancel);
                        break;
                    case byte[] octets:
                        await importer.WriteAsync(octets, NpgsqlDbType.Bytea, cancel);
                        break;
                    default:
                        throw new InvalidDataException($"column {table.Columns[i].Name}: a value of type {row[i]!.GetType().Name} cannot be moved");
                }
            }
        }

        public override async Task CompleteAsync(CancellationToken cancel) => await importer.CompleteAsync(cancel);

        /// <summary>Without completion the rows are taken back.</summary>
        public override ValueTask DisposeAsync() => importer.DisposeAsync();
    }
}
