using System.Globalization;
using System.Text.Json.Nodes;

namespace Keyreeve.Server.Admin;

/// <summary>How the admin API writes times: RFC 3339, UTC, whole seconds.</summary>
internal static class Times
{
    public static string OfSeconds(long seconds) => DateTimeOffset.FromUnixTimeSeconds(seconds).ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);

    /// <summary>With milliseconds.</summary>
    public static string OfMilliseconds(long milliseconds) => DateTimeOffset.FromUnixTimeMilliseconds(milliseconds).ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);

    /// <summary>Null for 0, which means never.</summary>
    public static JsonNode? OrNull(long seconds) => seconds == 0 ? null : OfSeconds(seconds);
}

/// <summary>Names of the members in which two documents differ: what an audit entry says was changed.</summary>
internal static class Changes
{
    public static string Between(JsonObject before, JsonObject after) =>
        after.Where(m => m.Key != "version" && !JsonNode.DeepEquals(before[m.Key], m.Value)).Select(m => m.Key).ToList() is { Count: > 0 } names
            ? "changed: " + string.Join(", ", names)
            : "nothing changed";

    /// <summary>Strings as a JSON array.</summary>
    public static JsonArray Array(IEnumerable<string> texts) => new([.. texts.Select(t => (JsonNode)t)]);
}
