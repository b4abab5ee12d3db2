using System.Text.Json;

namespace Keyreeve.Server.Cli.Import;

/// <summary>
/// Which records a batch is about, as hashes. Several batches are under way at once, and of a record that is in two the later line must win: then the later
/// batch waits for the other. Lines that are no records are nobody's, the server refuses them in any order.
/// </summary>
internal static class BatchRecords
{
    private static readonly string[] Members = ["serviceId", "clientId", "deviceId", "userId"];

    /// <summary>A hash for each record; two records may have the same one, which costs a wait.</summary>
    public static HashSet<int> Of(ReadOnlySpan<byte> lines)
    {
        var records = new HashSet<int>();
        foreach (var range in lines.Split((byte)'\n'))
            if (HashOf(lines[range]) is { } hash)
                records.Add(hash);
        return records;
    }

    private static int? HashOf(ReadOnlySpan<byte> line)
    {
        int? hash = null;
        try
        {
            var json = new Utf8JsonReader(line);
            while (json.Read())
            {
                if (json.CurrentDepth != 1 || json.TokenType != JsonTokenType.PropertyName)
                    continue;
                var member = IndexOf(ref json);
                if (member >= 0 && json.Read() && json.TokenType == JsonTokenType.String)
                    hash = (hash ?? 0) ^ HashCode.Combine(member, json.GetString()); // in whatever order the members come
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return null;
        }
        return hash;
    }

    private static int IndexOf(ref Utf8JsonReader json)
    {
        for (var i = 0; i < Members.Length; i++)
            if (json.ValueTextEquals(Members[i]))
                return i;
        return -1;
    }
}
