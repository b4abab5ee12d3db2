using Keyreeve.Core.Identity;
using Keyreeve.Core.Policy;
using Keyreeve.Core.Refusals;
using Keyreeve.Core.Tokens;
using Keyreeve.Wire.OAuth;

namespace Keyreeve.Core.Grants;

/// <summary>
/// A client refreshes its access token (TS 33.434 A.5). Every refresh rotates the refresh token; the replaced one is still
/// answered for a short grace with the <em>same</em> successor, so that a lost response or eight tabs at once do not log the
/// user out; later or more often it is theft, and the family ends.
/// </summary>
[Spec("TS 33.434", "A.5")]
[Spec("RFC 9700", "4.14.2")]
public static class RefreshGrant
{
    /// <summary>What is to be done.</summary>
    /// <param name="Token">The refresh token for the answer.</param>
    /// <param name="Scope">The scope of this refresh.</param>
    /// <param name="TokenScope">What of it the access token carries: that of the resource servers it is for.</param>
    /// <param name="Family">The family as it stands after it.</param>
    /// <param name="Rotated">True when the family is to be written; false when the grace answers, which counts one reuse.</param>
    public sealed record Decision(RefreshToken Token, ScopeList Scope, ScopeList TokenScope, RefreshFamily Family, bool Rotated);

    /// <summary>
    /// Decides by the stored row. <paramref name="fresh"/> becomes the successor if the token is the current one. A refusal
    /// <see cref="RefusalCode.RefreshReplayed"/> asks the caller to end the grant. <paramref name="resources"/> are the resource servers that the access token is for.
    /// </summary>
    public static Outcome<Decision> Decide(RefreshToken presented, ScopeList asked, AuthenticatedClient client, RefreshFamily? family, User? user,
        ScopeCatalogue catalogue, TokenPolicy policy, OpaqueToken fresh, DateTimeOffset now,
        ResourceList? resources = null)
    {
        if (family is null)
            return Refuse(RefusalCode.RefreshUnknown, "there is no such family");
        if (!string.Equals(family.ClientId, client.Client.ClientId, StringComparison.Ordinal))
            return Refuse(RefusalCode.RefreshOfAnotherClient, $"the refresh token was issued to {family.ClientId}");
        var current = presented.Secret.Has(family.CurrentHash);
        var previous = !current && family.PreviousHash is not null && presented.Secret.Has(family.PreviousHash);
        var milliseconds = now.ToUnixTimeMilliseconds();
        if (family.EndedAt != 0)
            return Refuse(RefusalCode.RefreshUnknown, "the family was ended");
        if (milliseconds >= family.IdleExpiresAt || milliseconds >= family.AbsoluteExpiresAt)
            return Refuse(RefusalCode.RefreshExpired, "the refresh token has expired");
        if (!current && !previous)
        {
            // An older token of this family, or a guess: only the former proves theft, but a right family id with a wrong secret is
            // no accident either, and its random bits (96, or 128 in older ones) are known to the client and the thief alone.
            return Refuse(RefusalCode.RefreshReplayed, "a refresh token that was replaced long ago came back: the grant is ended");
        }
        // The distance, to either side: a clock that was set back must not open the grace again.
        if (previous && (Math.Abs(milliseconds - family.RotatedAt) > (long)policy.RefreshGrace.TotalMilliseconds || family.Reuses >= policy.RefreshReuseLimit))
            return Refuse(RefusalCode.RefreshReplayed, "a replaced refresh token came back after the grace or too often: the grant is ended");
        if (!TokenBinding.MayRefresh(family, client))
            return Refuse(RefusalCode.BoundToAnotherKey, $"the grant is bound to another certificate of client {family.ClientId}; a renewed one is registered with the client first");
        if (user is null || user.Disabled)
            return Refuse(RefusalCode.UserUnavailable, $"user {family.Subject} is disabled or removed");

        // "the scopes requested using this grant type shall be of equal to or lesser than scope of the original scopes"
        if (!asked.IsWithin(family.Scope))
            return new Refusal(RefusalCode.ScopeNotAllowed, "the scope is wider than what was granted", $"[{asked}] is not within [{family.Scope}]") { Param = "scope" };
        // The user's VAL services and the client's registration may have changed since: what is gone is not granted again.
        var wanted = asked.Count == 0 ? family.Scope : asked;
        var scope = catalogue.GrantableTo(user, wanted).Where(client.Client.Scopes.Contains);
        if (scope.Count == 0)
            return new Refusal(RefusalCode.ScopeNotAllowed, "none of the scopes is available any more",
                $"user {family.Subject} may grant, or client {client.Client.ClientId} may ask for, none of [{wanted}]")
            { Param = "scope" };
        if (!ResourceList.Narrow(scope, resources ?? ResourceList.None, family.Resources, catalogue).Succeeded(out var tokenScope, out var refusal))
            return refusal;

        if (current)
            return new Decision(presented with { Secret = fresh }, scope, tokenScope, Rotate(family, presented.Secret, fresh, client.Certificate?.Confirmation, policy, now), Rotated: true);
        return RefreshToken.TryOpenSuccessor(presented.Secret, family.SealedSuccessor, out var successor)
            ? new Decision(presented with { Secret = successor }, scope, tokenScope, family, Rotated: false)
            : Refuse(RefusalCode.RefreshUnknown, "the successor does not open: the row was changed by something else than this server");
    }

    private static RefreshFamily Rotate(RefreshFamily family, OpaqueToken presented, OpaqueToken fresh, string? boundTo, TokenPolicy policy, DateTimeOffset now) => family with
    {
        Generation = family.Generation + 1,
        CurrentHash = fresh.Hash,
        PreviousHash = family.CurrentHash,
        SealedSuccessor = RefreshToken.SealSuccessor(presented, fresh),
        RotatedAt = now.ToUnixTimeMilliseconds(),
        Reuses = 0,
        BoundTo = family.BoundTo is null ? null : boundTo,
        IdleExpiresAt = Math.Min((now + policy.RefreshIdle).ToUnixTimeMilliseconds(), family.AbsoluteExpiresAt),
    };

    private static Refusal Refuse(RefusalCode code, string why) => new(code, "the refresh token is not valid", why);
}
