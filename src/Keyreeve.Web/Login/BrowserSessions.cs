using System.Buffers.Text;
using System.Security.Cryptography;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Policy;
using Keyreeve.Core.Tokens;
using Microsoft.AspNetCore.Http;

namespace Keyreeve.Web.Login;

/// <summary>
/// Login sessions in browsers: the cookie holds an opaque token, the store the session under its hash, so that logout and an
/// operator's "end it" work at once. Every login makes a new session: there is nothing to fixate.
/// </summary>
public sealed class BrowserSessions(ISessionStore store, IDirectory directory, TokenPolicy policy, TimeProvider clock)
{
    /// <summary>"__Host-": Secure, this host only, path /.</summary>
    public const string CookieName = "__Host-keyreeve-session";

    /// <summary>The user of this browser, with every condition checked now; null when there is none.</summary>
    public async Task<AuthenticatedUser?> FindAsync(HttpContext context)
    {
        if (context.Request.Cookies[CookieName] is not { } cookie || !OpaqueToken.TryRead(cookie, out var token))
            return null;
        var session = await store.FindAsync(token.Hash, context.RequestAborted);
        if (session is null)
            return null;
        return AuthenticatedUser.From(session, await directory.FindUserAsync(session.Subject, context.RequestAborted), clock.GetUtcNow());
    }

    /// <summary>Starts a session after a login, and ends the one this browser had.</summary>
    public async Task StartAsync(HttpContext context, User user, string acr, string amr)
    {
        await EndAsync(context);
        var token = OpaqueToken.Generate();
        var now = clock.GetUtcNow();
        var session = new LoginSession
        {
            Hash = token.Hash,
            SessionId = Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(16)),
            Subject = user.Subject,
            SecurityStamp = user.SecurityStamp,
            Authentication = new Authentication(now.ToUnixTimeMilliseconds(), acr, amr),
            ExpiresAt = (now + policy.Session).ToUnixTimeMilliseconds(),
        };
        await store.AddAsync(session, Entry(context, "login", AuditOutcome.Granted, user.Subject, acr), context.RequestAborted);
        context.Response.Cookies.Append(CookieName, token.Reveal(), Options());
    }

    /// <summary>Ends this browser's session, if there is one.</summary>
    public async Task EndAsync(HttpContext context)
    {
        if (context.Request.Cookies[CookieName] is not { } cookie || !OpaqueToken.TryRead(cookie, out var token))
            return;
        if (await store.FindAsync(token.Hash, context.RequestAborted) is { } session)
            await store.RemoveAsync(token.Hash, Entry(context, "session.ended", AuditOutcome.Changed, session.Subject, null), context.RequestAborted);
        context.Response.Cookies.Delete(CookieName, Options());
    }

    private static CookieOptions Options() => new() { Secure = true, HttpOnly = true, SameSite = SameSiteMode.Lax, Path = "/", IsEssential = true };

    private AuditEntry Entry(HttpContext context, string kind, AuditOutcome outcome, string subject, string? detail) => new()
    {
        Kind = kind,
        Outcome = outcome,
        At = clock.GetUtcNow().ToUnixTimeMilliseconds(),
        Actor = subject,
        Subject = subject,
        Detail = detail,
        Source = context.Connection.RemoteIpAddress?.ToString(),
        CorrelationId = context.TraceIdentifier,
    };
}
