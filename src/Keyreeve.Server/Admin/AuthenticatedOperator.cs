using System.Security.Cryptography.X509Certificates;
using Keyreeve.Core.Certificates;
using Keyreeve.Core.Keys;
using Keyreeve.Core.Refusals;
using Keyreeve.Server.Hosting;

namespace Keyreeve.Server.Admin;

/// <summary>
/// An operator: the proof that the peer of this connection holds the key of a registered operator certificate. Only
/// <see cref="CheckAsync"/> makes one, and every operation of the admin API takes one.
/// </summary>
public sealed class AuthenticatedOperator
{
    private AuthenticatedOperator(string thumbprint) => Thumbprint = thumbprint;

    /// <summary>SHA-256 of the certificate's DER form, lower-case hexadecimal.</summary>
    public string Thumbprint { get; }

    /// <summary>The operator in the audit.</summary>
    public string Actor => "operator:" + Thumbprint;

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
            ? new AuthenticatedOperator(verified.Sha256Thumbprint)
            : Refused($"the certificate {verified.Sha256Thumbprint} is not registered as an operator's");
    }

    private static Refusal Refused(string why) =>
        new(RefusalCode.CertificateNotAccepted, "a registered operator certificate is required", why);
}
