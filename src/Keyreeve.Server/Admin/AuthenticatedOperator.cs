using System.Security.Cryptography.X509Certificates;
using Keyreeve.Core.Certificates;
using Keyreeve.Core.Keys;
using Keyreeve.Core.Refusals;
using Keyreeve.Core.Snapshots;
using Keyreeve.Core.Tokens;
using Keyreeve.Server.Hosting;
using Keyreeve.Web.Http;

namespace Keyreeve.Server.Admin;

/// <summary>
/// An operator: the proof that the peer of this connection holds the key of a registered operator certificate, or an access token for
/// the admin API that is bound to the key it holds. Only the two checks here make one, and every operation of the admin API takes one.
/// </summary>
public sealed class AuthenticatedOperator
{
    private AuthenticatedOperator(string? thumbprint, string actor) => (Thumbprint, Actor) = (thumbprint, actor);

    /// <summary>SHA-256 of the registered certificate's DER form, lower-case hexadecimal; null for who came with a token.</summary>
    public string? Thumbprint { get; }

    /// <summary>The operator in the audit: <c>operator:THUMBPRINT</c> or <c>client:CLIENT_ID</c>.</summary>
    public string Actor { get; }

    /// <summary>
    /// Two independent questions, both answered anew for every request: does the certificate hold (issued by the Operators CA, in time,
    /// for clients), and is it registered? All refusals look alike to the peer; <see cref="Refusal.Operator"/> says which it was.
    /// </summary>
    /// <param name="shown">The certificate of the TLS connection, never of a header: what a peer can write proves nothing.</param>
    /// <param name="operatorsCa">The pinned anchor: a certificate of another role's CA ends here.</param>
    /// <param name="store">Where operators are registered.</param>
    /// <param name="kek">Opens the registrations.</param>
    /// <param name="now">The time of the check.</param>
    /// <param name="cancel">Ends the look-up.</param>
    public static async Task<Outcome<AuthenticatedOperator>> CheckAsync(X509Certificate2? shown, X509Certificate2 operatorsCa, ISealedStore store, Kek kek,
        DateTimeOffset now, CancellationToken cancel)
    {
        if (shown is null)
            return Refused("no client certificate was shown");
        if (!PeerCertificates.Check(shown, [], [operatorsCa], EntityUse.Client, now, revokedSerials: null).TryGetVerified(out var verified, out var why))
            return Refused($"the certificate {OperatorCertificates.ThumbprintOf(shown)} was refused: {why}");
        return await OperatorCertificates.IsRegisteredAsync(store, kek, verified.Sha256Thumbprint, cancel)
            ? new AuthenticatedOperator(verified.Sha256Thumbprint, "operator:" + verified.Sha256Thumbprint)
            : Refused($"the certificate {verified.Sha256Thumbprint} is not registered as an operator's");
    }

    /// <summary>
    /// A token with the scope, bound to the certificate of this connection, whose client may have the scope still: what was taken from a
    /// client is gone with the next request, and not when its token ends.
    /// </summary>
    /// <param name="request">Its Authorization header and its connection.</param>
    /// <param name="verifier">Checks the token.</param>
    /// <param name="state">Scopes and clients.</param>
    /// <param name="auditOnly">True where the scope for reading the audit is enough.</param>
    /// <param name="cancel">Ends the look-up.</param>
    [Spec("RFC 8705", "3")]
    public static async ValueTask<Outcome<AuthenticatedOperator>> CheckTokenAsync(HttpRequest request, TokenVerifier verifier, SnapshotState state, bool auditOnly, CancellationToken cancel)
    {
        var scopes = state.Scopes;
        if (!BearerToken.Check(request, verifier, scopes.AdministrationAudience, null).Succeeded(out var token, out var refusal))
            return refusal;
        if (!token.IsBound)
            return new Refusal(RefusalCode.BoundToAnotherKey, "the access token is not valid", $"token {token.Claims.JwtId} of client {token.ClientId} is bound to nothing: the admin API takes bound tokens alone");
        var scope = auditOnly && token.Scope.Contains(scopes.AuditReading) ? scopes.AuditReading : scopes.Administration;
        if (!token.Scope.Contains(scope))
            return new Refusal(RefusalCode.InsufficientScope, "the access token lacks the scope", $"token {token.Claims.JwtId} of client {token.ClientId} has [{token.Scope}], not {scope}");
        return await state.FindClientAsync(token.ClientId, cancel) is { Disabled: false, BoundTokens: true } client && client.Scopes.Contains(scope)
            ? new AuthenticatedOperator(null, "client:" + client.ClientId)
            : new Refusal(RefusalCode.TokenRevoked, "the access token is not valid", $"client {token.ClientId} may not have scope {scope} any more");
    }

    private static Refusal Refused(string why) =>
        new(RefusalCode.CertificateNotAccepted, "a registered operator certificate is required", why);
}
