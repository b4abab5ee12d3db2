using Keyreeve.Core.Audit;

namespace Keyreeve.Storage;

/// <summary>Appends to the chain of one node.</summary>
internal static class AuditLines
{
    private static readonly Statement Insert = new(
        "INSERT INTO audit (node, seq, json, hash, at, subject, client_id) VALUES (@Node, @Sequence, @Json, @Hash, @At, @Subject, @ClientId)",
        "@Node", "@Sequence", "@Json", "@Hash", "@At", "@Subject", "@ClientId");
    private static readonly Statement Advance = new("UPDATE audit_heads SET seq = seq + @Count WHERE node = @Node RETURNING seq, hash", "@Count", "@Node");
    private static readonly Statement Close = new("UPDATE audit_heads SET hash = @Hash WHERE node = @Node", "@Hash", "@Node");

    /// <summary>
    /// Takes the numbers first: the update locks the head, so that nobody else of this node can continue from the same hash.
    /// </summary>
    public static async Task AppendAsync(UnitOfWork unit, string node, IReadOnlyList<AuditEntry> entries)
    {
        var head = await AdvanceAsync(unit, node, entries.Count);
        if (head is null)
        {
            await unit.ExecuteAsync("INSERT INTO audit_heads (node, seq, hash) VALUES (@Node, 0, @Hash) ON CONFLICT (node) DO NOTHING",
                new { Node = node, Hash = AuditChain.Genesis });
            head = await AdvanceAsync(unit, node, entries.Count)
                ?? throw new InvalidDataException($"the audit head of node {node} cannot be made");
        }

        var sequence = head.Sequence - entries.Count;
        var hash = head.Hash;
        foreach (var entry in entries)
        {
            var json = entry.ToCanonicalJson();
            hash = AuditChain.Next(hash, ++sequence, json);
            await unit.ExecuteAsync(Insert.In(unit, node, sequence, json, hash, entry.At, entry.Subject, entry.ClientId));
        }
        await unit.ExecuteAsync(Close.In(unit, hash, node));
    }

    private static Task<Head?> AdvanceAsync(UnitOfWork unit, string node, long count) =>
        unit.FirstAsync(Advance.In(unit, count, node), row => new Head(row.GetInt64(0), row.GetFieldValue<byte[]>(1)));

    private sealed record Head(long Sequence, byte[] Hash);
}
