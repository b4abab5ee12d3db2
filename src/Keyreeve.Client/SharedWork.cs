namespace Keyreeve.Client;

/// <summary>
/// One does the work, and all who come meanwhile, or before <paramref name="pause"/> has passed since it began, take its result: a flood
/// of callers is one piece of work. A caller who gives up does not end it for the others.
/// </summary>
/// <param name="pause">How long a finished result stands; none for work that is done anew by whoever comes next.</param>
/// <param name="clock">The time.</param>
internal sealed class SharedWork<T>(Func<Task<T>, TimeSpan> pause, TimeProvider clock)
{
    private readonly Lock _gate = new();
    private Task<T>? _current;
    private long _begunAt;

    /// <summary>The result of the work that is going on, or of this one.</summary>
    /// <param name="work">What is done. It ends by itself: nobody's cancellation reaches it. It is not kept.</param>
    /// <param name="cancel">Ends this caller's wait alone.</param>
    internal Task<T> RunAsync(Func<Task<T>> work, CancellationToken cancel) => Begin(work).WaitAsync(cancel);

    /// <summary>Sees to it that the work is done, and waits for nothing.</summary>
    internal Task<T> Begin(Func<Task<T>> work)
    {
        lock (_gate)
        {
            if (_current is { } known && (!known.IsCompleted || clock.GetElapsedTime(_begunAt) < pause(known)))
                return known;
            _begunAt = clock.GetTimestamp();
            _current = Task.Run(work);
            // A failure that nobody waited for is looked at here, so that the runtime does not report it as forgotten.
            _ = _current.ContinueWith(static t => _ = t.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
            return _current;
        }
    }
}
