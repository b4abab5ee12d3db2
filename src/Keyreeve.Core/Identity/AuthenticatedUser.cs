using Keyreeve.Core.Tokens;

namespace Keyreeve.Core.Identity;

/// <summary>A login in a browser, one row. The cookie holds an opaque token, the row its hash. Times Unix milliseconds.</summary>
public sealed record LoginSession
{
    /// <summary>SHA-256 of the cookie's token.</summary>
    public required byte[] Hash { get; init; }

    /// <summary><c>sid</c> in ID tokens: names the session without opening it.</summary>
    public required string SessionId { get; init; }

    /// <summary>Who.</summary>
    public required string Subject { get; init; }

    /// <summary>The user's security stamp at login; a later one ends the session.</summary>
    public required string SecurityStamp { get; init; }

    /// <summary>How and when.</summary>
    public required Authentication Authentication { get; init; }

    /// <summary>End, whatever happens.</summary>
    public required long ExpiresAt { get; init; }

    /// <summary>The login methods that were shown, in order, by their identifiers and separated by spaces.</summary>
    public string Methods { get; init; } = "password";

    /// <summary>When the browser signed in first; a step-up changes the authentication time only.</summary>
    public long CreatedAt { get; init; }

    /// <summary>Which browser, in a few words for its owner: "Firefox on Linux".</summary>
    public string Browser { get; init; } = "";
}

/// <summary>A user with a live session. Only <see cref="From"/> makes one.</summary>
public sealed class AuthenticatedUser
{
    private AuthenticatedUser(User user, LoginSession session) => (User, Session) = (user, session);

    /// <summary>The user as the store has it now.</summary>
    public User User { get; }

    /// <summary>The session.</summary>
    public LoginSession Session { get; }

    /// <summary>How and when the user authenticated.</summary>
    public Authentication Authentication => Session.Authentication;

    /// <summary>The user, if the session still stands: not over, same credentials as at login, user not switched off.</summary>
    public static AuthenticatedUser? From(LoginSession? session, User? user, DateTimeOffset now) =>
        session is not null && user is not null
        && string.Equals(session.Subject, user.Subject, StringComparison.Ordinal)
        && string.Equals(session.SecurityStamp, user.SecurityStamp, StringComparison.Ordinal)
        && session.ExpiresAt > now.ToUnixTimeMilliseconds()
        && !user.Disabled
            ? new(user, session)
            : null;
}

/// <summary>Login sessions as the store keeps them.</summary>
public interface ISessionStore
{
    /// <summary>Adds a session with its audit entry.</summary>
    Task AddAsync(LoginSession session, Audit.AuditEntry entry, CancellationToken cancel);

    /// <summary>The session of a cookie, or null.</summary>
    Task<LoginSession?> FindAsync(byte[] hash, CancellationToken cancel);

    /// <summary>Ends one session.</summary>
    Task RemoveAsync(byte[] hash, Audit.AuditEntry entry, CancellationToken cancel);

    /// <summary>
    /// Puts a session in the place of another one of the same user: a step-up, or a new hash for a new cookie. False, and nothing is
    /// written, when the other one is gone.
    /// </summary>
    Task<bool> ReplaceAsync(byte[] hash, LoginSession next, Audit.AuditEntry entry, CancellationToken cancel);

    /// <summary>The sessions of a user, newest first.</summary>
    Task<IReadOnlyList<LoginSession>> ListAsync(string subject, CancellationToken cancel);

    /// <summary>Ends one session of a user by its <see cref="LoginSession.SessionId"/>. False when there is none.</summary>
    Task<bool> EndAsync(string subject, string sessionId, Audit.AuditEntry entry, CancellationToken cancel);

    /// <summary>Ends all sessions of a user but the one with this hash (null: all); returns how many.</summary>
    Task<int> EndOthersAsync(string subject, byte[]? keep, Audit.AuditEntry entry, CancellationToken cancel);

    /// <summary>Deletes sessions that are over; returns how many.</summary>
    Task<int> DeleteExpiredAsync(long now, int limit, CancellationToken cancel);
}
