using Keyreeve.Core.Identity;
using Keyreeve.Core.Policy;
using Keyreeve.Core.Refusals;
using Keyreeve.Core.Tokens;
using Keyreeve.Wire.OAuth;

namespace Keyreeve.Core.Grants;

/// <summary>A client exchanges its code for tokens (TS 33.434 A.4.2.4).</summary>
[Spec("TS 33.434", "A.4.2.4")]
public static class RedeemCode
{
    /// <summary>How long a redeemed or expired code stays known, so that a replay is answered by ending the grant.</summary>
    public static readonly TimeSpan RememberAfterExpiry = TimeSpan.FromMinutes(10);

    /// <summary>What the token request said.</summary>
    /// <param name="Code">As presented.</param>
    /// <param name="RedirectUri">Null when not sent.</param>
    /// <param name="Verifier">Null when not sent.</param>
    public sealed record Request(OpaqueToken Code, string? RedirectUri, string? Verifier)
    {
        /// <summary>The resource servers that the access token is for.</summary>
        public ResourceList Resources { get; init; } = ResourceList.None;

        /// <summary>Reads the form; presence is checked, nothing is looked up.</summary>
        public static Outcome<Request> Read(ParameterList form, Client client)
        {
            form.TrySingle("code", out var code);
            form.TrySingle("redirect_uri", out var redirectUri);
            form.TrySingle("code_verifier", out var verifier);
            if (code is null)
                return Refusal.About(RefusalCode.MissingParameter, "code", "code is missing");
            if (client.Profile == ClientProfile.Seal && redirectUri is null)
                return Refusal.About(RefusalCode.MissingParameter, "redirect_uri", "redirect_uri is missing (TS 33.434 table A.4.2.4-1)");
            if (client.Profile == ClientProfile.Seal && verifier is null)
                return Refusal.About(RefusalCode.MissingParameter, "code_verifier", "code_verifier is missing (TS 33.434 table A.4.2.4-1)");
            if (!ResourceList.Read(form).Succeeded(out var resources, out var refusal))
                return refusal;
            return OpaqueToken.TryRead(code, out var token)
                ? new Request(token, redirectUri, verifier) { Resources = resources }
                : Refuse(RefusalCode.CodeUnknown, "the code has not the form of a code");
        }

        /// <summary>Prints neither code nor verifier.</summary>
        public override string ToString() => $"redemption of code {Code}";
    }

    /// <summary>
    /// Decides by the stored row. A refusal <see cref="RefusalCode.CodeReplayed"/> asks the caller to end the grant: the code was
    /// stolen, or the client is broken (RFC 6749 4.1.2). A replay by another client must not do that, else a leaked code would be
    /// a way to log users out; so the client is compared first.
    /// </summary>
    [Spec("RFC 6749", "4.1.2")]
    public static Outcome<AuthorizationCode> Decide(Request asked, AuthenticatedClient client, AuthorizationCode? row, User? user, DateTimeOffset now)
    {
        if (row is null)
            return Refuse(RefusalCode.CodeUnknown, "the code is unknown, or was redeemed long ago");
        if (!string.Equals(row.ClientId, client.Client.ClientId, StringComparison.Ordinal))
            return Refuse(RefusalCode.CodeOfAnotherClient, $"the code was issued to {row.ClientId}");
        // "The value shall be identical to the "redirect_uri" parameter included in the authorization request."
        var redirectMatches = asked.RedirectUri is null
            ? !row.RedirectUriSent || row.Challenge is not null && client.Client.Profile != ClientProfile.Seal
            : string.Equals(asked.RedirectUri, row.RedirectUri, StringComparison.Ordinal);
        if (!redirectMatches)
            return Refuse(RefusalCode.RedirectUriMismatch, "redirect_uri is not the one of the authorization request");
        if (!VerifierHolds(row.Challenge, asked.Verifier))
            return Refuse(RefusalCode.VerifierMismatch, "code_verifier does not fit the challenge");
        // Only who could have redeemed the code ends the grant by doing so again: a code alone, from a log or a history, does not.
        if (row.RedeemedAt != 0)
            return Refuse(RefusalCode.CodeReplayed, "the code was redeemed before: the grant is ended");
        if (now.ToUnixTimeSeconds() >= row.ExpiresAt)
            return Refuse(RefusalCode.CodeExpired, "the code has expired");
        // "Re-check of user account": a user who was switched off a second ago gets nothing.
        if (user is null || user.Disabled)
            return Refuse(RefusalCode.UserUnavailable, $"user {row.Subject} is disabled or removed");
        return row;
    }

    /// <summary>
    /// The access token's scope: what was granted, without what the user or the client lost since. A VAL service that was taken away
    /// while the code was under way is not in the token, and its tokens were ended before this one is issued.
    /// </summary>
    public static Outcome<ScopeList> ScopeNow(ScopeList granted, User user, Client client, ScopeCatalogue catalogue)
    {
        var scope = catalogue.GrantableTo(user, granted).Where(client.Scopes.Contains);
        return scope.Count > 0 ? scope
            : new Refusal(RefusalCode.ScopeNotAllowed, "none of the scopes is available any more", $"user {user.Subject} may grant, or client {client.ClientId} may ask for, none of [{granted}]") { Param = "scope" };
    }

    /// <summary>The family that a redemption starts, or null for a client that may not refresh.</summary>
    public static RefreshFamily? StartFamily(AuthorizationCode code, Client client, OpaqueToken first, TokenPolicy policy, DateTimeOffset now, string? boundTo = null)
    {
        // "Refresh tokens are available only to clients utilizing the authorization code grant type." (A.5)
        if (!client.Grants.Contains(GrantType.RefreshToken))
            return null;
        var absolute = now + policy.RefreshAbsolute;
        return new RefreshFamily
        {
            FamilyId = code.GrantId,
            ClientId = code.ClientId,
            Subject = code.Subject,
            Scope = code.Scope,
            Resources = code.Resources,
            Authentication = code.Authentication,
            SessionId = code.SessionId,
            BoundTo = boundTo,
            Generation = 0,
            CurrentHash = first.Hash,
            StartedAt = now.ToUnixTimeMilliseconds(),
            RotatedAt = now.ToUnixTimeMilliseconds(),
            IdleExpiresAt = Earlier(now + policy.RefreshIdle, absolute),
            AbsoluteExpiresAt = absolute.ToUnixTimeMilliseconds(),
        };
    }

    private static long Earlier(DateTimeOffset a, DateTimeOffset b) => (a < b ? a : b).ToUnixTimeMilliseconds();

    [Spec("RFC 7636", "4.6")]
    [Spec("RFC 9700", "4.8.2")]
    private static bool VerifierHolds(string? challenge, string? verifier)
    {
        // A verifier for a code that was issued without challenge is the downgrade attack of RFC 9700 4.8.2.
        if (challenge is null)
            return verifier is null;
        return verifier is not null && PkceChallenge.TryRead(challenge, out var expected) && expected.IsMetBy(verifier);
    }

    private static Refusal Refuse(RefusalCode code, string why) => new(code, "the authorization code is not valid", why);
}
