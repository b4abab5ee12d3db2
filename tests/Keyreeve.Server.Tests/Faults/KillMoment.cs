namespace Keyreeve.Server.Tests.Faults;

/// <summary>
/// The moment at which a round's server dies: some microseconds after the n-th request of a kind was sent, that is while it is
/// read, decided, written, committed or answered; or, when that never comes, after some seconds.
/// </summary>
internal sealed class KillMoment
{
    /// <summary>When no worker sends what the moment waits for.</summary>
    private static readonly TimeSpan AtTheLatest = TimeSpan.FromSeconds(4);

    private readonly TaskCompletionSource _reached = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly string? _kind;
    private readonly TimeSpan _delay;
    private int _left;

    /// <summary>Chooses one; the same random numbers choose the same.</summary>
    public KillMoment(Random random, IReadOnlyList<string> kinds)
    {
        // One in four falls anywhere, the rest on a request of one kind.
        var kind = random.Next(kinds.Count + kinds.Count / 3 + 1);
        _kind = kind < kinds.Count ? kinds[kind] : null;
        _left = random.Next(1, _kind is null ? 60 : 12);
        // Squared: most moments lie within the first milliseconds, where the writing is.
        var share = random.NextDouble();
        _delay = TimeSpan.FromMicroseconds(share * share * 20_000);
    }

    /// <summary>A worker has this instant begun to send a request of a kind.</summary>
    public void Sent(string kind)
    {
        if ((_kind is null || _kind == kind) && Interlocked.Decrement(ref _left) == 0)
            _reached.TrySetResult();
    }

    /// <summary>Returns when the moment has come.</summary>
    public async Task ComeAsync()
    {
        await Task.WhenAny(_reached.Task, Task.Delay(AtTheLatest));
        var until = TimeProvider.System.GetTimestamp();
        while (TimeProvider.System.GetElapsedTime(until) < _delay)
            Thread.SpinWait(20);
    }

    /// <inheritdoc />
    public override string ToString() => $"{_delay.TotalMilliseconds:0.000} ms after a request of kind {_kind ?? "any"}";
}
