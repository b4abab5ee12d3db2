using System.Collections;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Keyreeve.Wire.Jose;
using Keyreeve.Wire.OAuth;

namespace Keyreeve.Slices.Tests.Storage;

/// <summary>Writes every public property of a record as text, so that two records compare by content and a difference can be read.</summary>
internal static class RecordText
{
    public static string Of(object? value) => value switch
    {
        null => "null",
        string text => $"\"{text}\"",
        byte[] octets => Convert.ToHexStringLower(octets),
        ScopeList scope => $"<{scope.Text}>",
        JsonWebKeySet keys => Json(keys),
        IEnumerable list => "[" + string.Join(", ", list.Cast<object?>().Select(Of)) + "]",
        Enum or IFormattable => Convert.ToString(value, CultureInfo.InvariantCulture)!,
        bool truth => truth ? "true" : "false",
        _ => "{ " + string.Join("\n", Properties(value).Select(property => $"{property.Name} = {Of(property.GetValue(value))}")) + " }",
    };

    /// <summary>Names of properties that are still what an unset one is. A sample for a round trip has none.</summary>
    public static IEnumerable<string> Unset(object record) => Properties(record).Where(property => property.CanWrite && Of(property.GetValue(record)) is "null" or "0" or "false" or "[]" or "\"\"" or "<>")
        .Select(property => property.Name);

    private static IEnumerable<System.Reflection.PropertyInfo> Properties(object record) =>
        record.GetType().GetProperties(System.Reflection.BindingFlags.Public | System.Reflection.BindingFlags.Instance).Where(property => property.GetIndexParameters().Length == 0);

    private static string Json(JsonWebKeySet keys)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
            keys.WritePublic(json);
        return Encoding.UTF8.GetString(buffer.ToArray());
    }
}
