using Dapper;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Tokens;

namespace Keyreeve.Storage;

/// <summary>Login sessions.</summary>
public sealed class SessionStore(IDatabase database) : ISessionStore
{
    /// <inheritdoc />
    public Task AddAsync(LoginSession session, AuditEntry entry, CancellationToken cancel) => database.WriteSharedAsync(async unit =>
    {
        await unit.ExecuteAsync("""
            INSERT INTO login_sessions (hash, session_id, subject, security_stamp, auth_time, acr, amr, expires_at)
            VALUES (@Hash, @SessionId, @Subject, @SecurityStamp, @AuthTime, @Acr, @Amr, @ExpiresAt)
            """, new
        {
            session.Hash,
            session.SessionId,
            session.Subject,
            session.SecurityStamp,
            session.Authentication.AuthTime,
            session.Authentication.Acr,
            session.Authentication.Amr,
            session.ExpiresAt,
        });
        unit.Audit(entry);
        return true;
    }, cancel);

    /// <inheritdoc />
    public Task<LoginSession?> FindAsync(byte[] hash, CancellationToken cancel) => database.ReadAsync(async connection =>
        (await connection.QuerySingleOrDefaultAsync<Row>("""
            SELECT hash, session_id, subject, security_stamp, auth_time, acr, amr, expires_at FROM login_sessions WHERE hash = @Hash
            """, new { Hash = hash }))?.ToSession(), cancel);

    /// <inheritdoc />
    public Task RemoveAsync(byte[] hash, AuditEntry entry, CancellationToken cancel) => database.WriteSharedAsync(async unit =>
    {
        var removed = await unit.ExecuteAsync("DELETE FROM login_sessions WHERE hash = @Hash", new { Hash = hash });
        if (removed > 0)
            unit.Audit(entry);
        return removed;
    }, cancel);

    /// <inheritdoc />
    public Task<int> DeleteExpiredAsync(long now, int limit, CancellationToken cancel) => database.WriteAsync(unit => unit.ExecuteAsync("""
        DELETE FROM login_sessions WHERE hash IN (SELECT hash FROM login_sessions WHERE expires_at <= @Now ORDER BY expires_at LIMIT @Limit)
        """, new { Now = now, Limit = (long)limit }), cancel);

    private sealed class Row
    {
        public byte[] Hash { get; init; } = [];
        public string SessionId { get; init; } = "";
        public string Subject { get; init; } = "";
        public string SecurityStamp { get; init; } = "";
        public long AuthTime { get; init; }
        public string Acr { get; init; } = "";
        public string Amr { get; init; } = "";
        public long ExpiresAt { get; init; }

        public LoginSession ToSession() => new()
        {
            Hash = Hash,
            SessionId = SessionId,
            Subject = Subject,
            SecurityStamp = SecurityStamp,
            Authentication = new Authentication(AuthTime, Acr, Amr),
            ExpiresAt = ExpiresAt,
        };
    }
}
