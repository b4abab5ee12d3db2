using Keyreeve.Core.Events;
using Keyreeve.Core.Outbox;
using Keyreeve.Core.Tokens;
using Keyreeve.Storage;
using Xunit;

namespace Keyreeve.Slices.Tests.Storage;

public abstract partial class StoreContract
{
    private long DatabaseNow => Database.Clock.GetUtcNow().ToUnixTimeMilliseconds();

    private static OutboxMessage Message(string receiver, string id, TimeSpan? lifetime = null) => new()
    {
        Id = id,
        Receiver = receiver,
        Url = "https://receiver.example/",
        ContentType = "text/plain",
        Body = [1, 2, 3],
        Form = OutboxForm.Plain,
        Lifetime = lifetime ?? TimeSpan.FromHours(1),
    };

    private Task<bool> SendAsync(params OutboxMessage[] messages) => Database.WriteAsync(unit =>
    {
        foreach (var message in messages)
            unit.Send(message);
        return Task.FromResult(true);
    }, None);

    private async Task<List<string>> IdsAsync(string receiver) => [.. (await Stores.Outbox.OldestAsync(receiver, DatabaseNow, 20_000, None)).Select(m => m.Message.Id)];

    private async Task<ReceiverBacklog> BacklogAsync(string receiver) => Assert.Single(await Stores.Outbox.ListAsync("", 100, None), b => b.Receiver == receiver);

    [Fact]
    public async Task A_message_is_written_with_its_cause_or_not_at_all()
    {
        await Assert.ThrowsAsync<InvalidOperationException>(() => Database.WriteAsync<int>(unit =>
        {
            unit.Send(Message("r", "lost"));
            throw new InvalidOperationException("the cause failed");
        }, None));
        Assert.Empty(await Stores.Outbox.ListAsync("", 100, None));
        await SendAsync(Message("r", "kept"));
        var waiting = Assert.Single(await Stores.Outbox.OldestAsync("r", DatabaseNow, 10, None));
        Assert.Equal(("kept", "r", "https://receiver.example/", "text/plain", OutboxForm.Plain),
            (waiting.Message.Id, waiting.Message.Receiver, waiting.Message.Url, waiting.Message.ContentType, waiting.Message.Form));
        Assert.Equal([1, 2, 3], waiting.Message.Body);
    }

    [Fact]
    public async Task A_revocation_tells_every_receiver_in_its_transaction()
    {
        var stores = new Stores(Database, new RevocationEvents("https://i.example", [new("a", "https://a.example/", "a"), new("b", "https://b.example/", "b")]));
        await stores.Revocations.AddAsync([new Revocation(RevocationKind.JwtId, "t", long.MaxValue, Now)], Entry(), None);
        await stores.Grants.EndGrantAsync("family", Now * 1000, new Revocation(RevocationKind.Grant, "g", long.MaxValue, Now), Entry(), None);
        Assert.Equal(2, (await IdsAsync("events:a")).Count);
        Assert.Equal(2, (await IdsAsync("events:b")).Count);
    }

    [Fact]
    public async Task Messages_of_a_receiver_keep_the_order_of_their_commits()
    {
        await AtOnceAsync(100, i => SendAsync(Message("r", $"{i} first"), Message("other", $"{i}"), Message("r", $"{i} second")));
        var ids = await IdsAsync("r");
        Assert.Equal(200, ids.Distinct().Count());
        for (var i = 0; i < ids.Count; i += 2)
            Assert.Equal(ids[i].Replace("first", "second", StringComparison.Ordinal), ids[i + 1]);
        Assert.Equal(Enumerable.Range(1, 200).Select(n => (long)n), (await Stores.Outbox.OldestAsync("r", DatabaseNow, 1000, None)).Select(m => m.Sequence));
        Assert.Equal(100, (await BacklogAsync("other")).Waiting);
    }

