using System.Text.RegularExpressions;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Server.Tests.Spec;

/// <summary>docs/comparison.md says nothing of us that no test proves.</summary>
public partial class ComparisonTests
{
    [Fact]
    public void Every_test_that_the_comparison_names_exists()
    {
        var sources = Repository.Sources("tests", ".cs").Select(File.ReadAllText).ToList();
        var names = TestName().Matches(Document()).Select(m => (Class: m.Groups[1].Value, Method: m.Groups[2].Value)).ToList();
        Assert.True(names.Count > 15, "the document was read");
        Assert.Empty(names.Where(n => !sources.Exists(s => Regex.IsMatch(s, $@"\bclass {n.Class}\b") && Regex.IsMatch(s, $@"\b(void|Task) {n.Method}\("))));
    }

    [Fact]
    public void Behind_every_yes_stands_a_test()
    {
        var rows = Document().Split('\n').Where(l => l.StartsWith("| ", StringComparison.Ordinal)).Select(l => l.Split('|')).Skip(1).ToList();
        Assert.True(rows.Count > 25, "the table was read");
        Assert.Empty(rows.Where(c => Yes().Count(c[2]) > TestName().Count(c[2])).Select(c => c[1]));
    }

    private static string Document() => File.ReadAllText(Path.Combine(Repository.Root(), "docs/comparison.md"));

    [GeneratedRegex("`([A-Z][A-Za-z0-9]*)\\.([A-Z][A-Za-z0-9_]*)`")]
    private static partial Regex TestName();

    [GeneratedRegex("\\byes\\b")]
    private static partial Regex Yes();
}
