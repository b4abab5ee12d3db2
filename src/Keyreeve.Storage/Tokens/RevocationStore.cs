using Dapper;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Snapshots;
using Keyreeve.Core.Tokens;

namespace Keyreeve.Storage;

/// <summary>Revocations: one row per thing revoked, however often it is.</summary>
public sealed class RevocationStore(IDatabase database, OutboxStore outbox) : IRevocationStore
{
    /// <inheritdoc />
    public async Task AddAsync(IReadOnlyList<Revocation> entries, AuditEntry entry, CancellationToken cancel)
    {
        await database.WriteSharedAsync(async unit =>
        {
            await AddAsync(unit, entries, outbox);
            unit.Audit(entry);
            return entries.Count;
        }, cancel);
        outbox.Wake();
    }

    /// <inheritdoc />
    public Task<IReadOnlyList<Revocation>> LoadAsync(long version, long now, CancellationToken cancel) => database.ReadAsync<IReadOnlyList<Revocation>>(async connection =>
        [.. (await connection.QueryAsync<Row>("SELECT kind, value, issued_until, keep_until FROM revocations WHERE changed_in > @Version AND keep_until >= @Now",
            new { Version = version, Now = now })).Select(row => new Revocation((RevocationKind)row.Kind, row.Value, row.IssuedUntil, row.KeepUntil))], cancel);

    /// <inheritdoc />
    public Task<int> DeleteExpiredAsync(long now, int limit, CancellationToken cancel) => database.WriteSharedAsync(unit => DeleteExpiredAsync(unit, now, limit), cancel);

    internal static Task<int> DeleteExpiredAsync(UnitOfWork unit, long now, int limit) => unit.ExecuteAsync($"""
        DELETE FROM revocations WHERE (kind, value) IN (SELECT kind, value FROM revocations WHERE keep_until < @Now ORDER BY keep_until LIMIT @Limit {unit.SkipLocked})
        """, new { Now = now, Limit = (long)limit });

    /// <summary>
    /// A second revocation of the same thing may only widen the first. The counter is raised first: whoever adds at the same time
    /// waits for it, so that no row appears later under a version that a node believes to have seen whole. Receivers of events are told
    /// in the same transaction; the caller wakes the outbox after it.
    /// </summary>
    internal static async Task AddAsync(UnitOfWork unit, IReadOnlyList<Revocation> entries, OutboxStore outbox)
    {
        var version = await unit.RaiseAsync(Topic.Revocations);
        await unit.ExecuteAsync("""
            INSERT INTO revocations (kind, value, issued_until, keep_until, changed_in) VALUES (@Kind, @Value, @IssuedUntil, @KeepUntil, @Version)
            ON CONFLICT (kind, value) DO UPDATE SET
                issued_until = CASE WHEN excluded.issued_until > revocations.issued_until THEN excluded.issued_until ELSE revocations.issued_until END,
                keep_until = CASE WHEN excluded.keep_until > revocations.keep_until THEN excluded.keep_until ELSE revocations.keep_until END,
                changed_in = excluded.changed_in
            """, entries.Select(entry => new { Kind = (long)entry.Kind, entry.Value, entry.IssuedUntil, entry.KeepUntil, Version = version }));
        outbox.Send(unit, entries);
    }

    private sealed class Row
    {
        public long Kind { get; init; }
        public string Value { get; init; } = "";
        public long IssuedUntil { get; init; }
        public long KeepUntil { get; init; }
    }
}
