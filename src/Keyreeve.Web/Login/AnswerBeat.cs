using Keyreeve.Core.Refusals;

namespace Keyreeve.Web.Login;

/// <summary>
/// Answers failed checks at multiples of one span of time: a check that wrote to the disk and one that found nobody answer alike.
/// </summary>
public sealed class AnswerBeat(TimeProvider clock)
{
    /// <summary>Our choice: longer than a hash and a write together.</summary>
    private static readonly TimeSpan Beat = TimeSpan.FromMilliseconds(250);

    /// <summary>Runs a check; its refusal waits for the beat, unless it says that the server is busy.</summary>
    public async Task<Outcome<T>> KeepAsync<T>(Func<Task<Outcome<T>>> check, CancellationToken cancel)
        where T : notnull
    {
        var started = clock.GetTimestamp();
        var outcome = await check();
        if (!outcome.Succeeded(out _, out var refusal) && refusal.Code != RefusalCode.Busy)
        {
            var elapsed = clock.GetElapsedTime(started);
            await Task.Delay(Beat - TimeSpan.FromTicks(elapsed.Ticks % Beat.Ticks), clock, cancel);
        }
        return outcome;
    }
}
