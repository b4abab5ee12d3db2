using System.Text.Json;

namespace Keyreeve.Server.Cli.Import;

/// <summary>
/// Which records a batch is about, as hashes. Several batches are under way at once, and of a record that is in two the later line must win: then the later
/// batch waits for the other. Lines that are no records are nobody's, the server refuses them in any order.
/// </summary>
internal static class BatchRecords
{
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
                var member = MemberAt(ref json);
                if (member > 0 && json.Read() && json.TokenType == JsonTokenType.String)
                    hash = (hash ?? 0) ^ HashOf(member, ref json); // in whatever order the members come
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return null;
        }
        return hash;
    }

    /// <summary>Of the text, however it is written: two ways to write it are one record.</summary>
    private static int HashOf(int member, ref Utf8JsonReader json)
    {
        var hash = new HashCode();
        hash.Add(member);
        if (json.ValueIsEscaped)
        {
            var octets = new byte[json.ValueSpan.Length];
            hash.AddBytes(octets.AsSpan(0, json.CopyString(octets)));
        }
        else
        {
            hash.AddBytes(json.ValueSpan);
        }
        return hash.ToHashCode();
    }

    private static int MemberAt(ref Utf8JsonReader json) =>
        json.ValueTextEquals("serviceId"u8) ? 1 : json.ValueTextEquals("userId"u8) ? 2 : json.ValueTextEquals("deviceId"u8) ? 3 : json.ValueTextEquals("clientId"u8) ? 4 : 0;
}
