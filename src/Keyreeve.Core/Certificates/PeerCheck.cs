using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Keyreeve.Core.Certificates;

/// <summary>Why a peer's certificate was refused; where several apply, the first in the order of <see cref="PeerCertificates.Check"/>.</summary>
public enum PeerCertificateRefusal
{
    /// <summary>It, or an authority on its path, has expired.</summary>
    Expired,

    /// <summary>It, or an authority on its path, is not valid yet.</summary>
    NotYetValid,

    /// <summary>It is an authority's certificate, or its keyUsage or extendedKeyUsage does not allow what it was shown for.</summary>
    WrongUsage,

    /// <summary>No path ends at an anchor of the expected role: another authority, self-signed, a bad signature, or a name outside the constraints.</summary>
    UntrustedIssuer,

    /// <summary>It, or an authority on its path, is on the list of revoked certificates.</summary>
    Revoked,

    /// <summary>Nobody knows whether it is revoked: its issuer's list is missing or out of date, and the policy is to refuse then.</summary>
    RevocationUnknown,

    /// <summary>A key or a signature algorithm outside the profile: short RSA, an unknown curve, SHA-1.</summary>
    WeakKey,

    /// <summary>It does not parse, is too big, or holds a critical extension that nobody here understands.</summary>
    Malformed,
}

/// <summary>
/// The proof that a certificate was checked for a role; only <see cref="PeerCertificates.Check"/> makes one. It does not say <em>who</em> the
/// peer is: that is the registry's word, found by an exact match of a URI, else a DNS name, else the thumbprint.
/// </summary>
public sealed class VerifiedPeerCertificate
{
    private VerifiedPeerCertificate(X509Certificate2 certificate, CertificateNames names)
    {
        Certificate = certificate;
        Sha256Thumbprint = Convert.ToHexStringLower(SHA256.HashData(certificate.RawDataMemory.Span));
        SerialNumber = certificate.SerialNumber.ToLowerInvariant();
        SubjectAltUris = names.Uris;
        SubjectAltDnsNames = names.DnsNames;
        SubjectAltEmails = names.Emails;
        SubjectAltAddresses = names.Addresses;
    }

    /// <summary>The certificate; it stays the property of the caller of the check.</summary>
    public X509Certificate2 Certificate { get; }

    /// <summary>SHA-256 over the DER certificate, 64 lower-case hexadecimal characters.</summary>
    public string Sha256Thumbprint { get; }

    /// <summary>Lower-case hexadecimal.</summary>
    public string SerialNumber { get; }

    /// <summary>uniformResourceIdentifier entries, exactly as written in the certificate.</summary>
    public IReadOnlyList<string> SubjectAltUris { get; }

    /// <summary>dNSName entries, exactly as written in the certificate.</summary>
    public IReadOnlyList<string> SubjectAltDnsNames { get; }

    /// <summary>rfc822Name entries, exactly as written in the certificate.</summary>
    public IReadOnlyList<string> SubjectAltEmails { get; }

    /// <summary>iPAddress entries.</summary>
    public IReadOnlyList<IPAddress> SubjectAltAddresses { get; }

    // Called by the check alone, after it has passed.
    internal static VerifiedPeerCertificate AfterCheck(X509Certificate2 certificate, CertificateNames names) => new(certificate, names);
}

/// <summary>The result of a check: exactly one of <see cref="Verified"/> and <see cref="Refusal"/> is there.</summary>
public sealed class PeerCheck
{
    internal PeerCheck(VerifiedPeerCertificate verified) => Verified = verified;

    internal PeerCheck(PeerCertificateRefusal refusal) => Refusal = refusal;

    /// <summary>The proof, or null when refused.</summary>
    public VerifiedPeerCertificate? Verified { get; }

    /// <summary>The reason, or null when verified.</summary>
    public PeerCertificateRefusal? Refusal { get; }

    /// <summary>Either the proof or the reason, for an <c>if</c>.</summary>
    public bool TryGetVerified([NotNullWhen(true)] out VerifiedPeerCertificate? verified, [NotNullWhen(false)] out PeerCertificateRefusal? refusal)
    {
        (verified, refusal) = (Verified, Refusal);
        return verified is not null;
    }
}
