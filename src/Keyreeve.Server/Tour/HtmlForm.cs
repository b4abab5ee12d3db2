using System.Net;

namespace Keyreeve.Server.Tour;

/// <summary>One input or button of a form.</summary>
/// <param name="Tag">"input" or "button".</param>
/// <param name="Type">Lower case; "text" and "submit" when not said.</param>
/// <param name="Name">May be empty.</param>
/// <param name="Value">Entities decoded.</param>
internal sealed record HtmlField(string Tag, string Type, string Name, string Value);

/// <summary>
/// A form of a page, as far as filling it needs: tags in any order, attributes in any order, with any quotes, entities decoded.
/// It is a scanner and no HTML parser: our own pages are what it reads.
/// </summary>
internal sealed record HtmlForm(string Method, string Action, IReadOnlyList<HtmlField> Fields)
{
    /// <summary>True when the user is asked for a password.</summary>
    internal bool AsksPassword => Fields.Any(f => f.Type == "password");

    /// <summary>True when there is a button of that name and value.</summary>
    internal bool HasButton(string name, string value) => Fields.Any(f => f.Type == "submit" && f.Name == name && f.Value == value);

    /// <summary>What a browser would send: every named field but the buttons, the given ones replaced, then the pressed button.</summary>
    internal IReadOnlyList<KeyValuePair<string, string>> Filled(IReadOnlyDictionary<string, string> entries, string? button = null, string? buttonValue = null)
    {
        var form = new List<KeyValuePair<string, string>>();
        foreach (var field in Fields)
        {
            if (field.Name.Length == 0 || field.Tag == "button" || field.Type is "submit" or "button" or "reset" or "image" or "checkbox" or "radio")
                continue;
            form.Add(new(field.Name, entries.TryGetValue(field.Name, out var entry) ? entry : field.Value));
        }
        if (button is not null)
            form.Add(new(button, buttonValue ?? ""));
        return form;
    }

    /// <summary>All forms of a page.</summary>
    internal static IReadOnlyList<HtmlForm> ReadAll(string html)
    {
        var forms = new List<HtmlForm>();
        List<HtmlField>? fields = null;
        foreach (var (name, attributes, _) in Tags(html))
        {
            switch (name)
            {
                case "form":
                    fields = [];
                    forms.Add(new(attributes.GetValueOrDefault("method", "get").ToLowerInvariant(), attributes.GetValueOrDefault("action", ""), fields));
                    break;
                case "/form":
                    fields = null;
                    break;
                case "input" or "button" when fields is not null && !attributes.ContainsKey("disabled"):
                    fields.Add(new(name, attributes.GetValueOrDefault("type", name == "input" ? "text" : "submit").ToLowerInvariant(),
                        attributes.GetValueOrDefault("name", ""), attributes.GetValueOrDefault("value", "")));
                    break;
            }
        }
        return forms;
    }

    /// <summary>What the page says in its alert, or in its heading; for a message.</summary>
    internal static string Message(string html)
    {
        string? heading = null;
        foreach (var (name, attributes, end) in Tags(html))
        {
            if (attributes.GetValueOrDefault("role", "") == "alert" && TextAfter(html, end) is { Length: > 0 } alert)
                return alert;
            if (name is "h1" or "title")
                heading = TextAfter(html, end) is { Length: > 0 } text ? text : heading;
        }
        return heading ?? "a page without a heading";
    }

    private static string TextAfter(string html, int from)
    {
        var end = html.IndexOf('<', from);
        return WebUtility.HtmlDecode(html[from..(end < 0 ? html.Length : end)]).Trim();
    }

    /// <summary>Every tag with its attributes and the position behind it; comments are passed over.</summary>
    private static IEnumerable<(string Name, Dictionary<string, string> Attributes, int End)> Tags(string html)
    {
        for (var at = html.IndexOf('<', StringComparison.Ordinal); at >= 0 && at + 1 < html.Length; at = at < html.Length ? html.IndexOf('<', at) : -1)
        {
            if (string.CompareOrdinal(html, at, "<!--", 0, 4) == 0)
            {
                var close = html.IndexOf("-->", at + 4, StringComparison.Ordinal);
                if (close < 0)
                    yield break;
                at = close + 3;
                continue;
            }
            var start = ++at;
            while (at < html.Length && (char.IsAsciiLetterOrDigit(html[at]) || html[at] == '/' && at == start))
                at++;
            var name = html[start..at].ToLowerInvariant();
            if (name.Length == 0)
                continue;
            var attributes = ReadAttributes(html, ref at);
            yield return (name, attributes, at);
        }
    }

    private static Dictionary<string, string> ReadAttributes(string html, ref int at)
    {
        var attributes = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        while (at < html.Length && html[at] != '>')
        {
            if (char.IsWhiteSpace(html[at]) || html[at] == '/')
            {
                at++;
                continue;
            }
            var start = at;
            while (at < html.Length && html[at] is not ('=' or '>' or '/') && !char.IsWhiteSpace(html[at]))
                at++;
            var name = html[start..at];
            var next = at;
            while (next < html.Length && char.IsWhiteSpace(html[next]))
                next++;
            if (next >= html.Length || html[next] != '=')
            {
                attributes.TryAdd(name, "");
                continue;
            }
            at = next + 1;
            var value = ReadValue(html, ref at);
            if (name.Length > 0)
                attributes.TryAdd(name, WebUtility.HtmlDecode(value));
        }
        if (at < html.Length)
            at++;
        return attributes;
    }

    private static string ReadValue(string html, ref int at)
    {
        while (at < html.Length && char.IsWhiteSpace(html[at]))
            at++;
        if (at >= html.Length)
            return "";
        var start = at;
        if (html[at] is '"' or '\'')
        {
            var quote = html[at];
            var close = html.IndexOf(quote, at + 1);
            var end = close < 0 ? html.Length : close;
            at = close < 0 ? html.Length : close + 1;
            return html[(start + 1)..end];
        }
        while (at < html.Length && html[at] != '>' && !char.IsWhiteSpace(html[at]))
            at++;
        return html[start..at];
    }
}
