using System.Text.Json;

namespace Keyreeve.Core.Audit;

/// <summary>
/// A line in which one node writes down the heads of all others: who takes a node's lines away, with its head, or cuts off its end, is found by what the
/// other nodes have seen. One node alone has no witness; its head must be kept elsewhere.
/// </summary>
public static class AuditWitness
{
    /// <summary>The kind of the line.</summary>
    public const string Kind = "audit.witness";

    /// <summary>Nodes in one line at most. Our choice: 256 heads are 25 KiB.</summary>
    public const int MaxNodes = 256;

    /// <summary>The line; null when there is nobody to witness.</summary>
    public static AuditEntry? Of(string node, IEnumerable<(string Node, long Sequence, byte[] Hash)> heads, DateTimeOffset now)
    {
        var others = heads.Where(h => h.Node != node && h.Sequence > 0).OrderBy(h => h.Node, StringComparer.Ordinal).Take(MaxNodes)
            .Select(h => new AuditHead(h.Node, h.Sequence, Convert.ToHexStringLower(h.Hash)).ToString()).ToList();
        return others.Count == 0 ? null : new AuditEntry
        {
            Kind = Kind,
            Outcome = AuditOutcome.Changed,
            At = now.ToUnixTimeMilliseconds(),
            Actor = "system",
            Detail = JsonSerializer.Serialize(others, AuditJson.Default.ListString),
        };
    }

    /// <summary>What a line witnesses; nothing, when it is of another kind.</summary>
    public static IReadOnlyList<AuditHead> Read(ReadOnlySpan<byte> canonicalJson)
    {
        // Kind is always the first member.
        if (!canonicalJson.StartsWith("{\"kind\":\"audit.witness\""u8) || AuditEntry.TryRead(canonicalJson) is not { Detail: { } detail })
            return [];
        try
        {
            var heads = new List<AuditHead>();
            foreach (var text in JsonSerializer.Deserialize(detail, AuditJson.Default.ListString) ?? [])
                if (AuditHead.TryRead(text, out var head))
                    heads.Add(head);
            return heads;
        }
        catch (JsonException)
        {
            return [];
        }
    }
}

/// <summary>Lists of texts, without reflection.</summary>
[System.Text.Json.Serialization.JsonSerializable(typeof(List<string>))]
internal sealed partial class AuditJson : System.Text.Json.Serialization.JsonSerializerContext;
