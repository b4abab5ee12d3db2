using System.Runtime.ExceptionServices;
using System.Threading.Channels;
using Keyreeve.Core.Telemetry;
using Microsoft.Data.Sqlite;

namespace Keyreeve.Storage;

#pragma warning disable CA1031 // Whatever fails in a write is told to its caller; nothing may end the writer that all others wait for.

/// <summary>
/// The one writer. SQLite has one at a time anyway; so writes queue here and share a transaction, that is: one fsync for as many
/// callers as were waiting. Each is a savepoint of its own, so that a failing one takes only itself back.
/// </summary>
internal sealed class SqliteWriter : IAsyncDisposable
{
    /// <summary>Writes in one transaction at most. Our choice: beyond it the fsync is no longer what a write costs.</summary>
    public const int MaxBatch = 500;

    /// <summary>Writes that may wait. Our choice: about a second of work; who comes later is told to come again.</summary>
    public const int MaxWaiting = 10_000;

    private const string Savepoint = "one_write";
    private readonly Channel<PendingWrite> _queue = Channel.CreateBounded<PendingWrite>(new BoundedChannelOptions(MaxWaiting) { SingleReader = true });
    private readonly IDatabase _database;
    private readonly Func<Task<SqliteConnection>> _open;
    private readonly Task _loop;
    private SqliteConnection? _connection;
    private volatile bool _closed;

    public SqliteWriter(IDatabase database, SqliteConnection connection, Func<Task<SqliteConnection>> open)
    {
        (_database, _connection, _open) = (database, connection, open);
        _loop = Task.Run(RunAsync);
    }

    public Task<T> EnqueueAsync<T>(Func<UnitOfWork, Task<T>> work, CancellationToken cancel)
    {
        if (cancel.IsCancellationRequested)
            return Task.FromCanceled<T>(cancel);
        var write = new PendingWrite<T>(work, _database.Clock.GetTimestamp(), cancel);
        if (_queue.Writer.TryWrite(write))
            return Spans.AreRecorded ? TraceAsync(write.Told) : write.Told;
        if (_closed)
            return Task.FromException<T>(new ObjectDisposedException(nameof(SqliteEngine)));
        StorageTelemetry.Refused();
        return Task.FromException<T>(new StoreBusyException(MaxWaiting));
    }

    /// <summary>Writes that wait.</summary>
    public int Waiting => _queue.Reader.Count;

    /// <summary>Writes what is still waiting, then checkpoints.</summary>
    public async ValueTask DisposeAsync()
    {
        _closed = true;
        _queue.Writer.TryComplete();
        await _loop;
        if (_connection is null)
            return;
        await using var connection = _connection;
        using var checkpoint = connection.CreateCommand();
        checkpoint.CommandText = "PRAGMA wal_checkpoint(TRUNCATE)";
        await checkpoint.ExecuteNonQueryAsync();
    }

    /// <summary>The writer runs outside of every request: the span is its caller's waiting.</summary>
    private static async Task<T> TraceAsync<T>(Task<T> told)
    {
        using var span = Spans.Start(Spans.StoreWrite);
        return await told;
    }

    private async Task RunAsync()
    {
        var batch = new List<PendingWrite>(MaxBatch);
        while (await _queue.Reader.WaitToReadAsync())
        {
            while (batch.Count < MaxBatch && _queue.Reader.TryRead(out var write))
                batch.Add(write);
            var clock = _database.Clock;
            var began = clock.GetTimestamp();
            foreach (var write in batch)
                StorageTelemetry.Waited(clock.GetElapsedTime(write.QueuedAt, began));
            try
            {
                await WriteAsync(batch);
            }
            catch (Exception lost)
            {
                // Nothing of the batch is on disk. The connection may be in any state, so the next batch gets another one.
                foreach (var write in batch)
                    write.Fail(lost);
                await DropConnectionAsync();
            }
            StorageTelemetry.EndedBatch(batch.Count, clock.GetElapsedTime(began));
            foreach (var write in batch)
            {
                StorageTelemetry.Wrote(write.HasFailed);
                write.Complete();
            }
            batch.Clear();
        }
    }

    private async Task WriteAsync(List<PendingWrite> batch)
    {
        _connection ??= await _open();
        await using var transaction = (SqliteTransaction)await _connection.BeginTransactionAsync();
        foreach (var write in batch)
        {
            if (write.IsAbandoned)
                write.Fail(new OperationCanceledException());
            else
                await WriteAsync(write, transaction);
        }
        await transaction.CommitAsync();
    }

    private async Task WriteAsync(PendingWrite write, SqliteTransaction transaction)
    {
        await transaction.SaveAsync(Savepoint);
        try
        {
            var unit = new UnitOfWork(_database, _connection!, transaction);
            await write.RunAsync(unit);
            await unit.FinishAsync();
        }
        catch (Exception failure)
        {
            write.Fail(failure);
            try
            {
                await transaction.RollbackAsync(Savepoint);
            }
            catch (Exception)
            {
                // On a full disk or an I/O error SQLite rolls the whole transaction back by itself: there is no savepoint to return
                // to, and statements from here on would commit one by one. So the batch ends here, with the first cause.
                ExceptionDispatchInfo.Throw(failure);
            }
        }
        await transaction.ReleaseAsync(Savepoint);
    }

    private async Task DropConnectionAsync()
    {
        try
        {
            if (_connection is not null)
                await _connection.DisposeAsync();
        }
        catch (Exception)
        {
            // It is given up; why it does not close adds nothing to what the callers are told.
        }
        _connection = null;
    }
}
