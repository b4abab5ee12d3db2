using Keyreeve.Core.Identity;
using Keyreeve.Core.Policy;
using Keyreeve.Core.Refusals;
using Keyreeve.Wire.OAuth;

namespace Keyreeve.Core.Grants;

/// <summary>A consent that a user has given, with what was shown.</summary>
/// <param name="Subject">Whose.</param>
/// <param name="ClientId">To whom.</param>
/// <param name="Scope">For what.</param>
/// <param name="GivenAt">Unix milliseconds.</param>
public sealed record Consent(string Subject, string ClientId, ScopeList Scope, long GivenAt);

/// <summary>What happens next to an authorization request.</summary>
public abstract record AuthorizationStep
{
    private AuthorizationStep()
    {
    }

    /// <summary>Show the login page.</summary>
    public sealed record AskLogin : AuthorizationStep;

    /// <summary>Show the consent page for these scopes.</summary>
    public sealed record AskConsent(AuthenticatedUser User, ScopeList Scope) : AuthorizationStep;

    /// <summary>Issue a code for these scopes.</summary>
    public sealed record Issue(AuthenticatedUser User, ScopeList Scope) : AuthorizationStep;

    /// <summary>Send the error to the client.</summary>
    public sealed record Refuse(Refusal Reason) : AuthorizationStep;

    /// <summary>
    /// Decides by the session and the consent at hand. <paramref name="askedAt"/> (Unix milliseconds) is when the request first
    /// arrived: a login after it satisfies prompt=login and max_age=0, so that the request is not asked twice; one before it does not.
    /// The same holds for prompt=consent. <paramref name="expectedSubject"/> is whom an id_token_hint names: nobody else gets an answer.
    /// </summary>
    [Spec("TS 33.434", "5.2.4")]
    [Spec("OpenID Connect Core 1.0", "3.1.2.1")]
    public static AuthorizationStep Decide(AuthorizationRequest request, AuthenticatedUser? user, Consent? consent, ScopeCatalogue catalogue, long askedAt, DateTimeOffset now,
        string? expectedSubject = null)
    {
        var silent = request.Prompt == Prompt.None;
        if (user is null || NeedsLogin(request, user, askedAt, now))
            return silent
                ? new Refuse(Refusal.Of(RefusalCode.LoginRequired, "the user is not logged in"))
                : new AskLogin();
        if (expectedSubject is not null && !string.Equals(user.User.Subject, expectedSubject, StringComparison.Ordinal))
        {
            // Somebody else is logged in: that one is asked to make room, once; who logged in for this very request is the wrong one.
            return silent || user.Authentication.AuthTime >= askedAt
                ? new Refuse(Refusal.Of(RefusalCode.LoginRequired, "the user named by id_token_hint is not logged in"))
                : new AskLogin();
        }
        var scope = catalogue.GrantableTo(user.User, request.Scope);
        if (scope.Count == 0)
            return new Refuse(new(RefusalCode.ScopeNotAllowed, "none of the scopes is available for this user", $"user {user.User.Subject} may grant none of [{request.Scope}]"));
        var own = consent is not null && string.Equals(consent.Subject, user.User.Subject, StringComparison.Ordinal)
            && string.Equals(consent.ClientId, request.Target.Client.ClientId, StringComparison.Ordinal) ? consent : null;
        if (NeedsConsent(request, scope, own, askedAt))
            return silent
                ? new Refuse(Refusal.Of(RefusalCode.ConsentRequired, "the user has not consented"))
                : new AskConsent(user, scope);
        return new Issue(user, scope);
    }

    private static bool NeedsLogin(AuthorizationRequest request, AuthenticatedUser user, long askedAt, DateTimeOffset now)
    {
        var authenticatedAt = user.Authentication.AuthTime;
        if (request.Prompt.HasFlag(Prompt.Login) || request.Prompt.HasFlag(Prompt.SelectAccount) || request.MaxAge == 0)
            return authenticatedAt < askedAt;
        // Compared without leeway: it is our own clock on both sides.
        return request.MaxAge is { } maxAge && now.ToUnixTimeMilliseconds() - authenticatedAt > maxAge * 1000 && authenticatedAt < askedAt;
    }

    [Spec("RFC 6819", "4.4.1.10")]
    private static bool NeedsConsent(AuthorizationRequest request, ScopeList scope, Consent? consent, long askedAt)
    {
        var client = request.Target.Client;
        var given = consent is not null && scope.IsWithin(consent.Scope);
        var givenNow = given && consent!.GivenAt >= askedAt;
        if (request.Prompt.HasFlag(Prompt.Consent))
            return !givenNow;
        return client.Consent switch
        {
            ConsentRule.Implied => client.IsPublic && !givenNow,
            // A public client cannot prove who it is, whatever its registration says (RFC 6819 4.4.1.10).
            ConsentRule.Remember => client.IsPublic ? !givenNow : !given,
            ConsentRule.Always => !givenNow,
        };
    }
}
