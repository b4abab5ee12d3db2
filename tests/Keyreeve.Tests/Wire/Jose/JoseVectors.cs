using System.Text.Json;

namespace Keyreeve.Tests.Wire.Jose;

/// <summary>The published examples in <c>vectors/jose-vectors.json</c>.</summary>
internal static class JoseVectors
{
    internal static readonly IReadOnlyList<JsonElement> All = Load();

    internal static JsonElement Get(string id) => All.Single(vector => Id(vector) == id);

    internal static string Id(JsonElement vector) => Text(vector, "id");

    internal static string Text(JsonElement element, string name) => element.GetProperty(name).GetString()!;

    /// <summary>A member below, by its path.</summary>
    internal static JsonElement At(JsonElement element, params string[] path) =>
        path.Aggregate(element, (current, name) => current.GetProperty(name));

    /// <summary>The key object's own bytes.</summary>
    internal static byte[] Raw(JsonElement element) => TestTokens.Utf8(element.GetRawText());

    private static JsonElement[] Load()
    {
        string path = Path.Combine(AppContext.BaseDirectory, "vectors", "jose-vectors.json");
        using var document = JsonDocument.Parse(File.ReadAllBytes(path));
        return [.. document.RootElement.GetProperty("vectors").Clone().EnumerateArray()];
    }
}
