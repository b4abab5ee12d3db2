using System.Data.Common;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Grants;
using Keyreeve.Core.Tokens;

namespace Keyreeve.Storage;

/// <summary>
/// Codes, refresh families and consents. Their writes only compare and set, so several nodes' run side by side; what ends a login or
/// removes a user or client (and deletes the rows here with it) is written alone, never in between.
/// </summary>
public sealed class GrantStore(IDatabase database, OutboxStore outbox) : IGrantStore
{
    private static readonly Statement FindConsent = new(
        "SELECT subject, client_id, scope, given_at, shown FROM consents WHERE subject = @Subject AND client_id = @ClientId", "@Subject", "@ClientId");

    private static readonly Statement ListConsents = new(
        "SELECT subject, client_id, scope, given_at, shown FROM consents WHERE subject = @Subject", "@Subject");

    /// <inheritdoc />
    public Task<bool> AddCodeAsync(AuthorizationCode code, AuditEntry entry, CancellationToken cancel) => database.WriteSharedAsync(async unit =>
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
        return database.WriteSharedAsync(async unit =>
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
    public Task<bool> RotateAsync(RefreshFamily next, AuditEntry entry, CancellationToken cancel) => database.WriteSharedAsync(async unit =>
    {
        if (!await FamilyTable.RotateAsync(unit, next))
            return false;
        unit.Audit(entry);
        return true;
    }, cancel);

    /// <inheritdoc />
    public Task<bool> CountReuseAsync(string familyId, long generation, int limit, AuditEntry entry, CancellationToken cancel) => database.WriteSharedAsync(async unit =>
    {
        if (!await FamilyTable.CountReuseAsync(unit, familyId, generation, limit))
            return false;
        unit.Audit(entry);
        return true;
    }, cancel);

    /// <inheritdoc />
    public async Task EndGrantAsync(string grantId, long now, Revocation revocation, AuditEntry entry, CancellationToken cancel)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(now, 1);
        await database.WriteSharedAsync(async unit =>
        {
            await FamilyTable.EndAsync(unit, grantId, now);
            await RevocationStore.AddAsync(unit, [revocation], outbox);
            unit.Audit(entry);
            return true;
        }, cancel);
        outbox.Wake();
    }

    /// <inheritdoc />
    public Task<Consent?> FindConsentAsync(string subject, string clientId, CancellationToken cancel) => database.ReadAsync(connection =>
        FindConsent.FirstAsync(connection, ReadConsent, cancel, subject, clientId), cancel);

    /// <inheritdoc />
    public Task SaveConsentAsync(Consent consent, AuditEntry entry, CancellationToken cancel) => database.WriteSharedAsync(async unit =>
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
    {
        await using var row = await ListConsents.On(connection, subject).ExecuteReaderAsync(cancel);
        var consents = new List<Consent>();
        while (await row.ReadAsync(cancel))
            consents.Add(ReadConsent(row));
        return consents;
    }, cancel);

    /// <inheritdoc />
    public async Task<int> EndAccessAsync(string subject, string clientId, long now, Func<string, Revocation> ofFamily, Revocation otherwise, AuditEntry entry, CancellationToken cancel)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(now, 1);
        // Written alone: a code that is redeemed in between would leave a family behind.
        var count = await database.WriteAsync(async unit =>
        {
            var row = new { Subject = subject, ClientId = clientId };
            await unit.ExecuteAsync("DELETE FROM consents WHERE subject = @Subject AND client_id = @ClientId", row);
            await unit.ExecuteAsync("DELETE FROM authorization_codes WHERE subject = @Subject AND client_id = @ClientId AND redeemed_at = 0", row);
            var ended = await FamilyTable.EndOfClientAsync(unit, subject, clientId, now);
            await RevocationStore.AddAsync(unit, ended.Count > 0 ? [.. ended.Select(ofFamily)] : (Revocation[])[otherwise], outbox);
            unit.Audit(entry);
            return ended.Count;
        }, cancel);
        outbox.Wake();
        return count;
    }

    /// <inheritdoc />
    public async Task<bool> EndSessionAsync(string subject, string sessionId, long now, Func<string, Revocation> ofGrant, Func<int, AuditEntry> entry, CancellationToken cancel)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(now, 1);
        // Written alone: a code that is added or redeemed in between would outlive the login.
        var ended = await database.WriteAsync(async unit =>
        {
            var row = new { Subject = subject, SessionId = sessionId };
            if (await unit.ExecuteAsync("DELETE FROM login_sessions WHERE subject = @Subject AND session_id = @SessionId", row) == 0)
                return false;
            var redeemed = await unit.QueryAsync<string>(
                "SELECT grant_id FROM authorization_codes WHERE subject = @Subject AND session_id = @SessionId AND redeemed_at <> 0", row);
            await unit.ExecuteAsync("DELETE FROM authorization_codes WHERE subject = @Subject AND session_id = @SessionId AND redeemed_at = 0", row);
            string[] grants = [.. redeemed.Union(await FamilyTable.EndOfSessionAsync(unit, subject, sessionId, now), StringComparer.Ordinal)];
            if (grants.Length > 0)
                await RevocationStore.AddAsync(unit, [.. grants.Select(ofGrant)], outbox);
            unit.Audit(entry(grants.Length));
            return true;
        }, cancel);
        outbox.Wake();
        return ended;
    }

    /// <inheritdoc />
    public Task<int> DeleteExpiredAsync(long now, int limit, CancellationToken cancel) => database.WriteAsync(async unit =>
    {
        var codes = await CodeTable.DeleteExpiredAsync(unit, now, limit);
        return codes + await FamilyTable.DeleteExpiredAsync(unit, now * 1000, limit - codes);
    }, cancel);

    private static Consent ReadConsent(DbDataReader row) => new(row.GetString(0), row.GetString(1), StoredText.ReadScope(row.GetString(2)), row.GetInt64(3))
    {
        Shown = [.. StoredText.ReadList(row.GetString(4)).Chunk(2).Select(pair => new ShownScope(pair[0], pair[1]))],
    };
}
