namespace Keyreeve.Storage;

/// <summary>One batch of a sweep.</summary>
/// <param name="Rows">Deleted.</param>
/// <param name="Working">In the statement itself: what others that write wait for.</param>
/// <param name="Busy">From the beginning of the statement to the end of its commit; without the time in the queue.</param>
public sealed record SweepStep(int Rows, TimeSpan Working, TimeSpan Busy);

/// <summary>Deletes rows of one kind whose time is over, oldest first.</summary>
/// <param name="name">Of the kind, for logs and metrics.</param>
/// <param name="database">Where.</param>
/// <param name="delete">Deletes so many rows at most that are expired at a time (Unix milliseconds); returns how many.</param>
/// <param name="alone">True when the deletion is more than one statement that compares and sets.</param>
public sealed class Sweep(string name, IDatabase database, Func<UnitOfWork, long, int, Task<int>> delete, bool alone = false)
{
    /// <summary>The name.</summary>
    public string Name { get; } = name;

    /// <summary>One batch.</summary>
    public async Task<SweepStep> RunAsync(DateTimeOffset now, int limit, CancellationToken cancel)
    {
        var clock = database.Clock;
        var (began, worked) = (0L, 0L);
        var rows = await (alone ? database.WriteAsync(DeleteAsync, cancel) : database.WriteSharedAsync(DeleteAsync, cancel));
        return new(rows, clock.GetElapsedTime(began, worked), clock.GetElapsedTime(began));

        // May run more than once; the last time counts.
        async Task<int> DeleteAsync(UnitOfWork unit)
        {
            began = clock.GetTimestamp();
            var deleted = await delete(unit, now.ToUnixTimeMilliseconds(), limit);
            worked = clock.GetTimestamp();
            return deleted;
        }
    }
}

/// <summary>Everything that is swept. What has an end and a row stands here.</summary>
public static class Sweeps
{
    /// <summary>How long a receiver without messages is remembered. Our choice.</summary>
    private const long ReceiverMilliseconds = 7L * 24 * 3600 * 1000;

    /// <summary>How long a removed key record can be restored, when nothing else is set.</summary>
    public static readonly TimeSpan Recovery = TimeSpan.FromDays(30);

    /// <summary>All of them; rows that only take place before rows that nobody misses.</summary>
    public static IReadOnlyList<Sweep> Of(IDatabase database, TimeSpan recovery) =>
    [
        new("codes", database, (unit, now, limit) => CodeTable.DeleteExpiredAsync(unit, now / 1000, limit)),
        new("refresh_families", database, (unit, now, limit) => FamilyTable.DeleteExpiredAsync(unit, now, limit)),
        new("sessions", database, (unit, now, limit) => SessionStore.DeleteExpiredAsync(unit, now, limit)),
        new("revocations", database, (unit, now, limit) => RevocationStore.DeleteExpiredAsync(unit, now / 1000, limit)),
        new("issued_certificates", database, (unit, now, limit) => IssuedCertificateStore.DeleteLongEndedAsync(unit, now / 1000, limit)),
        new("used_assertions", database, (unit, now, limit) => AssertionTable.DeleteExpiredAsync(unit, now / 1000, limit)),
        new("used_marks", database, (unit, now, limit) => CredentialStore.DeleteExpiredAsync(unit, now, limit)),
        new("key_records", database, (unit, now, limit) => KeyRecordStore.DeleteRemovedAsync(unit, now / 1000 - (long)recovery.TotalSeconds, limit), alone: true),
        new("key_versions", database, (unit, _, limit) => KeyVersionTable.DeleteDeadAsync(unit, limit), alone: true),
        new("outbox", database, (unit, now, limit) => OutboxStore.DeleteExpiredAsync(unit, now, limit), alone: true),
        new("outbox_receivers", database, (unit, now, limit) => OutboxStore.DeleteIdleReceiversAsync(unit, now - ReceiverMilliseconds, limit)),
    ];
}
