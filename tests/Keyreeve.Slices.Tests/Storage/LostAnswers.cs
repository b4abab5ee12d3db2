using System.Data.Common;
using Keyreeve.Storage;

namespace Keyreeve.Slices.Tests.Storage;

/// <summary>A database whose answer to one write is lost, as when the connection breaks at the commit.</summary>
internal sealed class LostAnswers(IDatabase inner) : IDatabase
{
    public enum Answer
    {
        None,
        BeforeTheWrite,
        AfterTheWrite,
    }

    /// <summary>Which answer is lost next.</summary>
    public Answer Lost { get; set; }

    public string Node => inner.Node;

    public TimeProvider Clock => inner.Clock;

    public string SkipLocked => inner.SkipLocked;

    public string? Announcement => inner.Announcement;

    public Task<T> ReadAsync<T>(Func<DbConnection, Task<T>> work, CancellationToken cancel) => inner.ReadAsync(work, cancel);

    public Task<T> WriteAsync<T>(Func<UnitOfWork, Task<T>> work, CancellationToken cancel) => LoseAsync(() => inner.WriteAsync(work, cancel));

    public Task<T> WriteSharedAsync<T>(Func<UnitOfWork, Task<T>> work, CancellationToken cancel) => LoseAsync(() => inner.WriteSharedAsync(work, cancel));

    public ValueTask<bool> LeadsAsync(string job, CancellationToken cancel) => inner.LeadsAsync(job, cancel);

    public ValueTask ResignAsync(string job, CancellationToken cancel) => inner.ResignAsync(job, cancel);

    public Task<IAsyncDisposable> AloneAsync(string what, CancellationToken cancel) => inner.AloneAsync(what, cancel);

    public Task WaitForChangeAsync(TimeSpan atMost, CancellationToken cancel) => inner.WaitForChangeAsync(atMost, cancel);

    /// <summary>The inner one stays whose it is.</summary>
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private async Task<T> LoseAsync<T>(Func<Task<T>> write)
    {
        var lost = Lost;
        Lost = Answer.None;
        if (lost == Answer.BeforeTheWrite)
            throw new StoreUnavailableException("the connection was lost");
        var result = await write();
        return lost == Answer.None ? result : throw new StoreUnavailableException("the connection was lost");
    }
}
