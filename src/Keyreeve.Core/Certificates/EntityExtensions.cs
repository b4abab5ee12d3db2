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

    /// <exception cref="ArgumentException">Says which part.</exception>
    public static void ThrowIfOutsideProfile(EntityRequest request, PublicKey publicKey)
    {
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(publicKey);
        Demand(request.CommonName.Length is > 0 and <= MaxCommonName && !request.CommonName.Any(char.IsControl),
            "The common name must have 1 to 64 characters and no control characters.");
        Demand(request.Use is EntityUse.Client or EntityUse.Server or (EntityUse.Client | EntityUse.Server), "The use must be client, server or both.");
        Demand(request.Validity >= TimeSpan.FromSeconds(1) && request.Validity <= CertificateAuthority.MaxEntityValidity,
            "The validity must be between one second and three years.");
        Demand(request.DnsNames.All(CertificateNames.IsDnsName), "A DNS name is not one.");
        Demand(request.Uris.All(static u => u.IsAbsoluteUri && CertificateNames.IsVisibleAscii(u.OriginalString)), "A URI is not absolute or not ASCII.");
        Demand(request.CrlUri is null || request.CrlUri is { IsAbsoluteUri: true, Scheme: "http" }, "The address of the revocation list must be http.");
        Demand(request.DnsNames.Count + request.Uris.Count + request.Addresses.Count <= CertificateNames.MaxNames, "Too many names.");
        Demand(KeyRules.Admits(publicKey), "The key must be RSA of 2048 bits or more, P-256 or P-384.");
    }

    private static void Demand(bool holds, string otherwise)
    {
        if (!holds) throw new ArgumentException(otherwise);
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
