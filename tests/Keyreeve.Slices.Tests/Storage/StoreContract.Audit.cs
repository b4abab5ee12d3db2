using Keyreeve.Core.Audit;
using Keyreeve.Core.Snapshots;
using Keyreeve.Storage;
using Xunit;

namespace Keyreeve.Slices.Tests.Storage;

public abstract partial class StoreContract
{
    private Task<AuditWalk> WalkAsync() => AuditVerification.WalkAsync(Stores.Audit, None);

    private Task AppendAsync(int lines) =>
        Stores.Audit.AppendAsync([.. Enumerable.Range(0, lines).Select(i => Entry($"line {i}") with { Detail = "it's \"quoted\" \u00e9 \U0001F600; --" })], None);

    [Fact]
    public async Task An_empty_audit_holds()
    {
        Assert.Equal(new(0, null), await WalkAsync());
        await Stores.Audit.AppendAsync([], None);
        Assert.Empty(await Stores.Audit.HeadsAsync(None));
    }

    [Fact]
    public async Task Lines_come_back_in_order_as_they_were_hashed()
    {
        AuditEntry full = new()
        {
            Kind = "kind",
            Outcome = AuditOutcome.Refused,
            At = 5,
            Actor = "actor",
            ClientId = "client",
            Subject = "subject",
            Detail = "detail",
            Source = "::1",
            CorrelationId = "id",
        };
        await Stores.Audit.AppendAsync([full, Entry()], None);
        var lines = await Stores.Audit.ReadAsync("node-1", 0, 10, None);
        Assert.Equal([1L, 2L], lines.Select(line => line.Sequence));
        Assert.Equal(full.ToCanonicalJson(), lines[0].Json);
        Assert.Equal(AuditChain.Next(AuditChain.Genesis, 1, lines[0].Json), lines[0].Hash);
        Assert.Equal(AuditChain.Next(lines[0].Hash, 2, lines[1].Json), lines[1].Hash);
        Assert.Equal(2, Assert.Single(await Stores.Audit.ReadAsync("node-1", 1, 10, None)).Sequence);
        Assert.Equal(1, Assert.Single(await Stores.Audit.ReadAsync("node-1", 0, 1, None)).Sequence);
        Assert.Empty(await Stores.Audit.ReadAsync("node-2", 0, 10, None));
    }

    [Fact]
    public async Task What_was_written_although_its_answer_was_lost_is_not_written_twice()
    {
        var database = new LostAnswers(Stores.Database);
        var (audit, attempts) = (new AuditStore(database), new AuditAttempts());
        List<AuditEntry> batch = [Entry("a"), Entry("b"), Entry("b")];
        await audit.AppendOnceAsync(batch, attempts, None);
        batch = [Entry("c"), Entry("a")];
        database.Lost = LostAnswers.Answer.AfterTheWrite;
        await Assert.ThrowsAsync<StoreUnavailableException>(() => audit.AppendOnceAsync(batch, attempts, None));
        // Others of this node go on, and more was queued meanwhile.
        await AppendAsync(1);
        batch.Add(Entry("d"));
        database.Lost = LostAnswers.Answer.AfterTheWrite;
        await Assert.ThrowsAsync<StoreUnavailableException>(() => audit.AppendOnceAsync(batch, attempts, None));
        database.Lost = LostAnswers.Answer.BeforeTheWrite;
        await Assert.ThrowsAsync<StoreUnavailableException>(() => audit.AppendOnceAsync(batch, attempts, None));
        batch.Add(Entry("e"));
        await audit.AppendOnceAsync(batch, attempts, None);
        Assert.Null(attempts.Since);
        await audit.AppendOnceAsync([Entry("a")], attempts, None);
        var lines = await Stores.Audit.ReadAsync("node-1", 0, 100, None);
        Assert.Equal(["a", "b", "b", "c", "a", "line 0", "d", "e", "a"], lines.Select(line => AuditEntry.TryRead(line.Json)!.Kind));
        Assert.Equal(new(9, null), await WalkAsync());
    }

