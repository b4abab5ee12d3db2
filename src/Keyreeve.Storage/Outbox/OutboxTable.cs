using Keyreeve.Core.Audit;
using Keyreeve.Core.Outbox;

namespace Keyreeve.Storage;

/// <summary>Writes messages of a unit of work.</summary>
internal static class OutboxTable
{
    /// <summary>Messages waiting for one receiver at most. Our choice: a day of a revocation every nine seconds.</summary>
    public const int MaxWaiting = 10_000;

    /// <summary>
    /// Adds a message. When too many wait, the oldest are kept and the new one is not written: what caused it is done all the same,
    /// because a receiver that is away must not keep a revocation from being one. The first such loss writes an audit line; how many
    /// there were is told when the receiver has caught up. touched_at is when the receiver was last heard or waited for: a message more
    /// does not change it.
    /// </summary>
    public static async Task AddAsync(UnitOfWork unit, OutboxMessage message)
    {
        if (message.Body.Length > OutboxMessage.MaxBody)
            throw new ArgumentException($"a message has {OutboxMessage.MaxBody} octets at most", nameof(message));
        var now = unit.Now;
        var sequence = await unit.SingleAsync<long?>("""
            INSERT INTO outbox_receivers (receiver, last_seq, waiting, dropped, attempts, next_attempt_at, touched_at)
            VALUES (@Receiver, 1, 1, 0, 0, 0, @Now)
            ON CONFLICT (receiver) DO UPDATE SET last_seq = outbox_receivers.last_seq + 1, waiting = outbox_receivers.waiting + 1
            WHERE outbox_receivers.waiting < @Max
            RETURNING last_seq
            """, new { message.Receiver, Now = now, Max = (long)MaxWaiting });
        if (sequence is null)
        {
            if (await unit.SingleAsync<long>("UPDATE outbox_receivers SET dropped = dropped + 1 WHERE receiver = @Receiver RETURNING dropped", new { message.Receiver }) == 1)
                unit.Audit(Entry("outbox.full", message.Receiver, now, $"{MaxWaiting} messages wait; new ones are not kept until the receiver answers"));
            return;
        }
        await unit.ExecuteAsync("""
            INSERT INTO outbox (receiver, seq, message_id, url, content_type, form, body, created_at, expires_at)
            VALUES (@Receiver, @Sequence, @Id, @Url, @ContentType, @Form, @Body, @Now, @ExpiresAt)
            """, new
        {
            message.Receiver,
            Sequence = sequence.Value,
            message.Id,
            message.Url,
            message.ContentType,
            Form = (long)message.Form,
            message.Body,
            Now = now,
            ExpiresAt = now + (long)message.Lifetime.TotalMilliseconds,
        });
    }

    /// <summary>A line about a receiver, by the server itself.</summary>
    public static AuditEntry Entry(string kind, string receiver, long now, string detail) =>
        new() { Kind = kind, Outcome = AuditOutcome.Changed, At = now, Actor = "system", Subject = receiver, Detail = detail };
}
