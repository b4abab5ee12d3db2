namespace Keyreeve.Core.Policy;

/// <summary>
/// A clock may be set wrong and set right again. What is over by the clock is refused at once, but deleted only this much later: rows
/// that say "used" or "revoked" must still be there when the clock comes back, and rows that are good must not be gone.
/// </summary>
public static class ClockJumps
{
    /// <summary>Jumps up to this are survived. Our choice: an hour is what a wrong time zone makes, twice that is safe.</summary>
    public static readonly TimeSpan Forgiven = TimeSpan.FromHours(2);
}