    [Fact]
    public async Task A_postponed_receiver_is_due_when_its_time_has_come_and_after_those_that_answer()
    {
        await SendAsync(Message("dead", "1"), Message("alive", "1"));
        var then = DatabaseNow + 600_000;
        await Stores.Outbox.PostponeAsync("dead", 3, then, "status 500", None);
        Assert.Equal(["alive"], (await Stores.Outbox.DueAsync(then - 1, 10, None)).Select(d => d.Receiver));
        Assert.Equal([new DueReceiver("alive", 0), new DueReceiver("dead", 3)], await Stores.Outbox.DueAsync(then, 10, None));
        // A message more does not make it due earlier.
        await SendAsync(Message("dead", "2"));
        Assert.Equal(["alive"], (await Stores.Outbox.DueAsync(then - 1, 10, None)).Select(d => d.Receiver));
        Assert.Equal((2, 3, then, "status 500"), await BacklogAsync("dead") is var b ? (b.Waiting, b.Attempts, b.NextAttemptAt, b.LastOutcome!) : default);
        await Stores.Outbox.DeliveredAsync("dead", 1, "delivered", None);
        Assert.Contains(new DueReceiver("dead", 0), await Stores.Outbox.DueAsync(0, 10, None));
    }

    [Fact]
    public async Task A_clock_that_is_set_back_holds_no_receiver()
    {
        await SendAsync(Message("a", "1"), Message("b", "1"));
        var before = DatabaseNow;
        await Stores.Outbox.PostponeAsync("a", 9, before + 5 * 60_000, "status 500", None);
        await Stores.Outbox.PostponeAsync("b", 9, before + 3600_000, "status 500", None);
        Assert.Empty(await Stores.Outbox.DueAsync(DatabaseNow, 10, None));
        // An hour back: without this "a" would wait for an hour and five minutes, "b" for two hours. A message more meanwhile changes nothing.
        await SendAsync(Message("a", "2"));
        Assert.Equal(["a", "b"], (await Stores.Outbox.DueAsync(before - 3600_000, 10, None)).Select(d => d.Receiver));
        // Half a minute back, which no wait is longer than.
        Assert.Equal(["a", "b"], (await Stores.Outbox.DueAsync(before - 30_000, 10, None)).Select(d => d.Receiver));
        // Tried in vain after it was set back, it waits as usual.
        await SqlAsync("UPDATE outbox_receivers SET touched_at = @Now, next_attempt_at = @Next", new { Now = before - 3600_000, Next = before - 3600_000 + 60_000 });
        Assert.Empty(await Stores.Outbox.DueAsync(before - 3600_000, 10, None));
    }

    [Fact]
    public async Task A_delivered_message_is_gone_and_telling_it_twice_changes_nothing()
    {
        await SendAsync(Message("r", "1"), Message("r", "2"));
        await Stores.Outbox.DeliveredAsync("r", 1, "delivered", None);
        await Stores.Outbox.DeliveredAsync("r", 1, "delivered", None);
        Assert.Equal(["2"], await IdsAsync("r"));
        Assert.Equal(1, (await BacklogAsync("r")).Waiting);
        await Stores.Outbox.RefusedAsync("r", 2, "refused invalid_request", Entry("outbox.refused"), None);
        Assert.Equal((0, null, "refused invalid_request"), await BacklogAsync("r") is var b ? (b.Waiting, b.OldestAt, b.LastOutcome) : default);
        Assert.Contains("outbox.refused", await AuditKindsAsync());
        Assert.Empty(await Stores.Outbox.DueAsync(long.MaxValue, 10, None));
    }

