using System.Security.Cryptography;
using Keyreeve.Core.Certificates;

namespace Keyreeve.Core.Identity;

/// <summary>Whether the certificate of the connection proves that the peer is a client (RFC 8705 section 2). Null is yes, a text the operator's reason.</summary>
internal static class CertificateProof
{
    private const string NotShown = "no certificate was shown (is it a connection to listener mtls?)";

    /// <summary>"the certificate chain is validated" and "the subject information in the certificate" is the client's.</summary>
    [Spec("RFC 8705", "2.1")]
    public static string? WhyNotTrusted(PresentedCredential presented, Client client)
    {
        if (presented.CertificateCheck is not { } check)
            return NotShown;
        if (!check.TryGetVerified(out var verified, out var refusal))
            return $"its certificate was refused: {refusal}";
        if (client.TlsName is not { } name)
            return "no name is registered for its certificate";
        try
        {
            return name.IsIn(verified) ? null : $"its certificate does not hold the registered {RegisteredName.NameOf(name.Kind)}";
        }
        catch (CryptographicException)
        {
            return $"its certificate was refused: {PeerCertificateRefusal.Malformed}";
        }
    }

    /// <summary>
    /// "the certificate presented during the handshake matches one of the certificates registered": octet by octet, so that neither chain
    /// nor expiry matters; whoever withdraws a certificate takes it out of the registration.
    /// </summary>
    [Spec("RFC 8705", "2.2")]
    public static string? WhyNotRegistered(PresentedCredential presented, Client client)
    {
        if (presented.Certificate is not { } shown)
            return NotShown;
        if (!KeyRules.Admits(shown.Certificate.PublicKey))
            return $"its certificate was refused: {PeerCertificateRefusal.WeakKey}";
        return client.CertificateThumbprints.Contains(shown.Thumbprint, StringComparer.Ordinal) || client.Keys is { } keys && shown.IsIn(keys)
            ? null
            : "its certificate is not registered";
    }
}
