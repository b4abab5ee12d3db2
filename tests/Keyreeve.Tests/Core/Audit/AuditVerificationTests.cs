using Keyreeve.Core.Audit;
using Xunit;

namespace Keyreeve.Tests.Core.Audit;

public sealed class AuditVerificationTests
{
    private readonly MemoryAuditStore _store = new();

    [Fact]
    public async Task Whole_chains_hold()
    {
        Assert.Equal(new AuditWalk(0, null), await Walk());
        Write("a", 2500);
        Write("b", 1000);
        Assert.Equal(new AuditWalk(3500, null), await Walk());
    }

    [Theory]
    [InlineData(0)]
    [InlineData(999)]
    [InlineData(1000)]
    [InlineData(1499)]
    public async Task A_changed_line_is_found_where_it_stands(int index)
    {
        Write("a", 1500);
        _store.Lines["a"][index] = _store.Lines["a"][index] with { Json = "{}"u8.ToArray() };
        Assert.Equal(new AuditWalk(index, $"a/{index + 1}: the line was changed"), await Walk());
    }

    [Theory]
    [InlineData(0)]
    [InlineData(700)]
    [InlineData(1498)]
    public async Task A_removed_line_is_found_where_it_stood(int index)
    {
        Write("a", 1500);
        _store.Lines["a"].RemoveAt(index);
        Assert.Equal(new AuditWalk(index, $"a/{index + 1}: the line is missing"), await Walk());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(500)]
    [InlineData(1500)]
    public async Task A_chain_that_was_cut_off_is_found(int count)
    {
        Write("a", 1500);
        _store.Lines["a"].RemoveRange(1500 - count, count);
        Assert.Equal(new AuditWalk(1500 - count, $"a/{1501 - count}: lines are missing at the end"), await Walk());
    }

    [Fact]
    public async Task A_rewritten_chain_is_found_by_its_head()
    {
        Write("a", 10);
        var head = _store.Heads["a"];
        _store.Lines.Remove("a");
        _store.Heads.Remove("a");
        Write("a", 10, "other");
        _store.Heads["a"] = head;
        Assert.Equal(new AuditWalk(10, "a/10: the head is not that of the line"), await Walk());
    }

    [Fact]
    public async Task Lines_after_the_head_or_without_one_are_found()
    {
        Write("a", 10);
        var head = _store.Heads["a"];
        Write("a", 1);
        _store.Heads["a"] = head;
        Assert.Equal(new AuditWalk(10, "a/11: a line stands after the head of the chain"), await Walk());
        _store.Heads.Remove("a");
        Assert.Equal(new AuditWalk(0, "a/1: the chain has no head"), await Walk());
    }

    [Fact]
    public async Task Two_lines_that_changed_places_are_found()
    {
        Write("a", 10);
        var lines = _store.Lines["a"];
        (lines[3], lines[4]) = (lines[3] with { Json = lines[4].Json, Hash = lines[4].Hash }, lines[4] with { Json = lines[3].Json, Hash = lines[3].Hash });
        Assert.Equal("a/4: the line was changed", (await Walk()).BrokenAt);
    }

    [Fact]
    public async Task A_break_in_one_node_is_not_hidden_by_whole_chains_of_others()
    {
        Write("a", 10);
        Write("b", 10);
        Write("c", 10);
        _store.Lines["b"].RemoveAt(9);
        Assert.Equal("b/10: lines are missing at the end", (await Walk()).BrokenAt);
    }

    [Fact]
    public async Task A_server_that_writes_meanwhile_breaks_nothing()
    {
        Write("a", 1500);
        _store.BeforeRead = () => Write("a", 3);
        Assert.Equal(new AuditWalk(1500, null), await Walk());
        // What was written meanwhile is the next walk's; what was cut off meanwhile is found.
        _store.BeforeRead = null;
        Assert.Null((await Walk()).BrokenAt);
        _store.Lines["a"].RemoveAt(_store.Lines["a"].Count - 1);
        Assert.NotNull((await Walk()).BrokenAt);
    }

    private Task<AuditWalk> Walk() => AuditVerification.WalkAsync(_store, CancellationToken.None);

    private void Write(string node, int count, string kind = "test")
    {
        for (var i = 0; i < count; i++)
            _store.Append(node, new AuditEntry { Kind = kind, Outcome = AuditOutcome.Granted, At = i });
    }
}
