using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Keyreeve.Core.Certificates;

/// <summary>The extensions of an end-entity certificate, and what a request for one may ask (TS 33.310 clause 6.1.3a).</summary>
internal static class EntityExtensions
{
    public const string ServerAuthentication = "1.3.6.1.5.5.7.3.1";
    public const string ClientAuthentication = "1.3.6.1.5.5.7.3.2";

    private const int MaxCommonName = 64; // RFC 5280 appendix A.1, ub-common-name

    /// <summary>What a request or its key asks beyond the profile, in words for the operator; null when nothing.</summary>
    public static string? BeyondProfile(EntityRequest request, PublicKey publicKey)
    {
        if (request.CommonName.Length is 0 or > MaxCommonName || request.CommonName.Any(char.IsControl))
            return "The common name must have 1 to 64 characters and no control characters.";
        if (request.Use is not (EntityUse.Client or EntityUse.Server or (EntityUse.Client | EntityUse.Server)))
            return "The use must be client, server or both.";
        if (request.Validity < TimeSpan.FromSeconds(1) || request.Validity > CertificateAuthority.MaxEntityValidity)
            return "The validity must be between one second and three years.";
        if (request.DnsNames.Count + request.Uris.Count + request.Addresses.Count > CertificateNames.MaxNames)
            return "There are too many names.";
        if (!request.DnsNames.All(CertificateNames.IsDnsName))
            return "A DNS name is not one.";
        if (!request.Uris.All(static u => u.IsAbsoluteUri && CertificateNames.IsVisibleAscii(u.OriginalString)))
            return "A URI is not absolute or not ASCII.";
        if (request.CrlUri is not (null or { IsAbsoluteUri: true, Scheme: "http" }))
            return "The address of the revocation list must be http.";
        return KeyRules.Admits(publicKey) ? null : "The key must be RSA of 2048 bits or more, P-256 or P-384.";
    }

    /// <summary>Everything but the authority key identifier, which is the issuer's to add.</summary>
    public static void AddTo(CertificateRequest template, EntityRequest request, PublicKey publicKey)
    {
        var uses = new OidCollection();
        foreach (var use in UsesOf(request.Use)) uses.Add(new Oid(use));
        template.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, critical: true));
        template.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, critical: true));
        template.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension(uses, critical: false));
        template.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(publicKey, critical: false));

        if (request.DnsNames.Count + request.Uris.Count + request.Addresses.Count > 0)
            template.CertificateExtensions.Add(new X509Extension(CertificateNames.SubjectAltName, SubjectAltName(request), critical: false));
        if (request.CrlUri is not null)
            template.CertificateExtensions.Add(CertificateRevocationListBuilder.BuildCrlDistributionPointExtension([request.CrlUri.AbsoluteUri]));
    }

    /// <summary>The object identifiers of extendedKeyUsage for a use.</summary>
    public static IReadOnlyList<string> UsesOf(EntityUse use)
    {
        List<string> uses = [];
        if (use.HasFlag(EntityUse.Client)) uses.Add(ClientAuthentication);
        if (use.HasFlag(EntityUse.Server)) uses.Add(ServerAuthentication);
        return uses;
    }

    /// <summary>
    /// GeneralNames ::= SEQUENCE OF: dNSName [2] IA5String, uniformResourceIdentifier [6] IA5String, iPAddress [7] OCTET STRING.
    /// By hand, because the platform's builder writes a URI normalised, and the registry matches it as it was spelled.
    /// </summary>
    private static byte[] SubjectAltName(EntityRequest request)
    {
        var writer = new AsnWriter(AsnEncodingRules.DER);
        using (writer.PushSequence())
        {
            foreach (var name in request.DnsNames) writer.WriteCharacterString(UniversalTagNumber.IA5String, name, Tag(2));
            foreach (var uri in request.Uris) writer.WriteCharacterString(UniversalTagNumber.IA5String, uri.OriginalString, Tag(6));
            foreach (var address in request.Addresses) writer.WriteOctetString(address.GetAddressBytes(), Tag(7));
        }

        return writer.Encode();

        static Asn1Tag Tag(int number) => new(TagClass.ContextSpecific, number);
    }
}
