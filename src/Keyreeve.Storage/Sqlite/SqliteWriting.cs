using System.Data.Common;
using Microsoft.Data.Sqlite;

namespace Keyreeve.Storage;

/// <summary>Writing to SQLite: it has one writer at a time anyway, so there is nobody to wait for.</summary>
internal sealed class SqliteWriting(Func<SqliteConnection> open, SqliteCheckpoints checkpoints, KeyChanges keys) : IWriteEngine
{
    /// <summary>SQLITE_DBSTATUS_CACHE_WRITE: pages this connection has written to the log.</summary>
    private const int PagesWritten = 9;

    /// <summary>Our choice: beyond it the fsync is no longer what a write costs.</summary>
    public int MaxBatch => 500;

    public Task<DbConnection> OpenAsync() => Task.FromResult<DbConnection>(open());

    public async Task<DbTransaction> BeginAsync(DbConnection connection, bool alone)
    {
        var transaction = await connection.BeginTransactionAsync();
        keys.Began((SqliteConnection)connection);
        return transaction;
    }

    public void Committed(DbConnection connection)
    {
        if (SQLitePCL.raw.sqlite3_db_status(((SqliteConnection)connection).Handle, PagesWritten, out var pages, out _, resetFlg: 1) == SQLitePCL.raw.SQLITE_OK)
            checkpoints.Wrote(pages);
    }

    public void BeginWrite() => keys.BeginWrite();

    public void Ended() => keys.Ended();

    public bool IsCollision(Exception failure) => false;

    /// <summary>After an error of its own nobody knows what the connection still holds open.</summary>
    public bool IsLost(Exception failure) => failure is SqliteException;

    public Exception Tell(Exception failure) => SqliteErrors.Tell(failure);

    /// <summary>Leaves one file with everything in it.</summary>
    public async Task EndAsync(DbConnection connection)
    {
        using var checkpoint = connection.CreateCommand();
        checkpoint.CommandText = "PRAGMA wal_checkpoint(TRUNCATE)";
        await checkpoint.ExecuteNonQueryAsync();
    }
}
