using System.Data.Common;
using System.Runtime.ExceptionServices;
using System.Threading.Channels;
using Keyreeve.Core.Telemetry;

namespace Keyreeve.Storage;

#pragma warning disable CA1031 // Whatever fails in a write is told to its caller; nothing may end the writer that all others wait for.

/// <summary>
/// The one writer of a node. Writes queue here and share a transaction, that is: one fsync for as many callers as were waiting.
/// Each is a savepoint of its own, so that a failing one takes only itself back.
/// </summary>
internal sealed class BatchWriter : IAsyncDisposable
{
    /// <summary>Writes that may wait. Our choice: about a second of work; who comes later is told to come again.</summary>
    public const int MaxWaiting = 10_000;

    /// <summary>How often a write that collides with other nodes' is done. Our choice: alone in its transaction it hardly collides once.</summary>
    private const int MaxTries = 5;

    private const string Savepoint = "one_write";
    private readonly Channel<PendingWrite> _queue = Channel.CreateBounded<PendingWrite>(new BoundedChannelOptions(MaxWaiting) { SingleReader = true });
    private readonly IDatabase _database;
    private readonly IWriteEngine _engine;
    private readonly Task _loop;
    private DbConnection? _connection;
    private volatile bool _closed;

    public BatchWriter(IDatabase database, IWriteEngine engine, DbConnection? connection)
    {
        (_database, _engine, _connection) = (database, engine, connection);
        _loop = Task.Run(RunAsync);
    }

    public Task<T> EnqueueAsync<T>(Func<UnitOfWork, Task<T>> work, bool alone, CancellationToken cancel)
    {
        if (cancel.IsCancellationRequested)
            return Task.FromCanceled<T>(cancel);
        var write = new PendingWrite<T>(work, alone, _database.Clock.GetTimestamp(), cancel);
        if (_queue.Writer.TryWrite(write))
            return Spans.AreRecorded ? TraceAsync(write.Told) : write.Told;
        if (_closed)
            return Task.FromException<T>(new ObjectDisposedException(_database.GetType().Name));
        StorageTelemetry.Refused();
        return Task.FromException<T>(new StoreBusyException(MaxWaiting));
    }

    /// <summary>Writes that wait.</summary>
    public int Waiting => _queue.Reader.Count;

    /// <summary>Writes what is still waiting, then closes.</summary>
    public async ValueTask DisposeAsync()
    {
        _closed = true;
        _queue.Writer.TryComplete();
        await _loop;
        if (_connection is null)
            return;
        await using var connection = _connection;
        await _engine.EndAsync(connection);
    }

    /// <summary>The writer runs outside of every request: the span is its caller's waiting.</summary>
    private static async Task<T> TraceAsync<T>(Task<T> told)
    {
        using var span = Spans.Start(Spans.StoreWrite);
        return await told;
    }

    private async Task RunAsync()
    {
        var batch = new List<PendingWrite>(_engine.MaxBatch);
        while (await _queue.Reader.WaitToReadAsync())
        {
            while (batch.Count < _engine.MaxBatch && _queue.Reader.TryRead(out var write))
                batch.Add(write);
            var clock = _database.Clock;
            var began = clock.GetTimestamp();
            foreach (var write in batch)
                StorageTelemetry.Waited(clock.GetElapsedTime(write.QueuedAt, began));
            var failure = await WriteAsync(batch);
            StorageTelemetry.EndedBatch(batch.Count, clock.GetElapsedTime(began));
            if (failure is StoreUnavailableException away)
            {
                // Who waits behind a database that is away would only wait for the same answer.
                while (_queue.Reader.TryRead(out var waiting))
                {
                    waiting.Fail(away);
                    batch.Add(waiting);
                }
            }
            foreach (var write in batch)
            {
                StorageTelemetry.Wrote(write.HasFailed);
                write.Complete();
            }
            batch.Clear();
        }
    }

    /// <summary>Writes them all; returns what they were told when all of them failed together.</summary>
    private async Task<Exception?> WriteAsync(List<PendingWrite> batch)
    {
        var failure = await CommitAsync(batch);
        if (failure is null)
            return null;
        if (_engine.IsCollision(failure))
            return await WriteOneByOneAsync(batch);
        // Nothing of the batch is known to be on disk.
        var told = _engine.Tell(failure);
        foreach (var write in batch)
            write.Fail(told);
        return told;
    }

    /// <summary>The batch was taken back as a whole. One by one they hold few locks, and none while they wait for the next.</summary>
    private async Task<Exception?> WriteOneByOneAsync(List<PendingWrite> batch)
    {
        Exception? away = null;
        foreach (var write in batch)
        {
            Exception? failure = away;
            for (var attempt = 1; away is null; attempt++)
            {
                write.Forget();
                failure = await CommitAsync([write]);
                if (failure is null || attempt == MaxTries || !_engine.IsCollision(failure))
                    break;
            }
            if (failure is null)
                continue;
            var told = _engine.Tell(failure);
            write.Fail(told);
            if (told is StoreUnavailableException && !_engine.IsCollision(failure))
                away = told;
        }
        return away;
    }

    /// <summary>
    /// One transaction. Null when it is committed; then a write that failed alone knows it. Else why nothing of it counts: after a
    /// connection that was lost at the commit it may still be on disk, and is not done again.
    /// </summary>
    private async Task<Exception?> CommitAsync(List<PendingWrite> batch)
    {
        DbTransaction? transaction = null;
        try
        {
            _connection ??= await _engine.OpenAsync();
            transaction = await _engine.BeginAsync(_connection, batch.Exists(write => write.Alone));
            foreach (var write in batch)
            {
                if (write.IsAbandoned)
                    write.Fail(new OperationCanceledException());
                else if (batch.Count == 1)
                    await RunAsync(write, transaction);
                else
                    await RunInSavepointAsync(write, transaction);
            }
            await transaction.CommitAsync();
            await transaction.DisposeAsync();
            _engine.Committed(_connection);
            return null;
        }
        catch (Exception failure)
        {
            if (!await TryTakeBackAsync(transaction) || _engine.IsLost(failure))
                await DropConnectionAsync();
            return failure;
        }
        finally
        {
            _engine.Ended();
        }
    }

    private async Task RunAsync(PendingWrite write, DbTransaction transaction)
    {
        var unit = new UnitOfWork(_database, _connection!, transaction);
        _engine.BeginWrite();
        await write.RunAsync(unit);
        await unit.FinishAsync();
    }

    private async Task RunInSavepointAsync(PendingWrite write, DbTransaction transaction)
    {
        await transaction.SaveAsync(Savepoint);
        try
        {
            await RunAsync(write, transaction);
        }
        catch (Exception failure)
        {
            // After a collision all of the batch is done again, in smaller steps.
            if (_engine.IsCollision(failure))
                throw;
            write.Fail(_engine.Tell(failure));
            try
            {
                await transaction.RollbackAsync(Savepoint);
            }
            catch (Exception)
            {
                // On a full disk or an I/O error SQLite rolls the whole transaction back by itself: there is no savepoint to return
                // to, and statements from here on would commit one by one. A lost connection has none either. So the batch ends
                // here, with the first cause.
                ExceptionDispatchInfo.Throw(failure);
            }
        }
        await transaction.ReleaseAsync(Savepoint);
    }

    private static async Task<bool> TryTakeBackAsync(DbTransaction? transaction)
    {
        if (transaction is null)
            return false;
        try
        {
            await transaction.RollbackAsync();
            await transaction.DisposeAsync();
            return true;
        }
        catch (Exception)
        {
            // What the connection still holds open ends with it.
            return false;
        }
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
