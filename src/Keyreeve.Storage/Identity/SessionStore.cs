using System.Data.Common;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Tokens;

namespace Keyreeve.Storage;

/// <summary>Login sessions.</summary>
public sealed class SessionStore(IDatabase database) : ISessionStore
{
    private const string Columns = "hash, session_id, subject, security_stamp, auth_time, acr, amr, expires_at, methods, created_at, browser";

    private static readonly Statement Find = new($"SELECT {Columns} FROM login_sessions WHERE hash = @Hash", "@Hash");

    private static readonly Statement List = new($"SELECT {Columns} FROM login_sessions WHERE subject = @Subject ORDER BY created_at DESC, session_id", "@Subject");

    /// <inheritdoc />
    public Task AddAsync(LoginSession session, AuditEntry entry, CancellationToken cancel) => database.WriteSharedAsync(async unit =>
    {
        await InsertAsync(unit, session);
        unit.Audit(entry);
        return true;
    }, cancel);

    /// <inheritdoc />
    public Task<bool> ReplaceAsync(byte[] hash, LoginSession next, AuditEntry entry, CancellationToken cancel) => database.WriteSharedAsync(async unit =>
    {
        if (await unit.ExecuteAsync("DELETE FROM login_sessions WHERE hash = @Hash AND subject = @Subject", new { Hash = hash, next.Subject }) == 0)
            return false;
        await InsertAsync(unit, next);
        unit.Audit(entry);
        return true;
    }, cancel);

    /// <inheritdoc />
    public Task<IReadOnlyList<LoginSession>> ListAsync(string subject, CancellationToken cancel) => database.ReadAsync<IReadOnlyList<LoginSession>>(async connection =>
    {
        await using var row = await List.On(connection, subject).ExecuteReaderAsync(cancel);
        var sessions = new List<LoginSession>();
        while (await row.ReadAsync(cancel))
            sessions.Add(Read(row));
        return sessions;
    }, cancel);

    /// <inheritdoc />
    public Task<bool> EndAsync(string subject, string sessionId, AuditEntry entry, CancellationToken cancel) => database.WriteSharedAsync(async unit =>
    {
        if (await unit.ExecuteAsync("DELETE FROM login_sessions WHERE subject = @Subject AND session_id = @SessionId", new { Subject = subject, SessionId = sessionId }) == 0)
            return false;
        unit.Audit(entry);
        return true;
    }, cancel);

    /// <inheritdoc />
    public Task<int> EndOthersAsync(string subject, byte[]? keep, AuditEntry entry, CancellationToken cancel) => database.WriteSharedAsync(async unit =>
    {
        var ended = await unit.ExecuteAsync("DELETE FROM login_sessions WHERE subject = @Subject AND hash <> @Keep", new { Subject = subject, Keep = keep ?? [] });
        if (ended > 0)
            unit.Audit(entry);
        return ended;
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

    private static Task<int> InsertAsync(UnitOfWork unit, LoginSession session) => unit.ExecuteAsync($"""
        INSERT INTO login_sessions ({Columns})
        VALUES (@Hash, @SessionId, @Subject, @SecurityStamp, @AuthTime, @Acr, @Amr, @ExpiresAt, @Methods, @CreatedAt, @Browser)
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
        session.Methods,
        session.CreatedAt,
        session.Browser,
    });

    /// <summary>In the order of <see cref="Columns"/>.</summary>
    private static LoginSession Read(DbDataReader row) => new()
    {
        Hash = row.GetFieldValue<byte[]>(0),
        SessionId = row.GetString(1),
        Subject = row.GetString(2),
        SecurityStamp = row.GetString(3),
        Authentication = new Authentication(row.GetInt64(4), row.GetString(5), row.GetString(6)),
        ExpiresAt = row.GetInt64(7),
        Methods = row.GetString(8),
        CreatedAt = row.GetInt64(9),
        Browser = row.GetString(10),
    };
}
