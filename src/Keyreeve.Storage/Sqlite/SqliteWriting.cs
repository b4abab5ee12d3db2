using System.Data.Common;
using Microsoft.Data.Sqlite;

namespace Keyreeve.Storage;

/// <summary>Writing to SQLite: it has one writer at a time anyway, so there is nobody to wait for.</summary>
internal sealed class SqliteWriting(Func<Task<SqliteConnection>> open) : IWriteEngine
{
    /// <summary>Our choice: beyond it the fsync is no longer what a write costs.</summary>
    public int MaxBatch => 500;

    public async Task<DbConnection> OpenAsync() => await open();

    public async Task<DbTransaction> BeginAsync(DbConnection connection, bool alone) => await connection.BeginTransactionAsync();

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
