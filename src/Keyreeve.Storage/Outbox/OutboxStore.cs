using System.Threading.Channels;
using Dapper;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Events;
using Keyreeve.Core.Outbox;
using Keyreeve.Core.Tokens;

namespace Keyreeve.Storage;

/// <summary>
/// The outbox as those see it who deliver from it. Only the leader delivers, so nobody else takes messages out meanwhile but the
/// sweeper (expired ones) and operators (all): a message that is gone when its delivery is told has simply been delivered once more
/// than it was counted.
/// </summary>
public sealed class OutboxStore(IDatabase database, RevocationEvents events)
{
    // Of one place: a wake that nobody has heard yet is not doubled.
    private readonly Channel<bool> _added = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

    /// <summary>Writes what a revocation causes, in its transaction.</summary>
    internal void Send(UnitOfWork unit, IEnumerable<Revocation> revocations)
    {
        var now = database.Clock.GetUtcNow();
        foreach (var revocation in revocations)
            foreach (var message in events.Of(revocation, now))
                unit.Send(message);
    }

    /// <summary>Writes messages that have no other cause in the store.</summary>
    public async Task SendAsync(IReadOnlyList<OutboxMessage> messages, CancellationToken cancel)
    {
        await database.WriteAsync(unit =>
        {
            foreach (var message in messages)
                unit.Send(message);
            return Task.FromResult(messages.Count);
        }, cancel);
        Wake();
    }

    /// <summary>Tells the delivery of this node that something was added. Called after the commit; others find it when they look next.</summary>
    public void Wake() => _added.Writer.TryWrite(true);

    /// <summary>Waits until <see cref="Wake"/> or the time is over.</summary>
    public async Task WaitAsync(TimeSpan atMost, CancellationToken cancel)
    {
        using var late = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        late.CancelAfter(atMost);
        try
        {
            await _added.Reader.ReadAsync(late.Token);
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            // The time is over.
        }
    }

    /// <summary>
    /// Receivers with a message to be tried now: those that answered last time first, so that dead ones never stand before them. One
    /// that was postponed later than it is now was postponed by a clock that has been set back since: its wait says nothing, and it is tried.
    /// </summary>
    public Task<IReadOnlyList<DueReceiver>> DueAsync(long now, int limit, CancellationToken cancel) => database.ReadAsync<IReadOnlyList<DueReceiver>>(async connection =>
        [.. (await connection.QueryAsync<ReceiverRow>("""
            SELECT receiver, attempts FROM outbox_receivers
            WHERE waiting > 0 AND (next_attempt_at <= @Now OR next_attempt_at > @Furthest OR touched_at > @Now)
            ORDER BY attempts, next_attempt_at, receiver LIMIT @Limit
            """, new { Now = now, Furthest = now + (long)DeliverySchedule.RetryAfterCap.TotalMilliseconds, Limit = (long)limit })).Select(row => new DueReceiver(row.Receiver, (int)row.Attempts))], cancel);

    /// <summary>The oldest messages of a receiver that are still to be delivered, in order.</summary>
    public Task<IReadOnlyList<WaitingMessage>> OldestAsync(string receiver, long now, int limit, CancellationToken cancel) =>
        database.ReadAsync<IReadOnlyList<WaitingMessage>>(async connection =>
            [.. (await connection.QueryAsync<Row>("""
                SELECT receiver, seq, message_id, url, content_type, form, body, created_at FROM outbox
                WHERE receiver = @Receiver AND expires_at > @Now ORDER BY seq LIMIT @Limit
                """, new { Receiver = receiver, Now = now, Limit = (long)limit })).Select(row => row.ToMessage())], cancel);

    /// <summary>The message arrived.</summary>
    public Task DeliveredAsync(string receiver, long sequence, string outcome, CancellationToken cancel) => RemoveAsync(receiver, sequence, outcome, null, cancel);

    /// <summary>The receiver will never take it.</summary>
    public Task RefusedAsync(string receiver, long sequence, string outcome, AuditEntry entry, CancellationToken cancel) => RemoveAsync(receiver, sequence, outcome, entry, cancel);

