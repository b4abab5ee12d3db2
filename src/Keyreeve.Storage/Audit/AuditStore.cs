using Dapper;
using Keyreeve.Core.Audit;

namespace Keyreeve.Storage;

/// <summary>The audit in the table <c>audit</c>, with the end of each chain kept apart in <c>audit_heads</c>.</summary>
public sealed class AuditStore(IDatabase database) : IAuditStore
{
    /// <summary>Lines that one page looks at. Our choice: some tens of milliseconds.</summary>
    public const int MaxScanned = 20_000;

    private const int Chunk = 1000;

    private readonly BackfillRunner _backfills = new(database);

    /// <inheritdoc />
    public Task AppendAsync(IReadOnlyList<AuditEntry> entries, CancellationToken cancel) => database.WriteSharedAsync(unit =>
    {
        foreach (var entry in entries)
            unit.Audit(entry);
        return Task.FromResult(entries.Count);
    }, cancel);

    /// <inheritdoc />
    public async Task AppendOnceAsync(IReadOnlyList<AuditEntry> entries, AuditAttempts attempts, CancellationToken cancel)
    {
        long? end = null;
        try
        {
            await database.WriteSharedAsync(async unit =>
            {
                end = await AuditLines.EndAsync(unit, database.Node);
                foreach (var entry in attempts.Since is { } since ? await AuditLines.MissingAsync(unit, database.Node, since, entries) : entries)
                    unit.Audit(entry);
                return entries.Count;
            }, cancel);
            attempts.Since = null;
        }
        catch
        {
            // Before the chain was read nothing can have been written to it.
            attempts.Since ??= end;
            throw;
        }
    }

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

    /// <summary>
    /// A page of lines, newest first. Nothing that was there at the first page is left out or comes twice, whatever is written meanwhile. A filter that few
    /// lines pass looks at <see cref="MaxScanned"/> lines and then gives what it found with the place to go on from.
    /// </summary>
    public Task<AuditPage> ListAsync(AuditQuery query, AuditPlace? after, int limit, CancellationToken cancel) => database.ReadAsync(async connection =>
    {
        // The engine knows times; the rest is asked of the line itself.
        var lines = new List<(AuditLine, AuditEntry)>();
        for (var scanned = 0; scanned < MaxScanned; scanned += Chunk)
        {
            var before = after is null ? "" : " AND (at, node, seq) < (@At, @AfterNode, @Sequence)";
            var rows = (await connection.QueryAsync<Row>(
                $"SELECT node, seq, json, hash, at FROM audit WHERE at >= @From AND at < @To{before} ORDER BY at DESC, node DESC, seq DESC LIMIT @Limit",
                new
                {
                    From = query.From ?? 0,
                    To = query.To ?? long.MaxValue,
                    At = after?.At ?? 0,
                    AfterNode = after?.Node ?? "",
                    Sequence = after?.Sequence ?? 0,
                    Limit = (long)Chunk,
                })).AsList();
            foreach (var row in rows)
            {
                after = new(row.At, row.Node, row.Seq);
                if (AuditEntry.TryRead(row.Json) is { } entry && query.Matches(row.Node, entry))
                    lines.Add((new(row.Node, row.Seq, row.Json, row.Hash), entry));
                if (lines.Count == limit)
                    return new AuditPage(lines, after);
            }
            if (rows.Count < Chunk)
                return new AuditPage(lines, null);
        }
        return new AuditPage(lines, after);
    }, cancel);

    /// <summary>True when a list finds every line; false while lines of an older schema wait for their columns.</summary>
    public Task<bool> IsSearchableAsync(CancellationToken cancel) => _backfills.IsFinishedAsync(AuditTimes.Number, cancel);

    private sealed class Row
    {
        public string Node { get; init; } = "";

        public long Seq { get; init; }

        public byte[] Json { get; init; } = [];

        public byte[] Hash { get; init; } = [];

        public long At { get; init; }
    }
}
