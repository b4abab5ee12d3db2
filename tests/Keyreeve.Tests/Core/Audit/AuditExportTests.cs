using System.Text;
using Keyreeve.Core.Audit;
using Xunit;

namespace Keyreeve.Tests.Core.Audit;

public sealed class AuditExportTests
{
    private readonly MemoryAuditStore _store = new();

    private void Write(string node, int count)
    {
        for (var i = 0; i < count; i++)
            _store.Append(node, new AuditEntry { Kind = "test", Outcome = AuditOutcome.Granted, At = i, Detail = "\u00e9 \"quoted\" \n </script>" });
    }

    private async Task WitnessAsync(string node) => _store.Append(node, AuditWitness.Of(node, await _store.HeadsAsync(default), DateTimeOffset.UnixEpoch)!);

    private async Task<string> ExportAsync(string? node = null, params (string, long)[] after)
    {
        using var output = new MemoryStream();
        await AuditExport.WriteAsync(_store, node, after.ToDictionary(a => a.Item1, a => a.Item2), DateTimeOffset.UnixEpoch, output, TestContext.Current.CancellationToken);
        return Encoding.UTF8.GetString(output.ToArray());
    }

    private static AuditWalk Verify(string export, params AuditHead[] expected) => AuditExportVerification.Walk(() => new StringReader(export), expected);

    private AuditHead Head(string node, int line) => new(node, line, Convert.ToHexStringLower(_store.Lines[node][line - 1].Hash));

    [Fact]
    public async Task An_export_verifies_without_the_store()
    {
        Assert.Equal(new AuditWalk(0, null), Verify(await ExportAsync()));
        Write("a", 2500);
        Write("b:1", 10);
        await WitnessAsync("a");
        await WitnessAsync("b:1");
        Assert.Equal(new AuditWalk(2512, null) { Witnessed = 2 }, Verify(await ExportAsync()));
        Assert.Equal(new AuditWalk(11, null) { Unchecked = 1 }, Verify(await ExportAsync("b:1")));
        Assert.Equal(new AuditWalk(2512, null) { Witnessed = 3 }, Verify(await ExportAsync(), Head("a", 700)));
    }

    [Fact]
    public async Task An_export_goes_on_after_lines_that_are_had_already()
    {
        Write("a", 30);
        Write("b", 10);
        await WitnessAsync("a");
        var export = await ExportAsync(null, ("a", 20), ("b", 10));
        // Where it goes on from is what was witnessed: that can be compared.
        Assert.Equal(new AuditWalk(11, null) { Witnessed = 1 }, Verify(export));
        Assert.Equal(new AuditWalk(11, null) { Witnessed = 2, Unchecked = 1 }, Verify(export, Head("a", 20), Head("a", 19)));
        Assert.Contains("as it was kept elsewhere", Verify(export, Head("a", 20) with { Hash = new string('0', 64) }).BrokenAt, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Whoever_changes_any_character_of_an_export_is_found()
    {
        Write("a", 3);
        Write("b", 2);
        await WitnessAsync("b");
        var export = await ExportAsync();
        var time = export.IndexOf("\"at\":", StringComparison.Ordinal) + 5;
        for (var i = 0; i < export.Length; i++)
        {
            // The moment of the export, on its first line, is a remark and not part of any chain.
            if (i == time)
                continue;
            var changed = export[..i] + (export[i] == '1' ? '2' : '1') + export[(i + 1)..];
            var walk = Verify(changed);
            Assert.True(walk.BrokenAt is not null || changed.Equals(export, StringComparison.OrdinalIgnoreCase), $"character {i}, '{export[i]}', was changed unseen: {changed}");
        }
    }

    [Fact]
    public async Task Whoever_takes_a_line_of_an_export_away_or_doubles_it_is_found()
    {
        Write("a", 3);
        Write("b", 2);
        await WitnessAsync("b");
        var lines = (await ExportAsync()).TrimEnd('\n').Split('\n');
        for (var i = 0; i < lines.Length; i++)
        {
            Assert.NotNull(Verify(string.Join('\n', lines.Where((_, at) => at != i))).BrokenAt);
            Assert.NotNull(Verify(string.Join('\n', lines.SelectMany((line, at) => at == i ? [line, line] : (string[])[line]))).BrokenAt);
            Assert.NotNull(Verify(string.Join('\n', lines.Take(i))).BrokenAt);
        }
    }

    [Fact]
    public async Task A_node_that_another_has_witnessed_cannot_be_left_out()
    {
        Write("a", 3);
        Write("b", 2);
        await WitnessAsync("b");
        _store.Lines.Remove("a");
        _store.Heads.Remove("a");
        Assert.Equal("a/3: the line is missing, or was cut off with the end of the chain, as b/3 has witnessed", Verify(await ExportAsync()).BrokenAt);
    }

    [Theory]
    [InlineData("a:1:")]
    [InlineData(":1:0000000000000000000000000000000000000000000000000000000000000000")]
    [InlineData("a:0:0000000000000000000000000000000000000000000000000000000000000000")]
    [InlineData("a:-1:0000000000000000000000000000000000000000000000000000000000000000")]
    [InlineData("a:1:000000000000000000000000000000000000000000000000000000000000000g")]
    [InlineData("1:0000000000000000000000000000000000000000000000000000000000000000")]
    [InlineData("")]
    public void What_is_no_head_is_not_taken_for_one(string text) => Assert.False(AuditHead.TryRead(text, out _));
}
