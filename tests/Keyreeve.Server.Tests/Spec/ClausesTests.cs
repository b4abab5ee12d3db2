using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Server.Tests.Spec;

/// <summary>Holds three things together: what the code claims to be ([Spec]), what tests prove ([Proves]), and docs/spec/clauses.tsv.</summary>
public partial class ClausesTests
{
    private static readonly string[] Statuses = ["done", "later", "deployment", "out of scope"];

    private static string Table => Path.Combine(Repository.Root(), "docs/spec/clauses.tsv");

    private static string Conformance => Path.Combine(Repository.Root(), "docs/spec/conformance.md");

    [Fact]
    public void Every_clause_that_the_code_claims_is_in_the_table_as_done()
    {
        var done = Rows().Where(r => r.Status == "done").Select(r => r.Pair).ToHashSet();
        Assert.Empty(Claimed().Keys.Where(p => !done.Contains(p)));
    }

    [Fact]
    public void Every_clause_that_the_table_calls_done_has_code_and_a_test()
    {
        var (claimed, proven) = (Claimed(), Proven());
        var done = Rows().Where(r => r.Status == "done").ToList();
        Assert.Empty(done.Where(r => !claimed.ContainsKey(r.Pair)).Select(r => $"{r.Pair}: no code"));
        Assert.Empty(done.Where(r => !proven.ContainsKey(r.Pair)).Select(r => $"{r.Pair}: no test"));
    }

    [Fact]
    public void Every_clause_that_a_test_proves_is_in_the_table_as_done()
    {
        var done = Rows().Where(r => r.Status == "done").Select(r => r.Pair).ToHashSet();
        Assert.Empty(Proven().Keys.Where(p => !done.Contains(p)));
    }

    [Fact]
    public void The_table_names_each_clause_once_with_a_known_status()
    {
        var rows = Rows();
        Assert.Empty(rows.GroupBy(r => r.Pair).Where(g => g.Count() > 1).Select(g => g.Key));
        Assert.Empty(rows.Where(r => !Statuses.Contains(r.Status)).Select(r => $"{r.Pair}: {r.Status}"));
        Assert.True(rows.Count > 50, "the table was read");
    }

    [Fact]
    public void The_conformance_page_is_the_one_that_code_and_tests_give()
    {
        var expected = Write();
        if (Environment.GetEnvironmentVariable("KEYREEVE_WRITE_CONFORMANCE") == "1")
            File.WriteAllText(Conformance, expected);
        Assert.True(File.Exists(Conformance) && File.ReadAllText(Conformance) == expected, "docs/spec/conformance.md is out of date: run 'make conformance'");
    }

    private static string Write()
    {
        var (claimed, proven) = (Claimed(), Proven());
        var page = new StringBuilder("# Conformance\n\nGenerated from `clauses.tsv`, `[Spec]` in the code and `[Proves]` in the tests by `make conformance`; do not edit.\n");
        foreach (var document in Rows().GroupBy(r => r.Document))
        {
            page.Append(CultureInfo.InvariantCulture, $"\n## {document.Key}\n\n| clause | what | status | code | tests |\n|---|---|---|---|---|\n");
            foreach (var row in document)
                page.Append(CultureInfo.InvariantCulture, $"| {row.Clause} | {row.What} | {row.Status} | {Files(claimed, row.Pair)} | {Files(proven, row.Pair)} |\n");
        }
        return page.ToString();
    }

    private static string Files(IReadOnlyDictionary<string, SortedSet<string>> places, string pair) =>
        places.TryGetValue(pair, out var files) ? string.Join(", ", files) : "";

    private static List<(string Document, string Clause, string Status, string What, string Pair)> Rows() =>
        [.. File.ReadLines(Table).Skip(1).Where(l => l.Length > 0).Select(l => l.Split('\t')).Select(c => (c[0], c[1], c[2], c[3], c[0] + " " + c[1]))];

    private static SortedDictionary<string, SortedSet<string>> Claimed() => Collect("src", SpecAttribute());

    private static SortedDictionary<string, SortedSet<string>> Proven() => Collect("tests", ProvesAttribute());

    private static SortedDictionary<string, SortedSet<string>> Collect(string folder, Regex attribute)
    {
        var found = new SortedDictionary<string, SortedSet<string>>(StringComparer.Ordinal);
        foreach (var file in Repository.Sources(folder, ".cs", ".razor"))
            foreach (Match match in attribute.Matches(File.ReadAllText(file)))
            {
                var pair = match.Groups[1].Value + " " + match.Groups[2].Value;
                if (!found.TryGetValue(pair, out var files))
                    found.Add(pair, files = new(StringComparer.Ordinal));
                files.Add(Path.GetFileNameWithoutExtension(file));
            }
        return found;
    }

    [GeneratedRegex("\\[Spec\\(\"([^\"]+)\", *\"([^\"]+)\"\\)\\]")]
    private static partial Regex SpecAttribute();

    [GeneratedRegex("\\[Proves\\(\"([^\"]+)\", *\"([^\"]+)\"\\)\\]")]
    private static partial Regex ProvesAttribute();
}
