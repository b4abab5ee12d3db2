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
public sealed record Consent(string Subject, string ClientId, ScopeList Scope, long GivenAt)
{
    /// <summary>What the page called each scope when it was allowed.</summary>
    public IReadOnlyList<ShownScope> Shown { get; init; } = [];
}

/// <summary>A scope as a consent page showed it.</summary>
/// <param name="Name">The scope value.</param>
/// <param name="Title">Its title then and there, in the language of that page.</param>
public sealed record ShownScope(string Name, string Title);

/// <summary>What happens next to an authorization request.</summary>
public abstract record AuthorizationStep
{
    private AuthorizationStep()
    {
    }

    /// <summary>Show the login page; nobody is logged in, or not anew. This class is demanded.</summary>
    public sealed record AskLogin(string Acr) : AuthorizationStep;

    /// <summary>Ask who is logged in for what is missing up to this class.</summary>
    public sealed record AskMore(AuthenticatedUser User, string Acr) : AuthorizationStep;

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
    /// <paramref name="reachable"/> is the strongest authentication class that this user could show; without it nothing beyond the session is expected.
    /// <paramref name="allowed"/> is what the user left ticked on this request's own consent page.
    /// </summary>
    [Spec("TS 33.434", "5.2.4")]
    [Spec("OpenID Connect Core 1.0", "3.1.2.1")]
    public static AuthorizationStep Decide(AuthorizationRequest request, AuthenticatedUser? user, Consent? consent, ScopeCatalogue catalogue, long askedAt, DateTimeOffset now,
        string? expectedSubject = null, string? reachable = null, ScopeList? allowed = null)
    {
        var silent = request.Prompt == Prompt.None;
        if (user is null || NeedsLogin(request, user, askedAt, now))
            return silent
                ? new Refuse(Refusal.Of(RefusalCode.LoginRequired, "the user is not logged in"))
                : new AskLogin(LoginDemand.Of(request, request.Scope, catalogue).Required);
        if (expectedSubject is not null && !string.Equals(user.User.Subject, expectedSubject, StringComparison.Ordinal))
        {
            // Somebody else is logged in: that one is asked to make room, once; who logged in for this very request is the wrong one.
            return silent || user.Authentication.AuthTime >= askedAt
                ? new Refuse(Refusal.Of(RefusalCode.LoginRequired, "the user named by id_token_hint is not logged in"))
                : new AskLogin(LoginDemand.Of(request, request.Scope, catalogue).Required);
        }
        var scope = catalogue.GrantableTo(user.User, request.Scope);
        if (allowed is not null)
            scope = scope.Where(allowed.Contains);
        if (scope.Count == 0)
            return new Refuse(new(RefusalCode.ScopeNotAllowed, "none of the scopes is available for this user", $"user {user.User.Subject} may grant none of [{request.Scope}]"));
        if (!request.Resources.Within(scope, catalogue).Succeeded(out _, out var outOfReach))
            return new Refuse(outOfReach);
        // A scope that the user unticked demands nothing any more.
        if (NeedsMore(LoginDemand.Of(request, scope, catalogue).Judge(user.Authentication.Acr, reachable), user, silent) is { } more)
            return more;
        var own = consent is not null && string.Equals(consent.Subject, user.User.Subject, StringComparison.Ordinal)
            && string.Equals(consent.ClientId, request.Target.Client.ClientId, StringComparison.Ordinal) ? consent : null;
        if (NeedsConsent(request, scope, own, askedAt))
            return silent
                ? new Refuse(Refusal.Of(RefusalCode.ConsentRequired, "the user has not consented"))
                : new AskConsent(user, scope);
        return new Issue(user, scope);
    }

    [Spec("RFC 9470", "5")]
    private static AuthorizationStep? NeedsMore(LoginDemand.Verdict verdict, AuthenticatedUser user, bool silent) => verdict switch
    {
        LoginDemand.Verdict.Unmet => new Refuse(new(RefusalCode.UnmetAuthentication, "the authentication that is demanded is not within reach of the user",
            $"user {user.User.Subject} has no method that is strong enough; see the second factors of the user")),
        LoginDemand.Verdict.Ask { Demanded: true } when silent => new Refuse(Refusal.Of(RefusalCode.InteractionRequired, "the user must show a second factor")),
        // acr_values are "voluntary": a silent request gets what there is.
        LoginDemand.Verdict.Ask ask when !silent => new AskMore(user, ask.Acr),
        _ => null,
    };

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
