using System.Text.RegularExpressions;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Server.Tests.Telemetry;

/// <summary>The chapter "Telemetry" of docs/operations.md, read by its tables.</summary>
public sealed partial class TelemetryDocument
{
    private readonly string _chapter;

    public TelemetryDocument()
    {
        var text = File.ReadAllText(Path.Combine(Repository.Root(), "docs", "operations.md"));
        _chapter = text[text.IndexOf("\n## Telemetry", StringComparison.Ordinal)..];
        _chapter = _chapter[..(_chapter.IndexOf("\n## ", 1, StringComparison.Ordinal) is var end and > 0 ? end : _chapter.Length)];
        Metrics = [.. Rows("| metric |").Select(r => (Names(r[0]).Single(), Names(r[1]).Single(), Names(r[2])))];
        TagValues = Rows("| tag |").ToDictionary(r => Names(r[0]).Single(), r => Names(r[1]), StringComparer.Ordinal);
        Spans = [.. Rows("| span |").Select(r => Names(r[0]).Single())];
        Assert.NotEmpty(Metrics);
        Assert.NotEmpty(TagValues);
        Assert.NotEmpty(Spans);
        RequestTags = Names(_chapter.Split("is one span, `METHOD /route/template`, with")[1].Split("Its children")[0]);
    }

    public List<(string Name, string Unit, List<string> Tags)> Metrics { get; }

    /// <summary>Of our own tags.</summary>
    public Dictionary<string, List<string>> TagValues { get; }

    /// <summary>Names of the children of a request's span.</summary>
    public List<string> Spans { get; }

    /// <summary>Tags of a request's span.</summary>
    public List<string> RequestTags { get; }

    private IEnumerable<string[]> Rows(string header) => _chapter.Split('\n').SkipWhile(l => !l.StartsWith(header, StringComparison.Ordinal)).Skip(2)
        .TakeWhile(l => l.StartsWith('|')).Select(l => l.Split('|', StringSplitOptions.TrimEntries)[1..]);

    private static List<string> Names(string cell) => [.. Backticks().Matches(cell).Select(m => m.Groups[1].Value).Where(n => !n.Contains('/', StringComparison.Ordinal))];

    [GeneratedRegex("`([^`]+)`")]
    private static partial Regex Backticks();
}
