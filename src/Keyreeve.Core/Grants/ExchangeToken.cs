using Keyreeve.Core.Identity;
using Keyreeve.Core.Policy;
using Keyreeve.Core.Refusals;
using Keyreeve.Core.Tokens;
using Keyreeve.Wire.OAuth;

namespace Keyreeve.Core.Grants;

/// <summary>The kinds of token that can be exchanged.</summary>
public enum SubjectTokenKind
{
    /// <summary>An access token of ours.</summary>
    AccessToken,

    /// <summary>An ID token of the calling client.</summary>
    IdToken,

    /// <summary>A JWT of a registered issuer.</summary>
    Jwt,
}

/// <summary>
/// A client exchanges a token for another one (RFC 8693): a VAL server that calls the next one for its user, a client that wants a
/// narrower token, a partner's user that comes in. The result is never more than the token it is made of, in any respect.
/// </summary>
[Spec("RFC 8693", "2.1")]
[Spec("RFC 8707", "2")]
public static class ExchangeToken
{
    private const string TypePrefix = "urn:ietf:params:oauth:token-type:";

    /// <summary>The token type of every result.</summary>
    public const string AccessTokenType = TypePrefix + "access_token";

    /// <summary>What the token request said.</summary>
    /// <param name="SubjectToken">As presented.</param>
    /// <param name="Kind">What it is said to be.</param>
    /// <param name="ActorToken">An access token of ours, as presented; or null.</param>
    /// <param name="Scope">Empty when not sent.</param>
    /// <param name="Targets">What <c>audience</c> and <c>resource</c> name; empty when not sent.</param>
    public sealed record Request(string SubjectToken, SubjectTokenKind Kind, string? ActorToken, ScopeList Scope, IReadOnlyList<string> Targets)
    {
        /// <summary>Reads the form; nothing is looked up.</summary>
        public static Outcome<Request> Read(ParameterList form)
        {
            form.TrySingle("subject_token", out var subject);
            form.TrySingle("subject_token_type", out var subjectType);
            form.TrySingle("actor_token", out var actor);
            form.TrySingle("actor_token_type", out var actorType);
            form.TrySingle("requested_token_type", out var requested);
            form.TrySingle("scope", out var scopeText);
            if (subject is null)
                return Refusal.About(RefusalCode.MissingParameter, "subject_token", "subject_token is missing");
            if (subjectType is null)
                return Refusal.About(RefusalCode.MissingParameter, "subject_token_type", "subject_token_type is missing");
            SubjectTokenKind? kind = subjectType switch
            {
                AccessTokenType => SubjectTokenKind.AccessToken,
                TypePrefix + "id_token" => SubjectTokenKind.IdToken,
                TypePrefix + "jwt" => SubjectTokenKind.Jwt,
                _ => null,
            };
            if (kind is null)
                return Refusal.About(RefusalCode.InvalidParameter, "subject_token_type", "subject_token_type is an access_token, id_token or jwt");
            if (requested is not (null or AccessTokenType))
                return Refusal.About(RefusalCode.InvalidParameter, "requested_token_type", "access tokens alone can be requested");
            // "actor_token_type: REQUIRED when the actor_token parameter is present in the request but MUST NOT be included otherwise."
            if (actor is null != actorType is null)
                return Refusal.About(RefusalCode.MissingParameter, actor is null ? "actor_token" : "actor_token_type", "actor_token and actor_token_type go together");
            if (actorType is not (null or AccessTokenType))
                return Refusal.About(RefusalCode.InvalidParameter, "actor_token_type", "an actor token is an access token");
            if (!ScopeList.TryRead(scopeText, out var scope))
                return Refusal.About(RefusalCode.ScopeNotAllowed, "scope", "scope is not a list of scope values");
            var targets = new List<string>();
            foreach (var (name, value) in form.Pairs)
            {
                if (name is not ("audience" or "resource") || value.Length == 0)
                    continue;
                // "MUST be an absolute URI ... and MUST NOT include a fragment component" (RFC 8707 2)
                if (name == "resource" && (!Uri.TryCreate(value, UriKind.Absolute, out var uri) || uri.Fragment.Length > 0))
                    return Refusal.About(RefusalCode.InvalidTarget, "resource", "resource is an absolute URI without fragment");
                targets.Add(value);
            }
            return new Request(subject, kind.Value, actor, scope, targets);
        }

