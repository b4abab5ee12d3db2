using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Keyreeve.Core.Certificates;

/// <summary>Checks the certificate a peer has shown: does it chain to an authority pinned for the role the peer wants to act in?</summary>
public static class PeerCertificates
{
    /// <summary>Our choice: more intermediates than this are refused as malformed.</summary>
    public const int MaxIntermediates = 8;

    /// <summary>Our choice, octets of one DER certificate; an entity certificate has one or two thousand.</summary>
    public const int MaxCertificateLength = 16 * 1024;

    private const X509ChainStatusFlags NotUnderstood =
        X509ChainStatusFlags.HasNotSupportedCriticalExtension | X509ChainStatusFlags.InvalidExtension;

    /// <summary>
    /// RFC 5280 path validation without network and without the machine's store. Refusals are found in this order: malformed, weak key,
    /// untrusted issuer, revoked, time, usage; so what is said about time and usage is said about a certificate of an authority we know.
    /// </summary>
    /// <param name="leaf">The peer's certificate; TLS has proved that the peer holds its key.</param>
    /// <param name="presentedIntermediates">What the peer sent with it; not trusted, only helpful.</param>
    /// <param name="anchorsForRole">
    /// The authorities pinned for the role. An anchor may be an issuing authority: the path then ends there, and its own name constraints,
    /// path length and time count as any other's. Empty trusts nobody.
    /// </param>
    /// <param name="use">For what the certificate was shown; each flag must stand in its extendedKeyUsage.</param>
    /// <param name="now">The time of the check.</param>
    /// <param name="revokedSerials">Serial numbers in hexadecimal, all upper or all lower case as they are; null: revocation is checked elsewhere.</param>
    [Spec("RFC 5280", "6.1")]
    public static PeerCheck Check(
        X509Certificate2 leaf,
        IEnumerable<X509Certificate2> presentedIntermediates,
        X509Certificate2Collection anchorsForRole,
        EntityUse use,
        DateTimeOffset now,
        IReadOnlySet<string>? revokedSerials)
    {
        ArgumentNullException.ThrowIfNull(leaf);
        ArgumentNullException.ThrowIfNull(presentedIntermediates);
        ArgumentNullException.ThrowIfNull(anchorsForRole);
        if (use is not (EntityUse.Client or EntityUse.Server or (EntityUse.Client | EntityUse.Server)))
            throw new ArgumentOutOfRangeException(nameof(use));
        try
        {
            // One more than allowed is enough to know.
            List<X509Certificate2> intermediates = [.. presentedIntermediates.Take(MaxIntermediates + 1)];
            if (intermediates.Count > MaxIntermediates || intermediates.Append(leaf).Any(static c => c.RawDataMemory.Length > MaxCertificateLength))
                return new(PeerCertificateRefusal.Malformed);
            var names = CertificateNames.Read(leaf);
            if (!KeyRules.Admits(leaf.PublicKey) || !KeyRules.AdmitsSignatureOf(leaf))
                return new(PeerCertificateRefusal.WeakKey);
            var refusal = Walk(leaf, intermediates, anchorsForRole, use, now, revokedSerials) ?? WrongUsage(leaf, use);
            return refusal is { } reason ? new(reason) : new(VerifiedPeerCertificate.AfterCheck(leaf, names));
        }
        catch (CryptographicException)
        {
            // Properties of a certificate parse when they are read; what does not parse is refused, whatever it was.
            return new(PeerCertificateRefusal.Malformed);
        }
    }

    private static PeerCertificateRefusal? Walk(
        X509Certificate2 leaf,
        List<X509Certificate2> intermediates,
        X509Certificate2Collection anchors,
        EntityUse use,
        DateTimeOffset now,
        IReadOnlySet<string>? revokedSerials)
    {
        using var chain = new X509Chain();
        var policy = chain.ChainPolicy;
        policy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        policy.RevocationMode = X509RevocationMode.NoCheck;
        policy.DisableCertificateDownloads = true;
        policy.VerificationTime = now.UtcDateTime;
        foreach (var oid in EntityExtensions.UsesOf(use)) policy.ApplicationPolicy.Add(new Oid(oid));
        foreach (var anchor in anchors)
        {
            if (IsSelfIssued(anchor)) policy.CustomTrustStore.Add(anchor);
            else policy.ExtraStore.Add(anchor);
        }

        // A self-issued certificate from the peer can only lead past a pinned issuing authority, to a root nobody pinned.
        foreach (var intermediate in intermediates)
        {
            if (!IsSelfIssued(intermediate)) policy.ExtraStore.Add(intermediate);
        }

        chain.Build(leaf); // its yes or no is for roots only; the elements say everything
        try
        {
            return Judge(leaf, chain.ChainElements, intermediates, anchors, now, revokedSerials);
        }
        finally
        {
            foreach (var element in chain.ChainElements) element.Certificate.Dispose();
        }
    }

