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
/// <param name="own">The authority among them that is this server: it knows that it has revoked nothing, and has no list.</param>
public sealed class ClientTrust(X509Certificate2Collection anchors, IReadOnlyList<RevokedSerials> lists, bool refusesUnknown, X509Certificate2? own = null)
{
    /// <summary>The authorities.</summary>
    public X509Certificate2Collection Anchors { get; } = anchors;

    /// <summary>The lists.</summary>
    public IReadOnlyList<RevokedSerials> Lists { get; } = lists;

    /// <summary>The same authorities with newer lists.</summary>
    public ClientTrust With(IReadOnlyList<RevokedSerials> newer) => new(Anchors, newer, refusesUnknown, own);

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
                if (Lists.Any(l => l.IsOfIssuerOf(certificate) && l.Names(certificate)))
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
        Lists.Any(l => l.IsOfIssuerOf(certificate) && now < l.NextUpdate) || own is not null && certificate.IssuerName.RawData.AsSpan().SequenceEqual(own.SubjectName.RawData);
}
