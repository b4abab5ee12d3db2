using System.Data.Common;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Tokens;

namespace Keyreeve.Storage;

/// <summary>Login sessions.</summary>
public sealed class SessionStore(IDatabase database) : ISessionStore
{
    private static readonly Statement Find = new(
        "SELECT hash, session_id, subject, security_stamp, auth_time, acr, amr, expires_at FROM login_sessions WHERE hash = @Hash", "@Hash");

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
    public Task<LoginSession?> FindAsync(byte[] hash, CancellationToken cancel) => database.ReadAsync(connection => Find.FirstAsync(connection, Read, cancel, hash), cancel);

    /// <inheritdoc />
    public Task RemoveAsync(byte[] hash, AuditEntry entry, CancellationToken cancel) => database.WriteSharedAsync(async unit =>
    {
        var removed = await unit.ExecuteAsync("DELETE FROM login_sessions WHERE hash = @Hash", new { Hash = hash });
        if (removed > 0)
            unit.Audit(entry);
        return removed;
    }, cancel);

    /// <inheritdoc />
    public Task<int> DeleteExpiredAsync(long now, int limit, CancellationToken cancel) => database.WriteSharedAsync(unit => DeleteExpiredAsync(unit, now, limit), cancel);

    internal static Task<int> DeleteExpiredAsync(UnitOfWork unit, long now, int limit) => unit.ExecuteAsync($"""
        DELETE FROM login_sessions WHERE hash IN (SELECT hash FROM login_sessions WHERE expires_at <= @Now ORDER BY expires_at LIMIT @Limit {unit.SkipLocked})
        """, new { Now = now, Limit = (long)limit });

    private static LoginSession Read(DbDataReader row) => new()
    {
        Hash = row.GetFieldValue<byte[]>(0),
        SessionId = row.GetString(1),
        Subject = row.GetString(2),
        SecurityStamp = row.GetString(3),
        Authentication = new Authentication(row.GetInt64(4), row.GetString(5), row.GetString(6)),
        ExpiresAt = row.GetInt64(7),
    };
}
