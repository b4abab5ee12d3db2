using Keyreeve.Core.Audit;
using Keyreeve.Core.Tokens;
using Keyreeve.Wire.OAuth;

namespace Keyreeve.Core.Grants;

/// <summary>An authorization code as stored, with everything it is bound to. Times Unix seconds.</summary>
public sealed record AuthorizationCode
{
    /// <summary><see cref="OpaqueToken.Key"/> of the code; of one that a release before issued, its SHA-256 alone.</summary>
    public required byte[] Hash { get; init; }

    /// <summary>Bound to this client.</summary>
    public required string ClientId { get; init; }

    /// <summary>The user who granted.</summary>
    public required string Subject { get; init; }

    /// <summary>The redirect URI of the request.</summary>
    public required string RedirectUri { get; init; }

    /// <summary>True when it was in the request and must therefore be repeated.</summary>
    public required bool RedirectUriSent { get; init; }

    /// <summary>PKCE challenge, or null.</summary>
    public string? Challenge { get; init; }

    /// <summary>For the ID token.</summary>
    public string? Nonce { get; init; }

    /// <summary>What was granted.</summary>
    public required ScopeList Scope { get; init; }

    /// <summary>The resource servers of the grant; none: all that the scope opens.</summary>
    public ResourceList Resources { get; init; } = ResourceList.None;

    /// <summary>How and when the user authenticated.</summary>
    public required Authentication Authentication { get; init; }

    /// <summary>Identifies the authorization; becomes the refresh family's identifier. Secret: others see <see cref="RefreshToken.GrantNameOf"/>.</summary>
    public required string GrantId { get; init; }

    /// <summary>The login session.</summary>
    public string? SessionId { get; init; }

    /// <summary>
    /// The security stamp of the login, compared when the code is added and not stored; null compares nothing. A login that ended
    /// between the look at the session and the code's insertion then issues nothing, and neither does one whose session was logged out.
    /// </summary>
    public string? SecurityStamp { get; init; }

    /// <summary>End of the code's life.</summary>
    public required long ExpiresAt { get; init; }

    /// <summary>When it was redeemed, 0 while it was not. The row stays a while, so that a replay is known as one.</summary>
    public long RedeemedAt { get; init; }

    /// <summary>Prints the grant's name for others.</summary>
    public override string ToString() => $"authorization code of grant {RefreshToken.GrantNameOf(GrantId)}";
}

/// <summary>
/// A refresh family: one bounded row per grant, never one per token. The current token is known by its hash, the one before by
/// its hash and the sealed successor that it is still answered with. Times Unix milliseconds.
/// </summary>
public sealed record RefreshFamily
{
    /// <summary>22 characters of base64url. Secret: its access tokens carry <see cref="RefreshToken.GrantNameOf"/>.</summary>
    public required string FamilyId { get; init; }

    /// <summary>Bound to this client.</summary>
    public required string ClientId { get; init; }

    /// <summary>The user who granted.</summary>
    public required string Subject { get; init; }

    /// <summary>What was granted; a refresh may narrow its access token, never the family.</summary>
    public required ScopeList Scope { get; init; }

    /// <summary>The resource servers of the grant; none: all that the scope opens.</summary>
    public ResourceList Resources { get; init; } = ResourceList.None;

    /// <summary>How and when the user authenticated.</summary>
    public required Authentication Authentication { get; init; }

    /// <summary>The login session.</summary>
    public string? SessionId { get; init; }

    /// <summary>Counts rotations; the compare-and-set of a rotation is on it.</summary>
    public required long Generation { get; init; }

    /// <summary>SHA-256 of the current token's secret.</summary>
    public required byte[] CurrentHash { get; init; }

    /// <summary>SHA-256 of the secret before it, or null before the first rotation.</summary>
    public byte[]? PreviousHash { get; init; }

    /// <summary>The current secret, sealed for the holder of the previous one.</summary>
    public byte[]? SealedSuccessor { get; init; }

    /// <summary>The certificate (SHA-256, base64url) that its client showed last, when its tokens are bound; else null.</summary>
    public string? BoundTo { get; init; }

    /// <summary>When the family began.</summary>
    public long StartedAt { get; init; }

    /// <summary>When the current token was made.</summary>
    public required long RotatedAt { get; init; }

    /// <summary>How often the previous token came back since.</summary>
    public int Reuses { get; init; }

    /// <summary>Dead if not used until then.</summary>
    public required long IdleExpiresAt { get; init; }

    /// <summary>Dead then, however busy.</summary>
    public required long AbsoluteExpiresAt { get; init; }

