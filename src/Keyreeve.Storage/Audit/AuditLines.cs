using Keyreeve.Core.Audit;

namespace Keyreeve.Storage;

/// <summary>Appends to the chain of one node.</summary>
internal static class AuditLines
{
    private const string Insert = "INSERT INTO audit (node, seq, json, hash, at, subject, client_id) VALUES (@Node, @Sequence, @Json, @Hash, @At, @Subject, @ClientId)";
    private const string Advance = "UPDATE audit_heads SET seq = seq + @Count WHERE node = @Node RETURNING seq AS Seq, hash AS Hash";

    /// <summary>
    /// Takes the numbers first: the update locks the head, so that nobody else of this node can continue from the same hash.
    /// </summary>
    public static async Task AppendAsync(UnitOfWork unit, string node, IReadOnlyList<AuditEntry> entries)
    {
        var head = await unit.SingleAsync<Head>(Advance, new { Node = node, Count = (long)entries.Count });
        if (head is null)
        {
            await unit.ExecuteAsync("INSERT INTO audit_heads (node, seq, hash) VALUES (@Node, 0, @Hash) ON CONFLICT (node) DO NOTHING",
                new { Node = node, Hash = AuditChain.Genesis });
            head = await unit.SingleAsync<Head>(Advance, new { Node = node, Count = (long)entries.Count })
                ?? throw new InvalidDataException($"the audit head of node {node} cannot be made");
        }

        var sequence = head.Seq - entries.Count;
        var hash = head.Hash;
        var insert = Prepared.On(unit.Connection, Insert, "@Node", "@Sequence", "@Json", "@Hash", "@At", "@Subject", "@ClientId");
        insert.Transaction = unit.Transaction;
        var values = insert.Parameters;
        values[0].Value = node;
        foreach (var entry in entries)
        {
            var json = entry.ToCanonicalJson();
            hash = AuditChain.Next(hash, ++sequence, json);
            values[1].Value = sequence;
            values[2].Value = json;
            values[3].Value = hash;
            values[4].Value = entry.At;
            values[5].Value = (object?)entry.Subject ?? DBNull.Value;
            values[6].Value = (object?)entry.ClientId ?? DBNull.Value;
            await insert.ExecuteNonQueryAsync();
        }
        await unit.ExecuteAsync("UPDATE audit_heads SET hash = @Hash WHERE node = @Node", new { Node = node, Hash = hash });
    }

    private sealed class Head
    {
        public long Seq { get; init; }

        public byte[] Hash { get; init; } = [];
    }
}
