using System.Text.Json;
using System.Text.Unicode;
using Keyreeve.Core.Refusals;
using Keyreeve.Server.Settings;

namespace Keyreeve.Server.Admin;

/// <summary>
/// A JSON object read strictly: a member nobody knows is a typing error and is named with the nearest known one, a member sent twice
/// means two things. The first wrong member is remembered in <see cref="Wrong"/>; the getters then give harmless values.
/// </summary>
public sealed class JsonBody
{
    private const int MaxDepth = 8;

    private readonly JsonElement _root;

    private JsonBody(JsonElement root) => _root = root;

    /// <summary>What is wrong, or null.</summary>
    public Refusal? Wrong { get; private set; }

    /// <summary>Reads an object of the schema.</summary>
    public static Outcome<JsonBody> Read(ReadOnlyMemory<byte> utf8, AdminSchema schema)
    {
        if (!Utf8.IsValid(utf8.Span))
            return Refusal.Of(RefusalCode.Malformed, "the body is not UTF-8");
        JsonElement root;
        try
        {
            using var document = JsonDocument.Parse(utf8, new JsonDocumentOptions { MaxDepth = MaxDepth });
            root = document.RootElement.Clone();
        }
        catch (JsonException)
        {
            return Refusal.Of(RefusalCode.Malformed, "the body is not JSON, or deeper than 8 levels");
        }
        if (root.ValueKind != JsonValueKind.Object)
            return Refusal.Of(RefusalCode.Malformed, "the body is one JSON object");
        return Inspect(root, schema) is { } refusal ? refusal : new JsonBody(root);
    }

    /// <summary>True when the member is there and not null.</summary>
    public bool Has(string name) => Find(name) is not null;

    /// <summary>A string of 1 to <paramref name="most"/> characters without control characters; null when it is not there.</summary>
    public string? Text(string name, int most = 255, bool lines = false)
    {
        if (Find(name) is not { } value)
            return null;
        if (TextOf(value) is not { } text)
            return Fail(name, $"{name} is a string");
        if (text.Length == 0 || text.Length > most)
            return Fail(name, $"{name} has 1 to {most} characters");
        return !lines && text.Any(char.IsControl) ? Fail(name, $"{name} has no control characters") : text;
    }

    /// <summary>The same, and it must be there; empty when something is wrong.</summary>
    public string RequiredText(string name, int most = 255, bool lines = false) =>
        Text(name, most, lines) ?? (Wrong is null ? Missing(name) : "");

    /// <summary>true or false.</summary>
    public bool Flag(string name, bool absent)
    {
        if (Find(name) is not { } value)
            return absent;
        if (value.ValueKind is not (JsonValueKind.True or JsonValueKind.False))
            Fail(name, $"{name} is true or false");
        return value.ValueKind == JsonValueKind.True;
    }

