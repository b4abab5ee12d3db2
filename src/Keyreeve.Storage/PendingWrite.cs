namespace Keyreeve.Storage;

/// <summary>A write that waits for its batch. Its caller hears of it once, after the batch's commit.</summary>
internal abstract class PendingWrite(bool alone, long queuedAt, CancellationToken cancel)
{
    /// <summary>No other writer may come in between.</summary>
    public bool Alone { get; } = alone;

    /// <summary>Timestamp of the moment it was made.</summary>
    public long QueuedAt { get; } = queuedAt;

    /// <summary>True when it was not written.</summary>
    public bool HasFailed => Failure is not null;

    /// <summary>Why it was not written, or null.</summary>
    protected Exception? Failure { get; private set; }

    /// <summary>True when its caller has given up before it began.</summary>
    public bool IsAbandoned => cancel.IsCancellationRequested;

    /// <summary>The first reason stays: what follows it is its consequence.</summary>
    public void Fail(Exception failure) => Failure ??= failure;

    /// <summary>It is done again: what came of the last time does not count.</summary>
    public void Forget() => Failure = null;

    /// <summary>Does the work.</summary>
    public abstract Task RunAsync(UnitOfWork unit);

    /// <summary>Tells the caller.</summary>
    public abstract void Complete();
}

/// <inheritdoc />
internal sealed class PendingWrite<T>(Func<UnitOfWork, Task<T>> work, bool alone, long queuedAt, CancellationToken cancel) : PendingWrite(alone, queuedAt, cancel)
{
    // Continuations run elsewhere: a caller's next step must never run on the writer.
    private readonly TaskCompletionSource<T> _told = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationToken _cancel = cancel;
    private T? _result;

    /// <summary>Completes when the write is on disk, or is known not to be.</summary>
    public Task<T> Told => _told.Task;

    /// <inheritdoc />
    public override async Task RunAsync(UnitOfWork unit) => _result = await work(unit);

    /// <inheritdoc />
    public override void Complete()
    {
        if (Failure is OperationCanceledException && _cancel.IsCancellationRequested)
            _told.SetCanceled(_cancel);
        else if (Failure is not null)
            _told.SetException(Failure);
        else
            _told.SetResult(_result!);
    }
}