    /// <summary>When it was ended by reuse, revocation or logout; 0 while alive.</summary>
    public long EndedAt { get; init; }

    /// <summary>Prints the grant's name for others.</summary>
    public override string ToString() => $"refresh family of grant {RefreshToken.GrantNameOf(FamilyId)}, generation {Generation}";
}

/// <summary>Codes, refresh families and consents as the store keeps them. Each method is one transaction.</summary>
public interface IGrantStore
{
    /// <summary>Adds a code with its audit entry. False, and nothing is written, when the user's security stamp is no longer the code's, the user is disabled, or the session is gone.</summary>
    Task<bool> AddCodeAsync(AuthorizationCode code, AuditEntry entry, CancellationToken cancel);

    /// <summary>The code of a hash, redeemed or not, or null.</summary>
    Task<AuthorizationCode?> FindCodeAsync(byte[] hash, CancellationToken cancel);

    /// <summary>
    /// Marks the code redeemed if nobody was faster, and adds the family with it. False when somebody was: nothing is written then.
    /// </summary>
    Task<bool> RedeemCodeAsync(byte[] hash, long now, RefreshFamily? family, AuditEntry entry, CancellationToken cancel);

    /// <summary>The family of an identifier, or null.</summary>
    Task<RefreshFamily?> FindFamilyAsync(string familyId, CancellationToken cancel);

    /// <summary>Writes the rotated family if the stored generation is the one before it. False when it is not.</summary>
    Task<bool> RotateAsync(RefreshFamily next, AuditEntry entry, CancellationToken cancel);

    /// <summary>Counts one reuse within the grace if fewer than the limit were counted in this generation. False otherwise.</summary>
    Task<bool> CountReuseAsync(string familyId, long generation, int limit, AuditEntry entry, CancellationToken cancel);

    /// <summary>Ends a grant: its family, if there is one, and by the revocation its access tokens. One transaction.</summary>
    Task EndGrantAsync(string grantId, long now, Revocation revocation, AuditEntry entry, CancellationToken cancel);

    /// <summary>The consent of a user to a client, or null.</summary>
    Task<Consent?> FindConsentAsync(string subject, string clientId, CancellationToken cancel);

    /// <summary>Adds or replaces a consent.</summary>
    Task SaveConsentAsync(Consent consent, AuditEntry entry, CancellationToken cancel);

    /// <summary>The families of a user that live at a time (Unix milliseconds).</summary>
    Task<IReadOnlyList<RefreshFamily>> ListFamiliesAsync(string subject, long now, CancellationToken cancel);

    /// <summary>The consents of a user, in no order.</summary>
    Task<IReadOnlyList<Consent>> ListConsentsAsync(string subject, CancellationToken cancel);

    /// <summary>
    /// Ends all that a client has from a user: consent, codes that were not redeemed, families, and by the revocations what stands on
    /// them. Returns how many families were alive. One transaction.
    /// </summary>
    /// <param name="subject">The user.</param>
    /// <param name="clientId">The client.</param>
    /// <param name="now">Unix milliseconds.</param>
    /// <param name="ofFamily">The revocation that ends the access tokens of a family.</param>
    /// <param name="otherwise">The revocation when no family was alive: access tokens of a client that does not refresh.</param>
    /// <param name="entry">The audit line.</param>
    /// <param name="cancel">Ends the waiting.</param>
    Task<int> EndAccessAsync(string subject, string clientId, long now, Func<string, Revocation> ofFamily, Revocation otherwise, AuditEntry entry, CancellationToken cancel);

    /// <summary>
    /// Ends a login session and what stands on it: codes that were not redeemed, families, and by the revocations the access tokens of
    /// them and of redeemed codes that are still known. False, and nothing is written, when there is no such session. One transaction.
    /// </summary>
    /// <param name="subject">The user.</param>
    /// <param name="sessionId"><c>sid</c></param>
    /// <param name="now">Unix milliseconds.</param>
    /// <param name="ofGrant">The revocation that ends the access tokens of a grant.</param>
    /// <param name="entry">The audit line, given the number of grants.</param>
    /// <param name="cancel">Ends the waiting.</param>
    Task<bool> EndSessionAsync(string subject, string sessionId, long now, Func<string, Revocation> ofGrant, Func<int, AuditEntry> entry, CancellationToken cancel);

    /// <summary>Deletes codes and families whose time is over (Unix seconds), oldest first; returns how many.</summary>
    Task<int> DeleteExpiredAsync(long now, int limit, CancellationToken cancel);
}
