using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Login;
using Keyreeve.Core.Policy;
using Keyreeve.Core.Refusals;
using Keyreeve.Web.Login.Methods;
using Microsoft.AspNetCore.Http;

namespace Keyreeve.Web.Login;

/// <summary>Where a login stands: what was shown, by whom, and what comes next.</summary>
/// <param name="User">Who showed the first factor; null before.</param>
/// <param name="Done">The methods shown.</param>
/// <param name="Progress">What is missing.</param>
/// <param name="Pending">The half-done login, or null before the first factor.</param>
public sealed record LoginStanding(User? User, IReadOnlyList<LoginMethod> Done, LoginProgress Progress, PendingLogin? Pending)
{
    /// <summary>Nobody has shown anything.</summary>
    public static readonly LoginStanding Beginning = new(null, [], new LoginProgress.Nothing(), null);

    /// <summary>Everything was shown and only a password of the user's own is missing.</summary>
    public bool NeedsNewPassword => User is { MustChangePassword: true } && Progress is LoginProgress.Complete && Done.Any(m => m.Id == LoginMethod.Password.Id);
}

/// <summary>
/// The steps of a login, from ticket to session. It holds nothing itself: each step is decided anew by the ticket, the session of
/// this browser and the rows as they are now.
/// </summary>
public sealed class LoginFlow(IDirectory directory, ICredentialStore credentials, AuthenticationMethods methods, BrowserSessions sessions, TimeProvider clock)
{
    /// <summary>How the login of a ticket stands in this browser.</summary>
    public async Task<LoginStanding> StandingAsync(HttpContext context, LoginTicket ticket)
    {
        if (ticket.Pending is { } pending)
        {
            var user = await directory.FindUserAsync(pending.Subject, context.RequestAborted);
            // Disabled or with new credentials half-way: nothing of what was shown counts any more.
            if (user is null || user.Disabled || user.SecurityStamp != pending.SecurityStamp
                || pending.SessionId is { } sid && (await sessions.FindAsync(context))?.Session.SessionId != sid)
                return LoginStanding.Beginning;
            return await StandingAsync(context, ticket, user, methods.Read(pending.Methods), pending);
        }
        // A step-up: who has a session that is too weak is asked only for what is missing.
        if (!ticket.Anew && ticket.Acr is { } acr && await sessions.FindAsync(context) is { } known && !AuthenticationClass.Satisfies(known.Authentication.Acr, acr))
        {
            var done = methods.Read(known.Session.Methods);
            var standing = await StandingAsync(context, ticket, known.User, done, NewPending(known.User, done, known.Session.SessionId));
            if (standing.Progress is LoginProgress.AskNext)
                return standing;
        }
        return LoginStanding.Beginning;
    }

    /// <summary>How it stands after a method was shown.</summary>
    public Task<LoginStanding> AfterAsync(HttpContext context, LoginTicket ticket, LoginStanding before, LoginMethod shown, User user)
    {
        LoginMethod[] done = [.. before.Done, shown];
        return StandingAsync(context, ticket, user, done, before.Pending is { } pending ? pending with { Methods = Ids(done) } : NewPending(user, done, null));
    }

    /// <summary>Starts the session, or raises the one that was stepped up. False when this login was finished before, or its session ended.</summary>
    public async Task<bool> FinishAsync(HttpContext context, LoginTicket ticket, LoginStanding standing)
    {
        if (standing is not { User: { } user, Progress: LoginProgress.Complete complete, Pending: { } pending })
            return false;
        // A login that went over several pages is finished once: whoever recorded them cannot play them again.
        if (ticket.Pending is not null || pending.SessionId is not null)
        {
            var until = (clock.GetUtcNow() + PendingLogin.Life).ToUnixTimeMilliseconds();
            if (!await credentials.UseOnceAsync(SHA256.HashData(Encoding.UTF8.GetBytes("login " + pending.Id)), until, CancellationToken.None))
                return false;
        }
        if (pending.SessionId is not { } sid)
        {
            await sessions.StartAsync(context, user, complete, Ids(standing.Done));
            return true;
        }
        return await sessions.FindAsync(context) is { } known && known.Session.SessionId == sid && await sessions.RaiseAsync(context, known, complete, Ids(standing.Done));
    }

    /// <summary>The strongest class a user can show.</summary>
    public async Task<string?> ReachableAsync(AuthenticatedUser user, CancellationToken cancel) =>
        LoginProgress.Reachable(methods.OwnedBy(user.User, await credentials.FindAsync(user.User.Subject, cancel)), user.Authentication.Acr);

    private async Task<LoginStanding> StandingAsync(HttpContext context, LoginTicket ticket, User user, IReadOnlyList<LoginMethod> done, PendingLogin pending)
    {
        var owned = methods.OwnedBy(user, await credentials.FindAsync(user.Subject, context.RequestAborted));
        return new(user, done, LoginProgress.Decide(done, owned, ticket.Acr), pending);
    }

    private PendingLogin NewPending(User user, IReadOnlyList<LoginMethod> done, string? sessionId) =>
        new(Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(16)), user.Subject, user.SecurityStamp, Ids(done), clock.GetUtcNow().ToUnixTimeMilliseconds(), sessionId);

    private static string Ids(IEnumerable<LoginMethod> done) => string.Join(' ', done.Select(m => m.Id).Distinct(StringComparer.Ordinal));
}