        /// <summary>Prints no token.</summary>
        public override string ToString() => $"exchange of an {Kind} [{Scope}] for [{string.Join(' ', Targets)}]";
    }

    /// <summary>What is to be granted.</summary>
    /// <param name="Scope">The result's scope, and by it the audience.</param>
    /// <param name="Val">What it says of a VAL user or VAL server.</param>
    /// <param name="Actor">Who acts, and has acted.</param>
    public sealed record Decision(ScopeList Scope, ValClaims? Val, ActorChain? Actor);

    /// <summary>Decides. Every narrowing is made here; lifetime and revocation follow from <paramref name="subject"/> when the token is made.</summary>
    /// <param name="asked">The request.</param>
    /// <param name="client">Who asks.</param>
    /// <param name="subject">The checked subject token.</param>
    /// <param name="holder">Its subject as it is today.</param>
    /// <param name="actor">The checked actor token, or null when none was sent.</param>
    /// <param name="catalogue">Scopes and audiences.</param>
    /// <param name="ourIssuer">For <c>may_act</c>.</param>
    /// <param name="now">The time.</param>
    public static Outcome<Decision> Decide(Request asked, AuthenticatedClient client, SubjectToken subject, TokenHolder holder, VerifiedToken? actor,
        ScopeCatalogue catalogue, string ourIssuer, DateTimeOffset now)
    {
        if (!holder.Stands)
            return RefuseSubject($"{subject.Subject} is disabled or removed");
        // The leeway is for resource servers with skewed clocks; here is one clock.
        if (subject.ExpiresAt <= now.ToUnixTimeSeconds())
            return RefuseSubject("it has expired");
        var registered = client.Client;
        if (holder.User is not null && registered.MinimumAcr is { } demanded && !AuthenticationClass.Satisfies(subject.Acr, demanded))
            return new Refusal(RefusalCode.UnmetAuthentication, "the user has not authenticated strongly enough", $"client {registered.ClientId} demands {demanded}, the subject token has {subject.Acr ?? "none"}");
        if (!DecideActor(client, subject, actor, ourIssuer).Succeeded(out var acting, out var refusal)
            || !DecideScope(asked, registered, subject, holder, catalogue).Succeeded(out var scope, out refusal))
            return refusal;
        return new Decision(scope, Narrow(subject.Val, holder, subject.Partner), acting.Chain);
    }

    /// <summary>
    /// Delegation is the rule: the result names who acts. Impersonation leaves that out, and is for clients that were registered for it;
    /// what was said before of earlier actors stays in either case.
    /// </summary>
    [Spec("RFC 8693", "1.1")]
    private static Outcome<Acting> DecideActor(AuthenticatedClient client, SubjectToken subject, VerifiedToken? token, string ourIssuer)
    {
        var clientId = client.Client.ClientId;
        if (token is not null)
        {
            if (!string.Equals(token.ClientId, clientId, StringComparison.Ordinal))
                return RefuseActor($"the actor token was issued to {token.ClientId}, not to {clientId}");
            if (token.Claims.TryGetRaw("act", out _))
                return RefuseActor("somebody acts in the actor token itself");
        }
        var actor = token?.Subject ?? clientId;
        // "may_act ... makes a statement that one party is authorized to become the actor": whoever is named there, nobody else.
        if (subject.MayAct is { } only && !only.Names(actor, ourIssuer))
            return RefuseSubject($"its may_act names {only.Subject}, and {actor} would act");
        // Nobody acts for himself, and who acts already goes on acting.
        if (string.Equals(subject.Subject, actor, StringComparison.Ordinal) || subject.Actor is { } before && before.IsSame(actor))
            return new Acting(subject.Actor);
        if (token is null && client.Client.MayImpersonate)
            return new Acting(subject.Actor);
        var chain = new ActorChain(actor, null, subject.Actor);
        return chain.Depth <= ActorChain.MaxDepth ? new Acting(chain) : RefuseSubject($"{ActorChain.MaxDepth} have acted already");
    }

