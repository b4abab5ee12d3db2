using System.Globalization;
using System.Text.Json;
using Keyreeve.Client;
using Keyreeve.Wire.Jose;
using Spectre.Console;

namespace Keyreeve.Server.Tour;

/// <summary>
/// The tour on the screen: plain words first, colour only beside them. What a server sent is shown in printable ASCII; whoever
/// holds a code or token may use it, so of those only both ends are shown.
/// </summary>
internal sealed class TourPrinter(IAnsiConsole console, TimeProvider clock)
{
    /// <summary>The step that is being played: "5.2.4 step 3".</summary>
    internal string Current { get; private set; } = "5.2.4 step 1";

    /// <summary>A figure begins.</summary>
    internal void Figure(string clause, string title)
    {
        console.WriteLine();
        console.Write(new Rule(Markup.Escape($"TS 33.434 {clause}  {title}")).LeftJustified());
    }

    /// <summary>A step begins; 0 for a figure whose steps have no numbers.</summary>
    internal void Step(string clause, int number, string title)
    {
        Current = number == 0 ? clause : string.Create(CultureInfo.InvariantCulture, $"{clause} step {number}");
        console.WriteLine();
        console.MarkupLine($"[bold]{Markup.Escape(Current)}[/]  {Markup.Escape(title)}");
    }

    /// <summary>Names and values, one under the other; long values fold.</summary>
    internal void Facts(params IEnumerable<(string Name, string Value)> facts)
    {
        var grid = new Grid().AddColumn(new GridColumn().NoWrap().PadLeft(4).PadRight(2)).AddColumn(new GridColumn().PadRight(0));
        foreach (var (name, value) in facts)
            grid.AddRow(new Text(Clean(name)), new Text(Clean(value)));
        console.Write(grid);
    }

    /// <summary>A check that held.</summary>
    internal void Held(string what) => console.Write(new Padder(new Markup("[green]ok[/]  " + Markup.Escape(Clean(what)))).Padding(4, 0, 0, 0));

    /// <summary>A remark.</summary>
    internal void Note(string text) => console.Write(new Padder(new Text(Clean(text))).Padding(4, 0, 0, 0));

    /// <summary>A JWT: header and claims in full, the signature left out; times for people.</summary>
    internal void Token(string title, TokenText token)
    {
        Note($"{title}: {Short(token.Reveal())}");
        if (!JwsCompact.TryRead(token.Reveal(), out var jws, out _))
        {
            Note("it is not a JWS: nothing to decode");
            return;
        }
        Facts([.. Members("header.", jws.HeaderJson), .. Members("", jws.Payload)]);
    }

    /// <summary>The last line. Written past the console's folding: one failure is one line, also for a script.</summary>
    internal void Last(string line)
    {
        console.WriteLine();
        console.Profile.Out.Writer.WriteLine(Clean(line));
        console.Profile.Out.Writer.Flush();
    }

    /// <summary>Both ends of a secret thing.</summary>
    internal static string Short(string secret) => secret.Length <= 16
        ? "..."
        : string.Create(CultureInfo.InvariantCulture, $"{secret[..6]}...{secret[^4..]} ({secret.Length} characters)");

    /// <summary>Unix seconds for people.</summary>
    internal string Time(long seconds)
    {
        if (seconds is < 0 or > JoseLimits.MaxNumericDate)
            return "out of range";
        var away = seconds - clock.GetUtcNow().ToUnixTimeSeconds();
        var distance = Math.Abs(away) < 120 ? $"{Math.Abs(away)} s" : Math.Abs(away) < 7200 ? $"{Math.Abs(away) / 60} min" : $"{Math.Abs(away) / 3600} h";
        var when = DateTimeOffset.FromUnixTimeSeconds(seconds).ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture);
        return $"{seconds} = {when} UTC, {(away == 0 ? "now" : away > 0 ? "in " + distance : distance + " ago")}";
    }

    private List<(string Name, string Value)> Members(string prefix, ReadOnlyMemory<byte> json)
    {
        var members = new List<(string, string)>();
        try
        {
            using var document = JsonDocument.Parse(json);
            foreach (var member in document.RootElement.EnumerateObject())
            {
                var value = member.Value;
                members.Add((prefix + member.Name, value.ValueKind switch
                {
                    JsonValueKind.String => value.GetString()!,
                    JsonValueKind.Array => string.Join(", ", value.EnumerateArray().Select(e => e.ValueKind == JsonValueKind.String ? e.GetString() : e.GetRawText())),
                    JsonValueKind.Number when member.Name is "exp" or "iat" or "nbf" or "auth_time" && value.TryGetInt64(out var seconds) => Time(seconds),
                    _ => value.GetRawText(),
                }));
            }
        }
        catch (Exception broken) when (broken is JsonException or InvalidOperationException)
        {
            members.Add((prefix, "not a JSON object"));
        }
        return members;
    }

    private static string Clean(string text) => Printable.Of(text, 4096);
}