    [Fact]
    public async Task The_chain_holds_after_parallel_writes_of_all_kinds_and_over_a_restart_and_two_nodes()
    {
        async Task MixAsync(string prefix) => await AtOnceAsync(60, async i =>
        {
            if (i % 3 == 0)
                await AppendAsync(5);
            else if (i % 3 == 1)
                await AddUserAsync(Samples.User($"{prefix} {i}"));
            else
                await AddClientAsync(Samples.Client($"{prefix} {i}"));
            return 0;
        });
        await MixAsync("one");
        Assert.Equal(new(140, null), await WalkAsync());
        await ReopenAsync("node-1");
        await MixAsync("two");
        await ReopenAsync("node-2");
        await MixAsync("three");
        Assert.Equal(new(420, null), await WalkAsync());
        Assert.Equal([("node-1", 280L), ("node-2", 140L)], (await Stores.Audit.HeadsAsync(None)).Select(head => (head.Node, head.Sequence)));
    }

    [Theory]
    [InlineData("UPDATE audit SET json = @Json WHERE seq = 4", "node-1/4: the line was changed")]
    [InlineData("UPDATE audit SET hash = json WHERE seq = 4", "node-1/4: the line was changed")]
    [InlineData("DELETE FROM audit WHERE seq = 4", "node-1/4: the line is missing")]
    [InlineData("DELETE FROM audit WHERE seq = 1", "node-1/1: the line is missing")]
    [InlineData("DELETE FROM audit WHERE seq > 7", "node-1/8: lines are missing at the end")]
    [InlineData("DELETE FROM audit", "node-1/1: lines are missing at the end")]
    [InlineData("UPDATE audit SET seq = seq + 100 WHERE seq = 10", "node-1/10: the line is missing")]
    [InlineData("UPDATE audit_heads SET seq = 11", "node-1/11: lines are missing at the end")]
    [InlineData("DELETE FROM audit_heads", "node-1/1: the chain has no head")]
    [InlineData("UPDATE audit_heads SET hash = @Json", "node-1/10: the head is not that of the line")]
    public async Task Whoever_touches_a_line_is_found(string sql, string finding)
    {
        await AppendAsync(10);
        Assert.Null((await WalkAsync()).BrokenAt);
        Assert.NotEqual(0, await SqlAsync(sql, new { Json = Entry("forged").ToCanonicalJson() }));
        Assert.Equal(finding, (await WalkAsync()).BrokenAt);
    }

    [Fact]
    public async Task A_change_its_audit_line_and_its_topic_are_written_together_or_not_at_all()
    {
        await Assert.ThrowsAsync<InvalidOperationException>(() => Database.WriteAsync<int>(async unit =>
        {
            unit.Audit(Entry("lost"));
            unit.Bump(Topic.Clients);
            Assert.Equal(1, await unit.ExecuteAsync("INSERT INTO sealed_values (name, value) VALUES (@Name, @Value)", new { Name = "lost", Value = new byte[] { 1 } }));
            throw new InvalidOperationException("the work breaks after its statement");
        }, None));
        Assert.Null(await Stores.Sealed.FindAsync("lost", None));
        Assert.Empty(await Stores.Audit.HeadsAsync(None));
        Assert.Equal(0, await VersionOfAsync(Topic.Clients));
    }

    [Fact]
    public async Task A_change_whose_audit_line_cannot_be_written_is_not_made()
    {
        await AppendAsync(1);
        // The next line's place is taken, so that the line, not the change, is what fails.
        await SqlAsync("INSERT INTO audit (node, seq, json, hash) VALUES ('node-1', 2, @Json, @Json)", new { Json = new byte[] { 1 } });
        await Assert.ThrowsAnyAsync<System.Data.Common.DbException>(() => Stores.Sealed.PutAsync("lost", [1], Entry(), None));
        Assert.Null(await Stores.Sealed.FindAsync("lost", None));
        Assert.Equal(1, Assert.Single(await Stores.Audit.HeadsAsync(None)).Sequence);
    }

    [Fact]
    public async Task Topics_count_every_change_of_many_at_once()
    {
        Assert.Empty(await Stores.Changes.ReadAsync(None));
        await AtOnceAsync(30, i => AddClientAsync(Samples.Client($"client {i}")));
        Assert.Equal(new Dictionary<Topic, long> { [Topic.Clients] = 30 }, await Stores.Changes.ReadAsync(None));
    }
}