    private static PeerCertificateRefusal? Judge(
        X509Certificate2 leaf,
        X509ChainElementCollection path,
        List<X509Certificate2> intermediates,
        X509Certificate2Collection anchors,
        DateTimeOffset now,
        IReadOnlySet<string>? revokedSerials)
    {
        // At least one step: a certificate is not its own authority, even if it was pinned by mistake.
        if (path.Count < 2 || !Holds(anchors, path[^1].Certificate)) return PeerCertificateRefusal.UntrustedIssuer;

        var found = X509ChainStatusFlags.NoError;
        for (var i = 0; i < path.Count; i++)
        {
            var certificate = path[i].Certificate;
            // The platform may know certificates of its own; only what was shown or pinned may stand on the path.
            if (i > 0 && !Holds(anchors, certificate) && !Holds(intermediates, certificate)) return PeerCertificateRefusal.UntrustedIssuer;
            if (!KeyRules.Admits(certificate.PublicKey)) return PeerCertificateRefusal.WeakKey;
            // An anchor is trusted because it was pinned, not for the signature upon it.
            if (i < path.Count - 1 && !KeyRules.AdmitsSignatureOf(certificate)) return PeerCertificateRefusal.WeakKey;
            foreach (var status in path[i].ChainElementStatus) found |= status.Status;
        }

        // A path that ends at a pinned issuing authority is "partial" for the platform. Everything else it found still counts,
        // and the last element has just been compared with the anchors, octet by octet.
        found &= ~X509ChainStatusFlags.PartialChain;
        const X509ChainStatusFlags judgedHere = X509ChainStatusFlags.NotTimeValid | X509ChainStatusFlags.NotValidForUsage;
        if ((found & NotUnderstood) != X509ChainStatusFlags.NoError) return PeerCertificateRefusal.Malformed;
        if ((found & ~judgedHere) != X509ChainStatusFlags.NoError) return PeerCertificateRefusal.UntrustedIssuer;
        if (revokedSerials is not null && path.SkipLast(1).Any(e => IsRevoked(e.Certificate, revokedSerials))) return PeerCertificateRefusal.Revoked;
        foreach (var element in path)
        {
            if (now.UtcDateTime > element.Certificate.NotAfter.ToUniversalTime()) return PeerCertificateRefusal.Expired;
            if (now.UtcDateTime < element.Certificate.NotBefore.ToUniversalTime()) return PeerCertificateRefusal.NotYetValid;
        }

        if (found.HasFlag(X509ChainStatusFlags.NotTimeValid)) return PeerCertificateRefusal.Expired;
        return found == X509ChainStatusFlags.NoError ? null : PeerCertificateRefusal.WrongUsage;
    }

    /// <summary>The profile demands keyUsage and extendedKeyUsage; a certificate that leaves them out is good for everything and so for nothing.</summary>
    private static PeerCertificateRefusal? WrongUsage(X509Certificate2 leaf, EntityUse use)
    {
        var keyUsage = X509KeyUsageFlags.None;
        List<string> extended = [];
        foreach (var extension in leaf.Extensions)
        {
            if (extension is X509BasicConstraintsExtension { CertificateAuthority: true }) return PeerCertificateRefusal.WrongUsage;
            if (extension is X509KeyUsageExtension usage) keyUsage |= usage.KeyUsages;
            if (extension is not X509EnhancedKeyUsageExtension uses) continue;
            foreach (var oid in uses.EnhancedKeyUsages) extended.Add(oid.Value ?? "");
        }

        var allowed = keyUsage.HasFlag(X509KeyUsageFlags.DigitalSignature) && EntityExtensions.UsesOf(use).All(extended.Contains);
        return allowed ? null : PeerCertificateRefusal.WrongUsage;
    }

    // Either case: a list kept in the other one must not mean "nothing is revoked".
    private static bool IsRevoked(X509Certificate2 certificate, IReadOnlySet<string> revokedSerials) =>
        revokedSerials.Contains(certificate.SerialNumber) || revokedSerials.Contains(certificate.SerialNumber.ToLowerInvariant());

    private static bool IsSelfIssued(X509Certificate2 certificate) =>
        certificate.SubjectName.RawData.AsSpan().SequenceEqual(certificate.IssuerName.RawData);

    private static bool Holds(IEnumerable<X509Certificate2> certificates, X509Certificate2 one) =>
        certificates.Any(c => c.RawDataMemory.Span.SequenceEqual(one.RawDataMemory.Span));
}
