using System.Text.Json;
using Keyreeve.Wire.OAuth;

namespace Keyreeve.Storage;

/// <summary>How lists and names lie in TEXT columns. What was written here and does not read back is a broken database.</summary>
internal static class StoredText
{
    /// <summary>A list as a JSON array of strings.</summary>
    public static string WriteList(IEnumerable<string> values) => JsonSerializer.Serialize(values.ToArray());

    /// <summary>Reads it.</summary>
    public static string[] ReadList(string json) => JsonSerializer.Deserialize<string[]>(json) ?? throw Broken(json);

    /// <summary>A member of an enumeration by its name.</summary>
    public static T ReadName<T>(string name)
        where T : struct, Enum => Enum.TryParse<T>(name, out var value) && Enum.IsDefined(value) ? value : throw Broken(name);

    /// <summary>Scopes as the wire writes them. They were checked when they came in; a limit that shrank since must not lose them.</summary>
    public static ScopeList ReadScope(string text) => ScopeList.Of(text.Split(' ', StringSplitOptions.RemoveEmptyEntries));

    /// <summary>Values, each once, in ordinal order.</summary>
    public static string[] InOrder(IEnumerable<string> values) => [.. values.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];

    /// <summary>The exception for a column that holds what this program never writes there.</summary>
    public static InvalidDataException Broken(string text) => new($"a column holds \"{text}\", which this version does not read");
}
