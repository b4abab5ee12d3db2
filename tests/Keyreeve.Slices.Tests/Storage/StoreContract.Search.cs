using Keyreeve.Core.Audit;
using Keyreeve.Storage;
using Xunit;

namespace Keyreeve.Slices.Tests.Storage;

/// <summary>Lists of the audit, and what nodes witness of each other.</summary>
public abstract partial class StoreContract
{
    private static AuditEntry Line(long at, string kind = "token.refresh_token", string? subject = null, string? client = null, string? actor = null,
        AuditOutcome outcome = AuditOutcome.Granted, string? correlation = null) =>
        new() { Kind = kind, Outcome = outcome, At = at, Subject = subject, ClientId = client, Actor = actor, CorrelationId = correlation };

    private async Task<List<(string Node, long Sequence)>> ListAllAsync(AuditQuery query, int limit, Func<Task>? between = null)
    {
        var found = new List<(string, long)>();
        AuditPlace? after = null;
        do
        {
            var page = await Stores.Audit.ListAsync(query, after, limit, None);
            Assert.True(page.Lines.Count <= limit);
            found.AddRange(page.Lines.Select(l => (l.Line.Node, l.Line.Sequence)));
            after = page.Next is null ? null : AuditPlace.TryRead(page.Next.ToString(), out var place) ? place : throw new InvalidOperationException("the cursor does not come back");
            if (between is not null)
                await between();
        }
        while (after is not null);
        return found;
    }

    [Fact]
    public async Task Lines_are_listed_newest_first_and_none_is_left_out_or_twice_while_others_are_written()
    {
        // Many lines of one millisecond, and times that go back: batches are written late.
        await Stores.Audit.AppendAsync([.. Enumerable.Range(0, 100).Select(i => Line(1000 + i / 10 * (i % 2 == 0 ? 1 : -1)))], None);
        await ReopenAsync("node-2");
        await Stores.Audit.AppendAsync([.. Enumerable.Range(0, 50).Select(i => Line(1000 + i / 10))], None);
        var before = await ListAllAsync(new(), 1000);
        Assert.Equal(150, before.Distinct().Count());
        var next = 5000L;
        var paged = await ListAllAsync(new(), 7, () => Stores.Audit.AppendAsync([Line(next++), Line(1005)], None));
        Assert.Equal(before, paged.Where(before.Contains));
        Assert.Equal(paged.Count, paged.Distinct().Count());
        var times = (await Stores.Audit.ListAsync(new(), null, 1000, None)).Lines.Select(l => l.Entry.At).ToList();
        Assert.Equal(times.OrderDescending(), times);
    }

    [Fact]
    public async Task Each_filter_finds_its_lines_and_no_others()
    {
        await Stores.Audit.AppendAsync(
        [
            Line(10, "token.refresh_token", "alice", "app", "alice"),
            Line(20, "token.client_credentials", null, "app", "app"),
            Line(30, "login", "alice", null, "alice", AuditOutcome.Refused, "c-1"),
            Line(40, "tokens.revoked", "Alice", "App", "operator:1", AuditOutcome.Changed),
        ], None);
        await CheckAsync(new(), 4, 3, 2, 1);
        await CheckAsync(new() { From = 20 }, 4, 3, 2);
        await CheckAsync(new() { To = 20 }, 1);
        await CheckAsync(new() { From = 20, To = 40 }, 3, 2);
        await CheckAsync(new() { Kind = "token." }, 2, 1);
        await CheckAsync(new() { Kind = "token" });
        await CheckAsync(new() { Kind = "login" }, 3);
        await CheckAsync(new() { Outcome = AuditOutcome.Refused }, 3);
        await CheckAsync(new() { Subject = "alice" }, 3, 1);
        await CheckAsync(new() { ClientId = "app" }, 2, 1);
        await CheckAsync(new() { Subject = "alice", ClientId = "app" }, 1);
        await CheckAsync(new() { Actor = "operator:1" }, 4);
        await CheckAsync(new() { Node = "node-1" }, 4, 3, 2, 1);
        await CheckAsync(new() { Node = "node-2" });
        await CheckAsync(new() { CorrelationId = "c-1" }, 3);
        await CheckAsync(new() { Subject = "' OR 1=1 --" });

        async Task CheckAsync(AuditQuery query, params long[] expected) => Assert.Equal(expected, (await ListAllAsync(query, 2)).Select(l => l.Sequence));
    }

