using Dapper;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Snapshots;
using Keyreeve.Core.Tokens;

namespace Keyreeve.Storage;

/// <summary>Revocations: one row per thing revoked, however often it is.</summary>
public sealed class RevocationStore(IDatabase database) : IRevocationStore
{
    /// <inheritdoc />
    public Task AddAsync(IReadOnlyList<Revocation> entries, AuditEntry entry, CancellationToken cancel) => database.WriteSharedAsync(async unit =>
    {
        await AddAsync(unit, entries);
        unit.Audit(entry);
        return entries.Count;
    }, cancel);

    /// <inheritdoc />
    public Task<IReadOnlyList<Revocation>> LoadAsync(long now, CancellationToken cancel) => database.ReadAsync<IReadOnlyList<Revocation>>(async connection =>
        [.. (await connection.QueryAsync<Row>("SELECT kind, value, issued_until, keep_until FROM revocations WHERE keep_until >= @Now ORDER BY kind, value",
            new { Now = now })).Select(row => new Revocation((RevocationKind)row.Kind, row.Value, row.IssuedUntil, row.KeepUntil))], cancel);

    /// <inheritdoc />
    public Task<int> DeleteExpiredAsync(long now, int limit, CancellationToken cancel) => database.WriteAsync(unit => unit.ExecuteAsync("""
        DELETE FROM revocations WHERE (kind, value) IN (SELECT kind, value FROM revocations WHERE keep_until < @Now ORDER BY keep_until LIMIT @Limit)
        """, new { Now = now, Limit = (long)limit }), cancel);

    /// <summary>A second revocation of the same thing may only widen the first. In order, so that two nodes do not wait for each other's rows.</summary>
    internal static async Task AddAsync(UnitOfWork unit, IEnumerable<Revocation> entries)
    {
        await unit.ExecuteAsync("""
            INSERT INTO revocations (kind, value, issued_until, keep_until) VALUES (@Kind, @Value, @IssuedUntil, @KeepUntil)
            ON CONFLICT (kind, value) DO UPDATE SET
                issued_until = CASE WHEN excluded.issued_until > revocations.issued_until THEN excluded.issued_until ELSE revocations.issued_until END,
                keep_until = CASE WHEN excluded.keep_until > revocations.keep_until THEN excluded.keep_until ELSE revocations.keep_until END
            """, entries.OrderBy(entry => entry.Kind).ThenBy(entry => entry.Value, StringComparer.Ordinal).Select(entry => new { Kind = (long)entry.Kind, entry.Value, entry.IssuedUntil, entry.KeepUntil }));
        unit.Bump(Topic.Revocations);
    }

    private sealed class Row
    {
        public long Kind { get; init; }
        public string Value { get; init; } = "";
        public long IssuedUntil { get; init; }
        public long KeepUntil { get; init; }
    }
}