    /// <summary>It is tried again, not before a moment (Unix milliseconds).</summary>
    public Task PostponeAsync(string receiver, int attempts, long nextAttemptAt, string outcome, CancellationToken cancel) => database.WriteSharedAsync(unit => unit.ExecuteAsync(
        "UPDATE outbox_receivers SET attempts = @Attempts, next_attempt_at = @NextAttemptAt, last_outcome = @Outcome, touched_at = @Now WHERE receiver = @Receiver AND waiting > 0",
        new { Receiver = receiver, Attempts = (long)attempts, NextAttemptAt = nextAttemptAt, Outcome = outcome, unit.Now }), cancel);

    /// <summary>What waits altogether, for metrics: one look per receiver that has something, however much that is.</summary>
    public Task<OutboxBacklog> MeasureAsync(CancellationToken cancel) => database.ReadAsync(async connection =>
    {
        var row = await connection.QuerySingleAsync<ReceiverRow>("""
            SELECT CAST(COALESCE(SUM(w.waiting), 0) AS BIGINT) AS waiting, MIN(w.oldest_at) AS oldest_at
            FROM (SELECT r.waiting, (SELECT o.created_at FROM outbox o WHERE o.receiver = r.receiver ORDER BY o.seq LIMIT 1) AS oldest_at
                  FROM outbox_receivers r WHERE r.waiting > 0) w
            """);
        return new OutboxBacklog(row.Waiting, row.OldestAt);
    }, cancel);

    /// <summary>What waits, for operators: receivers in the order of their names after a cursor.</summary>
    public Task<IReadOnlyList<ReceiverBacklog>> ListAsync(string after, int limit, CancellationToken cancel) => database.ReadAsync<IReadOnlyList<ReceiverBacklog>>(async connection =>
        [.. (await connection.QueryAsync<ReceiverRow>("""
            SELECT r.receiver, r.waiting, r.dropped, r.attempts, r.next_attempt_at, r.last_outcome,
                   (SELECT o.created_at FROM outbox o WHERE o.receiver = r.receiver ORDER BY o.seq LIMIT 1) AS oldest_at
            FROM outbox_receivers r WHERE r.receiver > @After ORDER BY r.receiver LIMIT @Limit
            """, new { After = after, Limit = (long)limit })).Select(row => row.ToBacklog())], cancel);

    /// <summary>Throws away what waits for a receiver; null when there is no such receiver. An attempt under way may still arrive.</summary>
    public Task<int?> DropAsync(string receiver, Func<int, AuditEntry> entry, CancellationToken cancel) => database.WriteAsync<int?>(async unit =>
    {
        // The receiver's row first: it is what writers of new messages wait for.
        if (await unit.ExecuteAsync("UPDATE outbox_receivers SET waiting = 0, dropped = 0, attempts = 0, next_attempt_at = 0, touched_at = @Now WHERE receiver = @Receiver", new { Receiver = receiver, unit.Now }) == 0)
            return null;
        var removed = await unit.ExecuteAsync("DELETE FROM outbox WHERE receiver = @Receiver", new { Receiver = receiver });
        unit.Audit(entry(removed));
        return removed;
    }, cancel);

    /// <summary>Deletes messages whose time is over, with an audit line for each receiver; returns how many.</summary>
    public Task<int> DeleteExpiredAsync(long now, int limit, CancellationToken cancel) => database.WriteAsync(unit => DeleteExpiredAsync(unit, now, limit), cancel);

    /// <summary>Deletes receivers that had nothing for a long time; returns how many.</summary>
    public Task<int> DeleteIdleReceiversAsync(long untouchedSince, int limit, CancellationToken cancel) =>
        database.WriteSharedAsync(unit => DeleteIdleReceiversAsync(unit, untouchedSince, limit), cancel);

