using System.Data;
using System.Data.Common;
using Npgsql;

namespace Keyreeve.Storage;

/// <summary>
/// Writing to PostgreSQL. Every transaction begins with one advisory lock: alone by default, so that no other node's write comes in
/// between; shared when all its writes only compare and set, so that those of several nodes run side by side. The lock is taken by
/// a statement of its own: under READ COMMITTED each later statement sees everything that was committed before it.
/// </summary>
internal sealed class PostgresWriting(PostgresConnections connections, PostgresLocks locks, string schema) : IWriteEngine
{
    private readonly long _key = PostgresLock.Key(schema, PostgresLock.Writes);

    /// <summary>Savepoints that PostgreSQL keeps in memory for a transaction: with more, every other session's snapshots get slow.</summary>
    public int MaxBatch => 64;

    public async Task<DbConnection> OpenAsync()
    {
        var connection = await connections.SingleAsync(CancellationToken.None);
        try
        {
            // What is acknowledged is on disk, whatever the role's or the server's default is. A stronger setting stays.
            await using var command = connection.CreateCommand();
            command.CommandText = "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'";
            await command.ExecuteNonQueryAsync();
            return connection;
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    public async Task<DbTransaction> BeginAsync(DbConnection connection, bool alone)
    {
        locks.DemandNode();
        var transaction = await connection.BeginTransactionAsync(IsolationLevel.ReadCommitted);
        try
        {
            var wait = alone
                ? Prepared.On(connection, "SELECT pg_advisory_xact_lock(@Key)", "@Key")
                : Prepared.On(connection, "SELECT pg_advisory_xact_lock_shared(@Key)", "@Key");
            wait.Transaction = transaction;
            wait.Parameters[0].Value = _key;
            await wait.ExecuteNonQueryAsync();
            return transaction;
        }
        catch
        {
            await transaction.DisposeAsync();
            throw;
        }
    }

    public void Committed(DbConnection connection)
    {
        // The server looks after its log.
    }

    public bool IsCollision(Exception failure) => PostgresErrors.IsCollision(failure);

    public bool IsLost(Exception failure) => PostgresErrors.IsLost(failure);

    public Exception Tell(Exception failure)
    {
        if (IsLost(failure))
            connections.ForgetIdle();
        return PostgresErrors.Tell(failure);
    }

    public Task EndAsync(DbConnection connection) => Task.CompletedTask;
}