    [Fact]
    public async Task A_rare_line_is_found_behind_many_others_by_following_the_pages()
    {
        await Stores.Audit.AppendAsync([Line(1, "operator.registered")], None);
        for (var i = 0; i < 21; i++)
            await Stores.Audit.AppendAsync([.. Enumerable.Range(0, 1000).Select(n => Line(2 + n))], None);
        var first = await Stores.Audit.ListAsync(new() { Kind = "operator." }, null, 10, None);
        Assert.Empty(first.Lines);
        Assert.NotNull(first.Next);
        Assert.Equal([("node-1", 1L)], await ListAllAsync(new() { Kind = "operator." }, 10));
    }

    [Fact]
    public async Task Lines_of_an_older_schema_are_found_when_the_backfill_has_ended()
    {
        await AppendAsync(450);
        await Stores.Audit.AppendAsync([Line(7, subject: "alice", client: "app")], None);
        await SqlAsync("UPDATE audit SET at = NULL, subject = NULL, client_id = NULL");
        Assert.Empty(await ListAllAsync(new(), 1000));
        Assert.False(await Stores.Audit.IsSearchableAsync(None));
        await AppendAsync(1);
        Assert.Single(await ListAllAsync(new(), 1000));
        await Stores.Backfills.RunAsync(background: false, null, None);
        Assert.True(await Stores.Audit.IsSearchableAsync(None));
        Assert.Equal(452, (await ListAllAsync(new(), 1000)).Count);
        Assert.Equal([("node-1", 451L)], await ListAllAsync(new() { Subject = "alice" }, 1000));
        Assert.Equal([("node-1", 451L)], await ListAllAsync(new() { ClientId = "app" }, 1000));
        Assert.Equal(new AuditWalk(452, null), await WalkAsync());
    }

    [Theory]
    [InlineData("DELETE FROM audit WHERE node = 'node-1'", "DELETE FROM audit_heads WHERE node = 'node-1'", "node-1/10: the line is missing, or was cut off with the end of the chain, as node-2/2 has witnessed")]
    [InlineData("DELETE FROM audit WHERE node = 'node-1' AND seq > 8", "UPDATE audit_heads SET seq = 8, hash = (SELECT hash FROM audit WHERE node = 'node-1' AND seq = 8) WHERE node = 'node-1'",
        "node-1/10: the line is missing, or was cut off with the end of the chain, as node-2/2 has witnessed")]
    public async Task What_one_node_has_witnessed_of_another_cannot_be_taken_away_unseen(string first, string second, string finding)
    {
        await AppendAsync(10);
        await ReopenAsync("node-2");
        await AppendAsync(1);
        await Stores.Audit.AppendAsync([AuditWitness.Of("node-2", await Stores.Audit.HeadsAsync(None), DateTimeOffset.UnixEpoch)!], None);
        Assert.Equal(new AuditWalk(12, null) { Witnessed = 1 }, await WalkAsync());
        await SqlAsync(first);
        await SqlAsync(second);
        Assert.Equal(finding, (await WalkAsync()).BrokenAt);
    }

    [Fact]
    public async Task A_head_that_was_kept_elsewhere_finds_a_chain_that_was_cut_off_or_written_anew()
    {
        await AppendAsync(10);
        var (node, sequence, hash) = Assert.Single(await Stores.Audit.HeadsAsync(None));
        AuditHead kept = new(node, sequence, Convert.ToHexStringLower(hash));
        await AppendAsync(5);
        Assert.Null((await AuditVerification.WalkAsync(Stores.Audit, [kept], null, None)).BrokenAt);
        await SqlAsync("DELETE FROM audit WHERE seq > 9");
        await SqlAsync("UPDATE audit_heads SET seq = 9, hash = (SELECT hash FROM audit WHERE seq = 9)");
        Assert.Null((await WalkAsync()).BrokenAt);
        Assert.Equal("node-1/10: the line is missing, or was cut off with the end of the chain, as it was kept elsewhere", (await AuditVerification.WalkAsync(Stores.Audit, [kept], null, None)).BrokenAt);
        await AppendAsync(1);
        Assert.Equal("node-1/10: the chain is not the one that was there, as it was kept elsewhere", (await AuditVerification.WalkAsync(Stores.Audit, [kept], null, None)).BrokenAt);
    }
}
