using System.Data.Common;

namespace Keyreeve.Storage;

/// <summary>A PostgreSQL database to look at and nothing else: no node's name is taken, no schema step made, and its connections cannot write.</summary>
public sealed class PostgresReadOnly : IDatabase
{
    private readonly PostgresConnections _connections;

    /// <summary>Connects with the first question.</summary>
    /// <param name="address">The database.</param>
    /// <param name="clock">The interface asks for one; nothing is written with it.</param>
    public PostgresReadOnly(PostgresAddress address, TimeProvider clock)
    {
        RowMapping.Set();
        (_connections, Clock) = (new(address, Node), clock);
    }

    /// <inheritdoc />
    public string Node => "reader";

    /// <inheritdoc />
    public TimeProvider Clock { get; }

    /// <inheritdoc />
    public string SkipLocked => "";

    /// <inheritdoc />
    public string? Announcement => null;

    /// <inheritdoc />
    public async Task<T> ReadAsync<T>(Func<DbConnection, Task<T>> work, CancellationToken cancel)
    {
        try
        {
            await using var connection = await _connections.ReaderAsync(cancel);
            return await work(connection);
        }
        catch (Exception failure) when (PostgresErrors.IsReadOutage(failure))
        {
            throw PostgresErrors.Tell(failure);
        }
    }

    /// <inheritdoc />
    /// <exception cref="NotSupportedException">Always.</exception>
    public Task<T> WriteAsync<T>(Func<UnitOfWork, Task<T>> work, CancellationToken cancel) => throw SqliteReadOnly.OnlyReads();

    /// <inheritdoc />
    /// <exception cref="NotSupportedException">Always.</exception>
    public Task<T> WriteSharedAsync<T>(Func<UnitOfWork, Task<T>> work, CancellationToken cancel) => throw SqliteReadOnly.OnlyReads();

    /// <inheritdoc />
    public ValueTask<bool> LeadsAsync(string job, CancellationToken cancel) => ValueTask.FromResult(false);

    /// <inheritdoc />
    public ValueTask ResignAsync(string job, CancellationToken cancel) => ValueTask.CompletedTask;

    /// <inheritdoc />
    /// <exception cref="NotSupportedException">Always.</exception>
    public Task<IAsyncDisposable> AloneAsync(string what, CancellationToken cancel) => throw SqliteReadOnly.OnlyReads();

    /// <inheritdoc />
    public Task WaitForChangeAsync(TimeSpan atMost, CancellationToken cancel) => Task.Delay(atMost, Clock, cancel);

    /// <inheritdoc />
    public ValueTask DisposeAsync() => _connections.DisposeAsync();
}