    [Fact]
    public async Task When_too_many_wait_the_oldest_are_kept_and_the_loss_is_told_at_both_ends()
    {
        await SendAsync([.. Enumerable.Range(1, 9_998).Select(i => Message("r", $"{i}"))]);
        await SendAsync([.. Enumerable.Range(9_999, 5).Select(i => Message("r", $"{i}"))]);
        var ids = await IdsAsync("r");
        Assert.Equal((10_000, "1", "10000"), (ids.Count, ids[0], ids[^1]));
        Assert.Equal((10_000, 3), await BacklogAsync("r") is var b ? (b.Waiting, b.Dropped) : default);
        Assert.Single(await AuditKindsAsync(), "outbox.full");
        await Stores.Outbox.DeliveredAsync("r", 1, "delivered", None);
        await SendAsync(Message("r", "again"));
        Assert.Equal("again", (await IdsAsync("r"))[^1]);
        Assert.DoesNotContain("outbox.dropped", await AuditKindsAsync());
        Assert.Equal(10_000, await Stores.Outbox.DeleteExpiredAsync(long.MaxValue, 20_000, None));
        Assert.Equal(["outbox.dropped", "outbox.expired", "outbox.full"], (await AuditKindsAsync()).Where(k => k.StartsWith("outbox.", StringComparison.Ordinal)).Order(StringComparer.Ordinal));
        Assert.Equal(0, (await BacklogAsync("r")).Dropped);
    }

    [Fact]
    public async Task An_expired_message_is_not_delivered_any_more_and_swept_with_a_line_for_its_receiver()
    {
        await SendAsync(Message("r", "short", TimeSpan.FromMinutes(1)), Message("r", "long", TimeSpan.FromHours(2)), Message("s", "short", TimeSpan.FromMinutes(1)));
        var later = DatabaseNow + 120_000;
        Assert.Equal(["long"], (await Stores.Outbox.OldestAsync("r", later, 10, None)).Select(m => m.Message.Id));
        Assert.Equal(1, await Stores.Outbox.DeleteExpiredAsync(later, 1, None));
        Assert.Equal(1, await Stores.Outbox.DeleteExpiredAsync(later, 10, None));
        Assert.Equal(0, await Stores.Outbox.DeleteExpiredAsync(later, 10, None));
        Assert.Equal((1, 0), ((await BacklogAsync("r")).Waiting, (await BacklogAsync("s")).Waiting));
        Assert.Equal(2, (await AuditKindsAsync()).Count(k => k == "outbox.expired"));
    }

    [Fact]
    public async Task A_backlog_is_dropped_with_an_audit_line_and_new_messages_go_on()
    {
        await SendAsync(Message("r", "1"), Message("r", "2"), Message("s", "1"));
        await Stores.Outbox.PostponeAsync("r", 3, long.MaxValue, "status 500", None);
        Assert.Equal(2, await Stores.Outbox.DropAsync("r", n => Entry($"dropped {n}"), None));
        Assert.Null(await Stores.Outbox.DropAsync("unknown", n => Entry($"dropped {n}"), None));
        Assert.Contains("dropped 2", await AuditKindsAsync());
        await SendAsync(Message("r", "3"));
        Assert.Equal(["3"], await IdsAsync("r"));
        Assert.Equal(["1"], await IdsAsync("s"));
        Assert.Contains(new DueReceiver("r", 0), await Stores.Outbox.DueAsync(0, 10, None));
    }

    [Fact]
    public async Task A_receiver_without_messages_is_forgotten_after_a_while_and_one_with_messages_is_not()
    {
        await SendAsync(Message("gone", "1"), Message("waits", "1"));
        await Stores.Outbox.DeliveredAsync("gone", 1, "delivered", None);
        Assert.Equal(0, await Stores.Outbox.DeleteIdleReceiversAsync(DatabaseNow - 60_000, 10, None));
        Assert.Equal(1, await Stores.Outbox.DeleteIdleReceiversAsync(DatabaseNow + 60_000, 10, None));
        Assert.Equal(["waits"], (await Stores.Outbox.ListAsync("", 10, None)).Select(b => b.Receiver));
        await SendAsync(Message("gone", "2"));
        Assert.Equal(["2"], await IdsAsync("gone"));
    }
}
