using System.Collections.Concurrent;
using System.Data.Common;
using Keyreeve.Core.Telemetry;
using Microsoft.Data.Sqlite;

namespace Keyreeve.Storage;

/// <summary>A bounded pool of connections that cannot write. In WAL mode they neither wait for the writer nor hold it up.</summary>
internal sealed class SqliteReaders(Func<Task<SqliteConnection>> open, TimeProvider clock) : IAsyncDisposable
{
    /// <summary>Connections at most. Our choice: SQLite reads are CPU work, more than this only wait for each other.</summary>
    public static readonly int MaxConnections = Math.Clamp(2 * Environment.ProcessorCount, 4, 32);

    private readonly SemaphoreSlim _permits = new(MaxConnections, MaxConnections);
    private readonly ConcurrentBag<SqliteConnection> _idle = [];
    private volatile bool _closed;

    public async Task<T> ReadAsync<T>(Func<DbConnection, Task<T>> work, CancellationToken cancel)
    {
        using var span = Spans.Start(Spans.StoreRead);
        var began = clock.GetTimestamp();
        await _permits.WaitAsync(cancel);
        SqliteConnection? connection = null;
        try
        {
            ObjectDisposedException.ThrowIf(_closed, this);
            if (!_idle.TryTake(out connection))
                connection = await open();
            var result = await work(connection);
            _idle.Add(connection);
            connection = null;
            return result;
        }
        catch (SqliteException failure) when (failure.SqliteErrorCode != SqliteErrors.ReadOnly && SqliteErrors.Tell(failure) is StoreUnavailableException)
        {
            throw SqliteErrors.Tell(failure);
        }
        finally
        {
            // After an exception nobody knows what the connection still holds open.
            if (connection is not null)
                await connection.DisposeAsync();
            _permits.Release();
            StorageTelemetry.Read(clock.GetElapsedTime(began));
        }
    }

    /// <summary>Waits for reads that run; later ones are refused.</summary>
    public async ValueTask DisposeAsync()
    {
        _closed = true;
        for (var i = 0; i < MaxConnections; i++)
            await _permits.WaitAsync();
        while (_idle.TryTake(out var connection))
            await connection.DisposeAsync();
        _permits.Release(MaxConnections);
    }
}