    /// <summary>An integer within bounds.</summary>
    public int? Number(string name, int least, int most)
    {
        if (Find(name) is not { } value)
            return null;
        if (value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var number) && number >= least && number <= most)
            return number;
        Fail(name, $"{name} is an integer from {least} to {most}");
        return null;
    }

    /// <summary>An array of strings, each once; null when it is not there.</summary>
    public IReadOnlyList<string>? Texts(string name, int mostItems, int mostCharacters, bool lines = false)
    {
        if (Find(name) is not { } value)
            return null;
        if (value.ValueKind != JsonValueKind.Array || value.GetArrayLength() > mostItems)
        {
            Fail(name, $"{name} is an array of at most {mostItems} strings");
            return [];
        }
        var texts = new List<string>();
        foreach (var item in value.EnumerateArray())
        {
            if (TextOf(item) is not { Length: > 0 } text || text.Length > mostCharacters || !lines && text.Any(char.IsControl))
                Fail(name, $"{name} holds strings of 1 to {mostCharacters} characters without control characters");
            else if (texts.Contains(text, StringComparer.Ordinal))
                Fail(name, $"{name} holds {Shown(text)} twice");
            else
                texts.Add(text);
        }
        return texts;
    }

    /// <summary>A member of a closed set, by its name.</summary>
    public T Named<T>(string name, T absent, Func<T, string> nameOf)
        where T : struct, Enum
    {
        if (Text(name) is not { } text)
            return absent;
        return Keyreeve.Core.Identity.WireNames.Parse(text, nameOf) ?? FailNamed<T>(name, text, nameOf);
    }

    /// <summary>Members of a closed set.</summary>
    public IReadOnlyList<T>? NamedList<T>(string name, Func<T, string> nameOf)
        where T : struct, Enum
    {
        if (Texts(name, 16, 64) is not { } texts)
            return null;
        return [.. texts.Select(text => Keyreeve.Core.Identity.WireNames.Parse(text, nameOf) ?? FailNamed<T>(name, text, nameOf))];
    }

    /// <summary>The raw value, or null.</summary>
    public JsonElement? Find(string name) => _root.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;

    /// <summary>A time as RFC 3339 writes it in UTC, in Unix seconds; null when it is not there.</summary>
    public long? Time(string name)
    {
        if (Find(name) is not { } value)
            return null;
        if (TextOf(value) is { } text && Keyreeve.Wire.Seal.KeyMaterial.TryReadTime(text, out var seconds))
            return seconds;
        Fail(name, $"{name} is a time in UTC as 2026-12-01T00:00:00Z");
        return null;
    }

    /// <summary>Remembers the first thing that is wrong.</summary>
    public string? Fail(string name, string text)
    {
        Wrong ??= Refusal.About(RefusalCode.InvalidParameter, name, text);
        return null;
    }

    /// <summary>A text of the caller's, short enough for a message.</summary>
    public static string Shown(string text) => new([.. text.Take(64).Select(c => char.IsControl(c) ? '?' : c)]);

    private string Missing(string name)
    {
        Wrong ??= Refusal.About(RefusalCode.MissingParameter, name, $"{name} is required");
        return "";
    }

    private T FailNamed<T>(string name, string text, Func<T, string> nameOf)
        where T : struct, Enum
    {
        Fail(name, $"{name}: {Shown(text)} is none of {string.Join(", ", Enum.GetValues<T>().Select(nameOf))}");
        return default;
    }

    private static Refusal? Inspect(JsonElement root, AdminSchema schema)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        try
        {
            foreach (var member in root.EnumerateObject())
            {
                var name = member.Name;
                if (!seen.Add(name))
                    return Refusal.About(RefusalCode.RepeatedParameter, Shown(name), $"{Shown(name)} is there twice");
                if (Array.Exists(schema.Fields, f => f.Name == name))
                {
                    if (RepeatedInside(member.Value))
                        return Refusal.About(RefusalCode.RepeatedParameter, name, $"{name} holds a member twice");
                    continue;
                }
                var nearest = SettingNames.Nearest(Shown(name), schema.Fields.Where(f => !f.ReadOnly).Select(f => f.Name));
                return Refusal.About(RefusalCode.InvalidParameter, Shown(name),
                    $"there is no member {Shown(name)} here" + (nearest is null ? "" : $"; did you mean {nearest}?"));
            }
        }
        catch (InvalidOperationException)
        {
            return Refusal.Of(RefusalCode.Malformed, "a member's name is not Unicode");
        }
        return null;
    }

    private static bool RepeatedInside(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Object => value.EnumerateObject().GroupBy(m => m.Name, StringComparer.Ordinal).Any(g => g.Skip(1).Any() || RepeatedInside(g.First().Value)),
        JsonValueKind.Array => value.EnumerateArray().Any(RepeatedInside),
        _ => false,
    };

    /// <summary>Null for every other kind, and for a lone surrogate, which is no text.</summary>
    private static string? TextOf(JsonElement value)
    {
        try
        {
            return value.ValueKind == JsonValueKind.String ? value.GetString() : null;
        }
        catch (InvalidOperationException)
        {
            return null;
        }
    }
}
