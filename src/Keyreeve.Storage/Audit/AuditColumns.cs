using System.Globalization;
using Dapper;
using Keyreeve.Core.Audit;

namespace Keyreeve.Storage;

/// <summary>Gives lines from before schema 4 the columns that a list searches by. The line itself and its hash stay as they are.</summary>
internal static class AuditColumns
{
    /// <summary>Its number among the backfills: a list asks whether it is finished.</summary>
    public const int Number = 1;

    public static Backfill Backfill { get; } = new(Number, "audit lines to search by", RunAsync,
        connection => connection.ExecuteScalarAsync<long>("SELECT CAST(COALESCE(SUM(seq), 0) AS BIGINT) FROM audit_heads"));

    private static async Task<BackfillStep> RunAsync(BackfillBatch batch)
    {
        var (node, sequence) = ReadCursor(batch.Cursor);
        var rows = (await batch.Connection.QueryAsync<Row>(
            "SELECT node, seq, json FROM audit WHERE (node, seq) > (@Node, @Sequence) ORDER BY node, seq LIMIT @Limit",
            new { Node = node, Sequence = sequence, Limit = (long)batch.Limit }, batch.Transaction)).AsList();
        foreach (var row in rows)
            if (AuditEntry.TryRead(row.Json) is { } entry)
                await batch.Connection.ExecuteAsync("UPDATE audit SET at = @At, subject = @Subject, client_id = @ClientId WHERE node = @Node AND seq = @Seq AND at IS NULL",
                    new { entry.At, entry.Subject, entry.ClientId, row.Node, row.Seq }, batch.Transaction);
        return new(rows.Count < batch.Limit ? null : string.Create(CultureInfo.InvariantCulture, $"{rows[^1].Seq}:{rows[^1].Node}"), rows.Count);
    }

    private static (string Node, long Sequence) ReadCursor(string cursor) =>
        cursor.Split(':', 2) is [var sequence, var node] ? (node, long.Parse(sequence, CultureInfo.InvariantCulture)) : ("", 0);

    private sealed class Row
    {
        public string Node { get; init; } = "";
        public long Seq { get; init; }
        public byte[] Json { get; init; } = [];
    }
}
