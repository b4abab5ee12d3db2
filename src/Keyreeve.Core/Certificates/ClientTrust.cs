using System.Security.Cryptography.X509Certificates;

namespace Keyreeve.Core.Certificates;

/// <summary>
/// Whom the server believes about its clients' names: the authorities pinned for clients, and their lists of revoked certificates.
/// Immutable; a newer list makes a new one.
/// </summary>
/// <param name="anchors">The authorities. Each may speak for every client.</param>
/// <param name="lists">Verified lists; empty: revocation is not looked at.</param>
/// <param name="refusesUnknown">
/// True: once there are lists, a certificate whose issuer has none that is up to date is refused. False: an old list goes on being
/// used, and an issuer without one is believed.
/// </param>
/// <param name="own">The built-in VAL authority when it is among them: it needs no list, for this server knows what it has revoked.</param>
/// <param name="revokedByUs">What that is; null: nothing.</param>
public sealed class ClientTrust(
    X509Certificate2Collection anchors, IReadOnlyList<RevokedSerials> lists, bool refusesUnknown, X509Certificate2? own = null, RevokedCertificates? revokedByUs = null)
{
    /// <summary>The authorities.</summary>
    public X509Certificate2Collection Anchors { get; } = anchors;

    /// <summary>The lists.</summary>
    public IReadOnlyList<RevokedSerials> Lists { get; } = lists;

    /// <summary>What the built-in authority has revoked, as far as is known here.</summary>
    public RevokedCertificates? RevokedByUs { get; } = revokedByUs;

    /// <summary>The same authorities and lists with what the built-in authority has revoked since.</summary>
    public ClientTrust With(RevokedCertificates newer) => new(Anchors, Lists, refusesUnknown, own, newer);

    /// <summary>Whether a certificate holds: path, time, use, revocation. Whose it is has still to be asked.</summary>
    public PeerCheck Check(ShownCertificate shown, DateTimeOffset now)
    {
        var intermediates = new List<X509Certificate2>();
        try
        {
            foreach (var der in shown.Intermediates)
                intermediates.Add(X509CertificateLoader.LoadCertificate(der));
            // Serial numbers are one issuer's: those that its list names, of what was shown.
            var revoked = new HashSet<string>(StringComparer.Ordinal);
            foreach (var certificate in intermediates.Prepend(shown.Certificate))
                if (Lists.Any(l => l.IsOfIssuerOf(certificate) && l.Names(certificate)) || IsOwn(certificate) && RevokedByUs?.Names(CaRole.ValMc, certificate.SerialNumber) == true)
                    revoked.Add(certificate.SerialNumber);
            var check = PeerCertificates.Check(shown.Certificate, intermediates, Anchors, EntityUse.Client, now, revoked);
            return check.Verified is not null && refusesUnknown && Lists.Count > 0 && !IsKnown(shown.Certificate, now) ? new(PeerCertificateRefusal.RevocationUnknown) : check;
        }
        catch (System.Security.Cryptography.CryptographicException)
        {
            return new(PeerCertificateRefusal.Malformed);
        }
        finally
        {
            foreach (var certificate in intermediates)
                certificate.Dispose();
        }
    }

    private bool IsKnown(X509Certificate2 certificate, DateTimeOffset now) =>
        Lists.Any(l => l.IsOfIssuerOf(certificate) && now < l.NextUpdate) || IsOwn(certificate);

    private bool IsOwn(X509Certificate2 certificate) => own is not null && certificate.IssuerName.RawData.AsSpan().SequenceEqual(own.SubjectName.RawData);
}
