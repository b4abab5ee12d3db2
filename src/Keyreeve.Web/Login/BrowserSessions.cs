using System.Buffers.Text;
using System.Security.Cryptography;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Login;
using Keyreeve.Core.Policy;
using Keyreeve.Core.Tokens;
using Microsoft.AspNetCore.Http;

namespace Keyreeve.Web.Login;

/// <summary>
/// Login sessions in browsers: the cookie holds an opaque token, the store the session under its hash, so that logout and an
/// operator's "end it" work at once. Every login and every step-up makes a new token: there is nothing to fixate.
/// </summary>
public sealed class BrowserSessions(ISessionStore store, IDirectory directory, TokenPolicy policy, LoginAudit audit, TimeProvider clock)
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

    /// <summary>The session of this browser, be it over or not; for who ends it.</summary>
    public async Task<LoginSession?> SessionAsync(HttpContext context) =>
        context.Request.Cookies[CookieName] is { } cookie && OpaqueToken.TryRead(cookie, out var token) ? await store.FindAsync(token.Hash, context.RequestAborted) : null;

    /// <summary>Takes the cookie away from the browser; the session itself was ended.</summary>
    public static void Forget(HttpContext context) => context.Response.Cookies.Delete(CookieName, Options());

    /// <summary>Starts a session after a login, and ends the one this browser had.</summary>
    public async Task StartAsync(HttpContext context, User user, LoginProgress.Complete login, string methods)
    {
        // The same person anew in the same browser is the same session to clients: a logout then ends what stood on the earlier login too.
        var sessionId = await SessionAsync(context) is { } before && string.Equals(before.Subject, user.Subject, StringComparison.Ordinal)
            ? before.SessionId : Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(16));
        await EndAsync(context);
        var token = OpaqueToken.Generate();
        var now = clock.GetUtcNow();
        var session = new LoginSession
        {
            Hash = token.Hash,
            SessionId = sessionId,
            Subject = user.Subject,
            SecurityStamp = user.SecurityStamp,
            Authentication = new Authentication(now.ToUnixTimeMilliseconds(), login.Acr, login.Amr),
            ExpiresAt = (now + policy.Session).ToUnixTimeMilliseconds(),
            Methods = methods,
            CreatedAt = now.ToUnixTimeMilliseconds(),
            Browser = BrowserName.Of(context.Request.Headers.UserAgent.ToString()),
        };
        await store.AddAsync(session, audit.Entry(context, "login", AuditOutcome.Granted, user.Subject, $"{login.Acr} by {methods}"), context.RequestAborted);
        context.Response.Cookies.Append(CookieName, token.Reveal(), Options());
    }

    /// <summary>
    /// Raises the session of this browser after a step-up: new cookie, new time and class, the same <c>sid</c> and the same end.
    /// False when it ended meanwhile.
    /// </summary>
    [Spec("RFC 9470", "5")]
    public async Task<bool> RaiseAsync(HttpContext context, AuthenticatedUser user, LoginProgress.Complete login, string methods)
    {
        var token = OpaqueToken.Generate();
        var next = user.Session with
        {
            Hash = token.Hash,
            Authentication = new Authentication(clock.GetUtcNow().ToUnixTimeMilliseconds(), login.Acr, login.Amr),
            Methods = methods,
        };
        if (!await store.ReplaceAsync(user.Session.Hash, next, audit.Entry(context, "login.step_up", AuditOutcome.Granted, user.User.Subject, $"{login.Acr} by {methods}"), context.RequestAborted))
            return false;
        context.Response.Cookies.Append(CookieName, token.Reveal(), Options());
        return true;
    }

    /// <summary>Ends this browser's session, if there is one.</summary>
    public async Task EndAsync(HttpContext context)
    {
        if (context.Request.Cookies[CookieName] is not { } cookie || !OpaqueToken.TryRead(cookie, out var token))
            return;
        if (await store.FindAsync(token.Hash, context.RequestAborted) is { } session)
            await store.RemoveAsync(token.Hash, audit.Entry(context, "session.ended", AuditOutcome.Changed, session.Subject, null), context.RequestAborted);
        Forget(context);
    }

    private static CookieOptions Options() => new() { Secure = true, HttpOnly = true, SameSite = SameSiteMode.Lax, Path = "/", IsEssential = true };
}