    private static Outcome<ScopeList> DecideScope(Request asked, Client client, SubjectToken subject, TokenHolder holder, ScopeCatalogue catalogue)
    {
        // Never wider than the subject token, and never more than the client was registered for; by that its audiences too.
        var most = subject.Scope.Where(s => client.Scopes.Contains(s) && catalogue.Find(s) is { Kind: not ScopeKind.Operator } && s != "offline_access");
        if (!asked.Scope.IsWithin(most))
            return new Refusal(RefusalCode.ScopeNotAllowed, "the scope is wider than the subject token or the registration of the client",
                $"[{asked.Scope}] is not within [{most}], which [{subject.Scope}] of the subject token and the registration of client {client.ClientId} have in common")
            { Param = "scope" };
        var scope = asked.Scope.Count == 0 ? most : asked.Scope;
        if (asked.Targets.FirstOrDefault(t => !scope.Any(s => catalogue.Find(s)!.Audience == t)) is { } beyond)
            return new Refusal(RefusalCode.InvalidTarget, "an audience or resource is not allowed", $"no scope of [{scope}] opens {Short(beyond)} to client {client.ClientId}") { Param = "audience" };
        if (asked.Targets.Count > 0)
            scope = scope.Where(s => asked.Targets.Contains(catalogue.Find(s)!.Audience, StringComparer.Ordinal));
        // What the holder could have granted a while ago may be gone.
        scope = holder switch
        {
            { User: { } user } => catalogue.GrantableTo(user, scope),
            { Issuer: { } issuer } => scope.Where(issuer.Scopes.Contains),
            _ => scope.Where(s => catalogue.Find(s) is { Kind: ScopeKind.ValService or ScopeKind.Seal }),
        };
        // A partner's login counts as what the operator says, and VAL services may demand more.
        if (subject.Partner is not null)
            scope = scope.Where(s => catalogue.Find(s)!.AcrValues.Any(demanded => AuthenticationClass.Satisfies(subject.Acr, demanded)));
        return scope.Count > 0
            ? scope
            : new Refusal(RefusalCode.ScopeNotAllowed, "none of the scopes is available", $"nothing is left of [{most}] for {subject.Subject} and client {client.ClientId}") { Param = "scope" };
    }

    /// <summary>No VAL service that the token did not name, and none that its user has lost.</summary>
    private static ValClaims? Narrow(ValClaims? val, TokenHolder holder, TrustedIssuer? partner)
    {
        if (val is null)
            return null;
        return holder switch
        {
            // The device is not the partner's to speak of.
            { User: { } user } => new ValClaims
            {
                ValUserId = partner is null && val.ValUserId is null ? null : user.ValUserId,
                ValServiceIds = [.. val.ValServiceIds.Where(s => user.AllServiceIds.Contains(s, StringComparer.Ordinal))],
                ValUeId = partner is null && val.ValUeId is not null ? user.ValUeId : null,
            },
            { Issuer: { } issuer } => new ValClaims { ValServiceIds = [.. val.ValServiceIds.Where(s => issuer.ValServiceIds.Contains(s, StringComparer.Ordinal))] },
            { Client: { } client } => new ValClaims { ValServiceIds = [.. val.ValServiceIds.Where(s => client.OwnedServices.Contains(s, StringComparer.Ordinal))] },
            _ => null,
        };
    }

    private static string Short(string text) => new([.. text.Take(200).Select(c => c is >= ' ' and <= '~' ? c : '?')]);

    private static Refusal RefuseSubject(string why) => new(RefusalCode.SubjectTokenNotAccepted, "the subject token is not accepted", "the subject token was refused: " + why) { Param = "subject_token" };

    private static Refusal RefuseActor(string why) => new(RefusalCode.ActorTokenNotAccepted, "the actor token is not accepted", why) { Param = "actor_token" };

    /// <summary>A decision that may be "nobody".</summary>
    private sealed record Acting(ActorChain? Chain);
}
