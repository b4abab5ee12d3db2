using System.Data.Common;

namespace Keyreeve.Storage;

/// <summary>A database over one connection and for one user: what offline commands give to the stores. Each write is a transaction of its own.</summary>
public sealed class OneConnection(DbConnection connection, TimeProvider clock, string node) : IDatabase
{
    /// <inheritdoc />
    public string Node { get; } = node;

    /// <inheritdoc />
    public TimeProvider Clock { get; } = clock;

    /// <summary>There is no other writer.</summary>
    public string SkipLocked => "";

    /// <summary>There is nobody to wake.</summary>
    public string? Announcement => null;

    /// <inheritdoc />
    public Task<T> ReadAsync<T>(Func<DbConnection, Task<T>> work, CancellationToken cancel) => work(connection);

    /// <inheritdoc />
    public async Task<T> WriteAsync<T>(Func<UnitOfWork, Task<T>> work, CancellationToken cancel)
    {
        await using var transaction = await connection.BeginTransactionAsync(cancel);
        var unit = new UnitOfWork(this, connection, transaction);
        var result = await work(unit);
        await unit.FinishAsync();
        await transaction.CommitAsync(cancel);
        return result;
    }

    /// <inheritdoc />
    public Task<T> WriteSharedAsync<T>(Func<UnitOfWork, Task<T>> work, CancellationToken cancel) => WriteAsync(work, cancel);

    /// <summary>There is no other node.</summary>
    public ValueTask<bool> LeadsAsync(string job, CancellationToken cancel) => new(true);

    /// <summary>There is no other node.</summary>
    public ValueTask ResignAsync(string job, CancellationToken cancel) => ValueTask.CompletedTask;

    /// <summary>There is no other node, and so nothing to dispose but this.</summary>
    public Task<IAsyncDisposable> AloneAsync(string what, CancellationToken cancel) => Task.FromResult<IAsyncDisposable>(this);

    /// <summary>There is no other node.</summary>
    public Task WaitForChangeAsync(TimeSpan atMost, CancellationToken cancel) => Task.Delay(atMost, Clock, cancel);

    /// <summary>Nothing: the connection is its opener's.</summary>
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