    internal static async Task<int> DeleteExpiredAsync(UnitOfWork unit, long now, int limit)
    {
        var gone = await unit.QueryAsync<string>("""
            DELETE FROM outbox WHERE (receiver, seq) IN (SELECT receiver, seq FROM outbox WHERE expires_at <= @Now ORDER BY expires_at LIMIT @Limit)
            RETURNING receiver
            """, new { Now = now, Limit = (long)limit });
        foreach (var receiver in gone.GroupBy(name => name, StringComparer.Ordinal).OrderBy(group => group.Key, StringComparer.Ordinal))
        {
            await SettleAsync(unit, receiver.Key, receiver.Count(), null);
            unit.Audit(OutboxTable.Entry("outbox.expired", receiver.Key, now, $"{receiver.Count()} messages were not delivered in time"));
        }
        return gone.Count;
    }

    internal static Task<int> DeleteIdleReceiversAsync(UnitOfWork unit, long untouchedSince, int limit) => unit.ExecuteAsync("""
        DELETE FROM outbox_receivers WHERE waiting = 0 AND receiver IN
            (SELECT receiver FROM outbox_receivers WHERE waiting = 0 AND touched_at < @Since ORDER BY receiver LIMIT @Limit)
        """, new { Since = untouchedSince, Limit = (long)limit });

    private Task<int> RemoveAsync(string receiver, long sequence, string outcome, AuditEntry? entry, CancellationToken cancel) => database.WriteSharedAsync(async unit =>
    {
        var removed = await unit.ExecuteAsync("DELETE FROM outbox WHERE receiver = @Receiver AND seq = @Sequence", new { Receiver = receiver, Sequence = sequence });
        if (removed == 0)
            return 0;
        await SettleAsync(unit, receiver, removed, outcome);
        if (entry is not null)
            unit.Audit(entry);
        return removed;
    }, cancel);

    /// <summary>Takes messages off the count. With an outcome the receiver answered: its next message is tried at once.</summary>
    private static async Task SettleAsync(UnitOfWork unit, string receiver, int removed, string? outcome)
    {
        var answered = outcome is null ? "" : ", attempts = 0, next_attempt_at = 0, last_outcome = @Outcome";
        var left = await unit.SingleAsync<ReceiverRow>(
            "UPDATE outbox_receivers SET waiting = waiting - @Removed, touched_at = @Now" + answered + " WHERE receiver = @Receiver RETURNING waiting, dropped",
            new { Receiver = receiver, Removed = (long)removed, unit.Now, Outcome = outcome });
        if (left is not { Waiting: 0, Dropped: > 0 })
            return;
        unit.Audit(OutboxTable.Entry("outbox.dropped", receiver, unit.Now, $"{left.Dropped} messages were not kept while too many waited"));
        await unit.ExecuteAsync("UPDATE outbox_receivers SET dropped = 0 WHERE receiver = @Receiver", new { Receiver = receiver });
    }

    private sealed class Row
    {
        public string Receiver { get; init; } = "";
        public long Seq { get; init; }
        public string MessageId { get; init; } = "";
        public string Url { get; init; } = "";
        public string ContentType { get; init; } = "";
        public long Form { get; init; }
        public byte[] Body { get; init; } = [];
        public long CreatedAt { get; init; }

        public WaitingMessage ToMessage() => new(Seq, new OutboxMessage
        {
            Id = MessageId,
            Receiver = Receiver,
            Url = Url,
            ContentType = ContentType,
            Body = Body,
            Form = Enum.IsDefined((OutboxForm)Form) ? (OutboxForm)Form : throw StoredText.Broken($"form {Form}"),
        }, CreatedAt);
    }

    private sealed class ReceiverRow
    {
        public string Receiver { get; init; } = "";
        public long Waiting { get; init; }
        public long Dropped { get; init; }
        public long Attempts { get; init; }
        public long NextAttemptAt { get; init; }
        public string? LastOutcome { get; init; }
        public long? OldestAt { get; init; }

        public ReceiverBacklog ToBacklog() => new(Receiver, Waiting, OldestAt, (int)Attempts, NextAttemptAt, LastOutcome, Dropped);
    }
}
