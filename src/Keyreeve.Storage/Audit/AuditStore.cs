using Dapper;
using Keyreeve.Core.Audit;

namespace Keyreeve.Storage;

/// <summary>The audit in the table <c>audit</c>, with the end of each chain kept apart in <c>audit_heads</c>.</summary>
public sealed class AuditStore(IDatabase database) : IAuditStore
{
    /// <inheritdoc />
    public Task AppendAsync(IReadOnlyList<AuditEntry> entries, CancellationToken cancel) => database.WriteSharedAsync(unit =>
    {
        foreach (var entry in entries)
            unit.Audit(entry);
        return Task.FromResult(entries.Count);
    }, cancel);

    /// <inheritdoc />
    public Task<IReadOnlyList<AuditLine>> ReadAsync(string node, long after, int limit, CancellationToken cancel) =>
        database.ReadAsync<IReadOnlyList<AuditLine>>(async connection =>
            [.. (await connection.QueryAsync<Row>(
                "SELECT node, seq, json, hash FROM audit WHERE node = @Node AND seq > @After ORDER BY seq LIMIT @Limit",
                new { Node = node, After = after, Limit = (long)limit })).Select(row => new AuditLine(row.Node, row.Seq, row.Json, row.Hash))], cancel);

    /// <summary>A node that has lines and no head is listed with a hash that no chain has: whoever took the head away does not hide the lines.</summary>
    public Task<IReadOnlyList<(string Node, long Sequence, byte[] Hash)>> HeadsAsync(CancellationToken cancel) =>
        database.ReadAsync<IReadOnlyList<(string, long, byte[])>>(async connection =>
        {
            var heads = (await connection.QueryAsync<Row>("SELECT node, seq, hash FROM audit_heads ORDER BY node")).Select(row => (row.Node, row.Seq, row.Hash)).ToList();
            var known = heads.Select(head => head.Node).ToHashSet(StringComparer.Ordinal);
            // From node to node by the primary key: DISTINCT would read every line.
            const string NextNode = "SELECT node FROM audit WHERE node > @Node ORDER BY node LIMIT 1";
            for (var node = await NextAsync(""); node is not null; node = await NextAsync(node))
                if (!known.Contains(node))
                    heads.Add((node, 0, []));
            return heads;

            Task<string?> NextAsync(string after) => connection.QuerySingleOrDefaultAsync<string>(NextNode, new { Node = after });
        }, cancel);

    private sealed class Row
    {
        public string Node { get; init; } = "";

        public long Seq { get; init; }

        public byte[] Json { get; init; } = [];

        public byte[] Hash { get; init; } = [];
    }
}
