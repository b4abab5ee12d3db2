using Keyreeve.Core.Identity;
using Keyreeve.Core.Policy;
using Keyreeve.Core.Refusals;
using Keyreeve.Core.Tokens;
using Keyreeve.Wire.OAuth;

namespace Keyreeve.Core.Grants;

/// <summary>
/// A client presents the assertion of a registered issuer and gets an access token for its user (RFC 7523 2.1; TS 33.434 cites RFC 7521
/// and 7523 where it speaks of OAuth 2.0, docs/spec/choices.md).
/// </summary>
[Spec("RFC 7523", "2.1")]
public static class AssertionGrant
{
    /// <summary>What is to be granted. No refresh token goes with it (TS 33.434 A.5).</summary>
    /// <param name="Scope">The scope.</param>
    /// <param name="Val">VAL claims.</param>
    public sealed record Decision(ScopeList Scope, ValClaims Val);

    /// <summary>Decides by the checked assertion. <paramref name="user"/> is the user it is linked to, or null.</summary>
    public static Outcome<Decision> Decide(ScopeList asked, AuthenticatedClient client, PartnerToken assertion, User? user, ScopeCatalogue catalogue)
    {
        if (assertion.LocalSubject is not null && user is null or { Disabled: true })
            return new Refusal(RefusalCode.UserUnavailable, "the assertion is not accepted", $"user {assertion.LocalSubject} is disabled or removed");
        var (registered, issuer) = (client.Client, assertion.Issuer);
        if (user is not null && registered.MinimumAcr is { } least && !AuthenticationClass.Satisfies(issuer.Acr, least))
            return new Refusal(RefusalCode.UnmetAuthentication, "the user has not authenticated strongly enough", $"client {registered.ClientId} demands {least}, logins of issuer {issuer.Issuer} count as {issuer.Acr}");
        var most = issuer.Scopes.Where(s => registered.Scopes.Contains(s) && catalogue.Find(s) is { Kind: ScopeKind.ValService or ScopeKind.Seal });
        if (!asked.IsWithin(most))
            return Refuse($"[{asked}] is not within [{most}], which issuer {issuer.Issuer} and client {registered.ClientId} have in common");
        var scope = (asked.Count == 0 ? most : asked).Where(s => catalogue.Find(s)!.AcrValues.Any(demanded => AuthenticationClass.Satisfies(issuer.Acr, demanded)));
        if (user is not null)
            scope = catalogue.GrantableTo(user, scope);
        if (scope.Count == 0)
            return Refuse($"nothing is left of [{most}] for {assertion.Subject}");
        var services = issuer.ValServiceIds;
        return new Decision(scope, user is null
            ? new ValClaims { ValServiceIds = services }
            : new ValClaims { ValUserId = user.ValUserId, ValServiceIds = [.. services.Where(s => user.AllServiceIds.Contains(s, StringComparer.Ordinal))] });
    }

    private static Refusal Refuse(string why) => new(RefusalCode.ScopeNotAllowed, "a scope is unknown or not allowed for this client or user", why) { Param = "scope" };
}
