namespace Keyreeve.Core.Outbox;

/// <summary>What became of one attempt.</summary>
/// <param name="Status">HTTP status, or null when there was no answer.</param>
/// <param name="Failure">Class of the failure when there was no answer.</param>
/// <param name="RetryAfter">What the receiver asked for, or null.</param>
/// <param name="Refusal">The error code of RFC 8935 section 2.4 in an answer 400, or null.</param>
public sealed record DeliveryAttempt(int? Status, string? Failure, TimeSpan? RetryAfter, string? Refusal)
{
    /// <summary>For the operator: a word of a closed set, nothing that the receiver wrote.</summary>
    public string Class => this switch
    {
        { Status: >= 200 and <= 299 } => "delivered",
        { Refusal: { } refusal } => "refused " + refusal,
        { Status: { } status } => $"status {status}",
        _ => Failure ?? "no answer",
    };
}

/// <summary>What is done about a message after an attempt.</summary>
public enum DeliveryVerdict
{
    /// <summary>It arrived: it is deleted.</summary>
    Delivered,

    /// <summary>The receiver read it and says that it will never take it: it is deleted, with an audit line.</summary>
    Refused,

    /// <summary>It is tried again.</summary>
    Later,
}

/// <summary>When a message is tried again. Pure.</summary>
public static class DeliverySchedule
{
    /// <summary>After the first failure. Our choice.</summary>
    public static readonly TimeSpan First = TimeSpan.FromSeconds(1);

    /// <summary>The longest we wait of our own accord. Our choice: a receiver that comes back hears from us within five minutes.</summary>
    public static readonly TimeSpan Cap = TimeSpan.FromMinutes(5);

    /// <summary>The longest a receiver may make us wait by Retry-After. Our choice.</summary>
    public static readonly TimeSpan RetryAfterCap = TimeSpan.FromHours(1);

    /// <summary>
    /// 2xx is delivered (RFC 8935 2.2 answers 202; others answer 200 or 204 and mean it). 400 with an error code of RFC 8935 is a
    /// refusal of this very message. Everything else may be mended on one side or the other, so it is tried until the message expires:
    /// redirects too, which are never followed.
    /// </summary>
    [Spec("RFC 8935", "2.3")]
    public static DeliveryVerdict Judge(DeliveryAttempt attempt) => attempt switch
    {
        { Status: >= 200 and <= 299 } => DeliveryVerdict.Delivered,
        { Status: 400, Refusal: not null } => DeliveryVerdict.Refused,
        _ => DeliveryVerdict.Later,
    };

    /// <summary>
    /// The wait before the next attempt: doubled with each failure up to the cap, of which a random half is taken off, so that what
    /// failed together does not return together. A longer Retry-After is obeyed within its cap; a shorter one does not hurry us.
    /// </summary>
    /// <param name="attempts">Failures so far, this one included; at least 1.</param>
    /// <param name="retryAfter">What the receiver asked for.</param>
    /// <param name="chance">A random number from 0 to below 1.</param>
    public static TimeSpan WaitAfter(int attempts, TimeSpan? retryAfter, double chance)
    {
        var doubled = First * Math.Pow(2, Math.Clamp(attempts - 1, 0, 30));
        var most = doubled < Cap ? doubled : Cap;
        var own = most * (1 - chance / 2);
        var asked = retryAfter is { } wait ? (wait < RetryAfterCap ? wait : RetryAfterCap) : TimeSpan.Zero;
        return asked > own ? asked : own;
    }
}
