using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Spectre.Console;

namespace Keyreeve.Server.Cli;

/// <summary>Prints for people (tables) or for programs (JSON and nothing else).</summary>
internal sealed class AdminOutput(bool json)
{
    private static readonly JsonSerializerOptions Pretty = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly IAnsiConsole _console = CreateConsole();

    /// <summary>True when no JSON was asked for.</summary>
    public bool ForPeople => !json;

    /// <summary>A list; columns are member names.</summary>
    public void List(JsonArray items, IReadOnlyList<string> columns, string noun)
    {
        if (json)
        {
            Console.WriteLine(items.ToJsonString(Pretty));
            return;
        }
        if (items.Count == 0)
        {
            _console.WriteLine($"there is no {noun}");
            return;
        }
        var table = new Table().Border(TableBorder.Simple);
        foreach (var column in columns)
            table.AddColumn(new TableColumn(Markup.Escape(Title(column))));
        foreach (var item in items)
            table.AddRow([.. columns.Select(c => Markup.Escape(Text(item![c])))]);
        _console.Write(table);
    }

    /// <summary>One document.</summary>
    public void Show(JsonObject document)
    {
        if (json)
        {
            Console.WriteLine(document.ToJsonString(Pretty));
            return;
        }
        var table = new Table().Border(TableBorder.None).HideHeaders().AddColumn(new TableColumn("").NoWrap()).AddColumn("");
        foreach (var (name, value) in document)
            table.AddRow(Markup.Escape(Title(name)), Markup.Escape(Text(value)));
        _console.Write(table);
    }

    /// <summary>What was done; in JSON the document says it.</summary>
    public void Done(string sentence, JsonObject? document)
    {
        if (!json)
            _console.WriteLine(Printable(sentence));
        else if (document is not null)
            Console.WriteLine(document.ToJsonString(Pretty));
        else
            Console.WriteLine("{}");
    }

    /// <summary>A secret that was made: printed once, on a line of its own.</summary>
    public void Secret(string what, string? secret)
    {
        if (json || secret is null)
            return;
        Console.WriteLine($"{what} (shown this once, it cannot be read again):");
        Console.WriteLine(secret);
    }

    /// <summary>What came from elsewhere may not steer the terminal.</summary>
    public static string Printable(string text) => new([.. text.Select(c => char.IsControl(c) ? '?' : c)]);

    private static string Text(JsonNode? value) => value switch
    {
        null => "-",
        JsonArray { Count: 0 } => "-",
        JsonArray array => string.Join("\n", array.Select(Text)),
        JsonObject item when item.ContainsKey("id") => string.Join("  ", item.Select(m => Text(m.Value))),
        JsonObject item when item["keys"] is JsonArray keys => $"{keys.Count} keys: {string.Join(", ", keys.Select(k => Text(k!["kid"] ?? k["kty"])))}",
        JsonObject item => Printable(item.ToJsonString()),
        JsonValue v when v.TryGetValue<bool>(out var flag) => flag ? "yes" : "no",
        _ => Printable(value.ToString()),
    };

    /// <summary>"displayName" is read as "display name".</summary>
    private static string Title(string member) => string.Concat(member.Select(c => char.IsAsciiLetterUpper(c) ? " " + char.ToLowerInvariant(c) : c.ToString()));

    private static IAnsiConsole CreateConsole()
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings());
        if (Console.IsOutputRedirected)
            console.Profile.Width = 240; // nobody's window: lines stay whole for grep
        return console;
    }
}
