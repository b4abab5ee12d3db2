using Dapper;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Grants;
using Keyreeve.Core.Tokens;

namespace Keyreeve.Storage;

/// <summary>Codes, refresh families and consents.</summary>
public sealed class GrantStore(IDatabase database) : IGrantStore
{
    /// <inheritdoc />
    public Task<bool> AddCodeAsync(AuthorizationCode code, AuditEntry entry, CancellationToken cancel) => database.WriteAsync(async unit =>
    {
        if (!await CodeTable.AddAsync(unit, code))
            return false;
        unit.Audit(entry);
        return true;
    }, cancel);

    /// <inheritdoc />
    public Task<AuthorizationCode?> FindCodeAsync(byte[] hash, CancellationToken cancel) => CodeTable.FindAsync(database, hash, cancel);

    /// <inheritdoc />
    public Task<bool> RedeemCodeAsync(byte[] hash, long now, RefreshFamily? family, AuditEntry entry, CancellationToken cancel)
    {
        // 0 is "not redeemed": a clock at the epoch must not make a code good for ever.
        ArgumentOutOfRangeException.ThrowIfLessThan(now, 1);
        return database.WriteAsync(async unit =>
        {
            if (!await CodeTable.RedeemAsync(unit, hash, now))
                return false;
            if (family is not null)
                await FamilyTable.AddAsync(unit, family);
            unit.Audit(entry);
            return true;
        }, cancel);
    }

    /// <inheritdoc />
    public Task<RefreshFamily?> FindFamilyAsync(string familyId, CancellationToken cancel) => FamilyTable.FindAsync(database, familyId, cancel);

    /// <inheritdoc />
    public Task<bool> RotateAsync(RefreshFamily next, AuditEntry entry, CancellationToken cancel) => database.WriteAsync(async unit =>
    {
        if (!await FamilyTable.RotateAsync(unit, next))
            return false;
        unit.Audit(entry);
        return true;
    }, cancel);

    /// <inheritdoc />
    public Task<bool> CountReuseAsync(string familyId, long generation, int limit, AuditEntry entry, CancellationToken cancel) => database.WriteAsync(async unit =>
    {
        if (!await FamilyTable.CountReuseAsync(unit, familyId, generation, limit))
            return false;
        unit.Audit(entry);
        return true;
    }, cancel);

    /// <inheritdoc />
    public Task EndGrantAsync(string grantId, long now, Revocation revocation, AuditEntry entry, CancellationToken cancel)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(now, 1);
        return database.WriteAsync(async unit =>
        {
            await FamilyTable.EndAsync(unit, grantId, now);
            await RevocationStore.AddAsync(unit, [revocation]);
            unit.Audit(entry);
            return true;
        }, cancel);
    }

    /// <inheritdoc />
    public Task<Consent?> FindConsentAsync(string subject, string clientId, CancellationToken cancel) => database.ReadAsync(async connection =>
        (await connection.QuerySingleOrDefaultAsync<ConsentRow>(
            "SELECT subject, client_id, scope, given_at, shown FROM consents WHERE subject = @Subject AND client_id = @ClientId",
            new { Subject = subject, ClientId = clientId }))?.ToConsent(), cancel);

    /// <inheritdoc />
    public Task SaveConsentAsync(Consent consent, AuditEntry entry, CancellationToken cancel) => database.WriteAsync(async unit =>
    {
        await unit.ExecuteAsync("""
            INSERT INTO consents (subject, client_id, scope, given_at, shown) VALUES (@Subject, @ClientId, @Scope, @GivenAt, @Shown)
            ON CONFLICT (subject, client_id) DO UPDATE SET scope = excluded.scope, given_at = excluded.given_at, shown = excluded.shown
            """, new
        {
            consent.Subject,
            consent.ClientId,
            Scope = consent.Scope.Text,
            consent.GivenAt,
            // Name and title in turn: a flat list is what StoredText writes.
            Shown = StoredText.WriteList(consent.Shown.SelectMany(s => (string[])[s.Name, s.Title])),
        });
        unit.Audit(entry);
        return true;
    }, cancel);

    /// <inheritdoc />
    public Task<IReadOnlyList<RefreshFamily>> ListFamiliesAsync(string subject, long now, CancellationToken cancel) => FamilyTable.ListAsync(database, subject, now, cancel);

    /// <inheritdoc />
    public Task<IReadOnlyList<Consent>> ListConsentsAsync(string subject, CancellationToken cancel) => database.ReadAsync<IReadOnlyList<Consent>>(async connection =>
        [.. (await connection.QueryAsync<ConsentRow>("SELECT subject, client_id, scope, given_at, shown FROM consents WHERE subject = @Subject ORDER BY client_id", new { Subject = subject }))
            .Select(row => row.ToConsent())], cancel);

    /// <inheritdoc />
    public Task<int> EndAccessAsync(string subject, string clientId, long now, Func<string, Revocation> ofFamily, Revocation otherwise, AuditEntry entry, CancellationToken cancel)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(now, 1);
        return database.WriteAsync(async unit =>
        {
            var row = new { Subject = subject, ClientId = clientId };
            await unit.ExecuteAsync("DELETE FROM consents WHERE subject = @Subject AND client_id = @ClientId", row);
            await unit.ExecuteAsync("DELETE FROM authorization_codes WHERE subject = @Subject AND client_id = @ClientId AND redeemed_at = 0", row);
            var ended = await FamilyTable.EndOfClientAsync(unit, subject, clientId, now);
            await RevocationStore.AddAsync(unit, ended.Count > 0 ? [.. ended.Select(ofFamily)] : (Revocation[])[otherwise]);
            unit.Audit(entry);
            return ended.Count;
        }, cancel);
    }

    /// <inheritdoc />
    public Task<int> DeleteExpiredAsync(long now, int limit, CancellationToken cancel) => database.WriteAsync(async unit =>
    {
        var codes = await CodeTable.DeleteExpiredAsync(unit, now, limit);
        return codes + await FamilyTable.DeleteExpiredAsync(unit, now * 1000, limit - codes);
    }, cancel);

    private sealed class ConsentRow
    {
        public string Subject { get; init; } = "";
        public string ClientId { get; init; } = "";
        public string Scope { get; init; } = "";
        public long GivenAt { get; init; }
        public string Shown { get; init; } = "";

        public Consent ToConsent() => new(Subject, ClientId, StoredText.ReadScope(Scope), GivenAt)
        {
            Shown = [.. StoredText.ReadList(Shown).Chunk(2).Select(pair => new ShownScope(pair[0], pair[1]))],
        };
    }
}
