using System.Text;
using System.Text.Json;
using Keyreeve.Core.Grants;
using Keyreeve.Core.Refusals;
using Keyreeve.Wire.OAuth;

namespace Keyreeve.Storage;

/// <summary>How lists and names lie in TEXT columns. What was written here and does not read back is a broken database.</summary>
internal static class StoredText
{
    /// <summary>A list as a JSON array of strings.</summary>
    public static string WriteList(IEnumerable<string> values) => JsonSerializer.Serialize(values.ToArray());

    /// <summary>Reads it.</summary>
    public static string[] ReadList(string json) => JsonSerializer.Deserialize<string[]>(json) ?? throw Broken(json);

    /// <summary>Resource servers; none is NULL.</summary>
    public static string? WriteResources(ResourceList resources) => resources.Count == 0 ? null : WriteList(resources);

    /// <summary>Reads them.</summary>
    public static ResourceList ReadResources(string? json) => json is null ? ResourceList.None : ResourceList.Of(ReadList(json));

    /// <summary>A member of an enumeration by its name.</summary>
    public static T ReadName<T>(string name)
        where T : struct, Enum => Enum.TryParse<T>(name, out var value) && Enum.IsDefined(value) ? value : throw Broken(name);

    /// <summary>Scopes as the wire writes them. They were checked when they came in; a limit that shrank since must not lose them.</summary>
    public static ScopeList ReadScope(string text) => ScopeList.Of(text.Split(' ', StringSplitOptions.RemoveEmptyEntries));

    /// <summary>
    /// True when every engine keeps the text as it is. SQLite's binding would turn lone surrogates into U+FFFD, so that two names
    /// become one; PostgreSQL has no NUL. A look-up by another text finds nothing, a save of it is refused.
    /// </summary>
    public static bool Keeps(string text)
    {
        if (Ascii.IsValid(text))
            return !text.Contains('\0');
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] == '\0' || char.IsLowSurrogate(text[i]))
                return false;
            if (char.IsHighSurrogate(text[i]) && (++i == text.Length || !char.IsLowSurrogate(text[i])))
                return false;
        }
        return true;
    }

    /// <summary>The refusal for a name that would not come back as it is, or null.</summary>
    public static Refusal? Refuse(string param, string text) =>
        Keeps(text) ? null : Refusal.About(RefusalCode.InvalidParameter, param, $"{param} is not well-formed Unicode without NUL");

    /// <summary>Values, each once, in ordinal order.</summary>
    public static string[] InOrder(IEnumerable<string> values) => [.. values.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];

    /// <summary>The exception for a column that holds what this program never writes there.</summary>
    public static InvalidDataException Broken(string text) => new($"a column holds \"{text}\", which this version does not read");
}
