using Keyreeve.Core.Tokens;

namespace Keyreeve.Server.Admin;

/// <summary>
/// Ends the access tokens of a user or client whose rights an operator took away. It runs after the change itself: what is issued from
/// then on was decided by the changed row, and what was issued before is covered by the revocation.
/// </summary>
internal static class EndTokens
{
    /// <summary>Longer than any access token lives (EndGrant of the OpenID slice keeps its revocations as long).</summary>
    private static readonly TimeSpan LongestTokenLife = TimeSpan.FromHours(25);

    /// <summary>A request that read the user just before may mint a second later.</summary>
    private static readonly TimeSpan UnderWay = TimeSpan.FromSeconds(1);

    /// <summary>
    /// Another node learns of a changed client up to a second later and may issue until then; so may a request of this node that looked
    /// the client up just before. Tokens of the next two seconds are dead too, which a client switched on again at once will notice.
    /// </summary>
    private static readonly TimeSpan ClientSnapshotAge = TimeSpan.FromSeconds(2);

    /// <summary>All tokens of a user, and those that requests under way are minting at this moment.</summary>
    public static Task OfSubjectAsync(AdminRequest request, string subject, string because) =>
        RunAsync(request, RevocationKind.Subject, subject, null, subject, (request.Admin.NowOrLatest + UnderWay).ToUnixTimeSeconds(), because);

    /// <summary>All tokens of a user who is removed. Without an end: the subject is never given again, and a request may be minting at this moment.</summary>
    public static Task OfRemovedSubjectAsync(AdminRequest request, string subject, string because) =>
        RunAsync(request, RevocationKind.Subject, subject, null, subject, long.MaxValue, because);

    /// <summary>All tokens of a client: those it got for users, and its own (whose subject is the client_id).</summary>
    public static Task OfClientAsync(AdminRequest request, string clientId, string because) =>
        RunAsync(request, RevocationKind.Client, clientId, clientId, null, (request.Admin.NowOrLatest + ClientSnapshotAge).ToUnixTimeSeconds(), because);

    /// <summary>All tokens that stand on the word of another issuer.</summary>
    public static Task OfIssuerAsync(AdminRequest request, string issuer, string because) =>
        RunAsync(request, Revocation.OfIssuer(issuer, request.Admin.NowOrLatest + ClientSnapshotAge, request.Admin.NowOrLatest), null, issuer, because);

    private static Task RunAsync(AdminRequest request, RevocationKind kind, string value, string? clientId, string? subject, long issuedUntil, string because) =>
        RunAsync(request, new Revocation(kind, value, issuedUntil, (request.Admin.NowOrLatest + LongestTokenLife).ToUnixTimeSeconds()), clientId, subject, because);

    private static async Task RunAsync(AdminRequest request, Revocation revocation, string? clientId, string? subject, string because)
    {
        await request.Admin.Parts.Stores.Revocations.AddAsync(
            [revocation],
            request.Entry("tokens.revoked", clientId, subject, because), CancellationToken.None);
        await request.RefreshAsync();
    }
}
