using System.Data;
using System.Runtime.CompilerServices;
using System.Text;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace Keyreeve.Storage;

/// <summary>
/// A statement of SQLite by the engine's own functions, parsed once per connection. For the two places where each request pays for one: there the
/// command object of ADO.NET costs more than the row. Everything else reads better through <see cref="Statement"/> or Dapper.
/// </summary>
/// <remarks>A connection belongs to one piece of work at a time, so its statements need no lock. What SQLite reports is thrown as the provider throws it.</remarks>
internal sealed class SqliteStatement : IColumns, IDisposable
{
    private const int MaxOnStack = 512;

    private static readonly ConditionalWeakTable<SqliteConnection, Dictionary<string, SqliteStatement>> Kept = [];

    private readonly sqlite3 _database;
    private readonly sqlite3_stmt _statement;
    private readonly int[] _places;

    private SqliteStatement(SqliteConnection connection, string sql, ReadOnlySpan<string> names)
    {
        _database = connection.Handle!;
        Check(raw.sqlite3_prepare_v3(_database, sql, raw.SQLITE_PREPARE_PERSISTENT, out _statement));
        _places = new int[names.Length];
        for (var i = 0; i < names.Length; i++)
            _places[i] = raw.sqlite3_bind_parameter_index(_statement, names[i]) is > 0 and var place ? place : throw new ArgumentException($"the text has no {names[i]}", nameof(names));
    }

    /// <summary>The connection's statement for a text; it ends with the connection. The caller binds every parameter, steps, and resets.</summary>
    /// <param name="connection">Open, and the caller's alone.</param>
    /// <param name="sql">A constant: each text is kept as long as the connection.</param>
    /// <param name="names">Its parameters, <c>@</c> included; values are bound by their place here.</param>
    public static SqliteStatement On(SqliteConnection connection, string sql, params ReadOnlySpan<string> names)
    {
        var known = Kept.GetValue(connection, static connection =>
        {
            var made = new Dictionary<string, SqliteStatement>(StringComparer.Ordinal);
            connection.StateChange += OnStateChange;
            return made;
        });
        if (!known.TryGetValue(sql, out var statement))
            known.Add(sql, statement = new(connection, sql, names));
        return statement;
    }

    /// <summary>TEXT.</summary>
    public void Bind(int parameter, string value)
    {
        // An empty span has no address, which the engine takes for NULL.
        if (value.Length == 0)
        {
            Check(raw.sqlite3_bind_text(_statement, _places[parameter], ""));
            return;
        }
        var most = Encoding.UTF8.GetMaxByteCount(value.Length);
        var text = most <= MaxOnStack ? stackalloc byte[MaxOnStack] : new byte[most];
        Check(raw.sqlite3_bind_text(_statement, _places[parameter], text[..Encoding.UTF8.GetBytes(value, text)]));
    }

    /// <summary>BIGINT.</summary>
    public void Bind(int parameter, long value) => Check(raw.sqlite3_bind_int64(_statement, _places[parameter], value));

    /// <summary>BYTEA, copied.</summary>
    public void Bind(int parameter, ReadOnlySpan<byte> value) => Check(value.IsEmpty
        ? raw.sqlite3_bind_zeroblob(_statement, _places[parameter], 0)
        : raw.sqlite3_bind_blob(_statement, _places[parameter], value));

    /// <summary>Goes to the next row; false at the end. After an error the statement is as new.</summary>
    public bool Step()
    {
        switch (raw.sqlite3_step(_statement))
        {
            case raw.SQLITE_ROW:
                return true;
            case raw.SQLITE_DONE:
                return false;
            case var code:
                // Before the reset, which may overwrite what the connection says of it.
                try
                {
                    SqliteException.ThrowExceptionForRC(code, _database);
                }
                finally
                {
                    Reset();
                }
                return false;
        }
    }

    /// <summary>Ends what <see cref="Step"/> began, the read transaction included.</summary>
    public void Reset() => _ = raw.sqlite3_reset(_statement); // says again what the last step has said

    /// <inheritdoc />
    public bool IsNull(int column) => raw.sqlite3_column_type(_statement, column) == raw.SQLITE_NULL;

    /// <inheritdoc />
    public long Number(int column) => raw.sqlite3_column_int64(_statement, column);

    /// <inheritdoc />
    public byte[] Octets(int column) => raw.sqlite3_column_blob(_statement, column).ToArray();

    /// <summary>TEXT.</summary>
    public string Text(int column) => raw.sqlite3_column_text(_statement, column).utf8_to_string();

    /// <inheritdoc />
    public void Dispose() => _statement.Dispose();

    private void Check(int code) => SqliteException.ThrowExceptionForRC(code, _database);

    /// <summary>A closed connection keeps its file open until the last of its statements is gone.</summary>
    private static void OnStateChange(object? sender, StateChangeEventArgs change)
    {
        if (change.CurrentState != ConnectionState.Closed || sender is not SqliteConnection connection || !Kept.TryGetValue(connection, out var known))
            return;
        Kept.Remove(connection);
        connection.StateChange -= OnStateChange;
        foreach (var statement in known.Values)
            statement.Dispose();
    }
}
