using Dapper;
using Keyreeve.Core.Audit;

namespace Keyreeve.Storage;

/// <summary>The audit in the table <c>audit</c>, with the end of each chain kept apart in <c>audit_heads</c>.</summary>
public sealed class AuditStore(IDatabase database) : IAuditStore
{
    /// <inheritdoc />
    public Task AppendAsync(IReadOnlyList<AuditEntry> entries, CancellationToken cancel) => database.WriteAsync(unit =>
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

    /// <inheritdoc />
    public Task<IReadOnlyList<(string Node, long Sequence, byte[] Hash)>> HeadsAsync(CancellationToken cancel) =>
        database.ReadAsync<IReadOnlyList<(string, long, byte[])>>(async connection =>
            [.. (await connection.QueryAsync<Row>("SELECT node, seq, hash FROM audit_heads ORDER BY node")).Select(row => (row.Node, row.Seq, row.Hash))], cancel);

    private sealed class Row
    {
        public string Node { get; init; } = "";

        public long Seq { get; init; }

        public byte[] Json { get; init; } = [];

        public byte[] Hash { get; init; } = [];
    }
}
