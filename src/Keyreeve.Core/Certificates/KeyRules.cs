using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Keyreeve.Core.Certificates;

/// <summary>Which keys and signature algorithms the certificate profile admits: RSA of 2048 bits or more, P-256, P-384; SHA-256 or better.</summary>
public static class KeyRules
{
    /// <summary>RSA moduli below this are refused.</summary>
    public const int MinRsaBits = 2048;

    /// <summary>Our choice: a peer does not choose how much a verification costs.</summary>
    public const int MaxRsaBits = 8192;

    // AlgorithmIdentifier parameters of the two curves as DER. Compared as bytes, so explicitly written curve parameters,
    // which can hide a chosen generator, are never even parsed.
    private static readonly byte[] Secp256r1 = [0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07];
    private static readonly byte[] Secp384r1 = [0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x22];

    /// <summary>True when a certificate may carry this key. Never throws: a key that does not parse is not admitted.</summary>
    public static bool Admits(PublicKey key)
    {
        ArgumentNullException.ThrowIfNull(key);
        try
        {
            switch (key.Oid.Value)
            {
                case "1.2.840.10045.2.1": // id-ecPublicKey
                    var curve = key.EncodedParameters?.RawData;
                    if (curve is null || !(curve.AsSpan().SequenceEqual(Secp256r1) || curve.AsSpan().SequenceEqual(Secp384r1)))
                        return false;
                    using (var ec = key.GetECDsaPublicKey())
                        return ec is not null; // the import checks that the point lies on the curve
                case "1.2.840.113549.1.1.1": // rsaEncryption
                    using (var rsa = key.GetRSAPublicKey())
                        return rsa is { KeySize: >= MinRsaBits and <= MaxRsaBits };
                default:
                    return false;
            }
        }
        catch (CryptographicException)
        {
            return false;
        }
    }

    /// <summary>True when the certificate was signed with ECDSA, RSA PKCS #1 or RSA-PSS over SHA-256, SHA-384 or SHA-512.</summary>
    /// <exception cref="CryptographicException">The certificate's outermost structure is not what RFC 5280 draws.</exception>
    public static bool AdmitsSignatureOf(X509Certificate2 certificate)
    {
        ArgumentNullException.ThrowIfNull(certificate);
        try
        {
            // Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm SEQUENCE { OID, parameters }, signatureValue }
            var sequence = new AsnReader(certificate.RawDataMemory, AsnEncodingRules.DER).ReadSequence();
            sequence.ReadEncodedValue();
            var algorithm = sequence.ReadSequence();
            return algorithm.ReadObjectIdentifier() switch
            {
                "1.2.840.10045.4.3.2" or "1.2.840.10045.4.3.3" or "1.2.840.10045.4.3.4" => true,
                "1.2.840.113549.1.1.11" or "1.2.840.113549.1.1.12" or "1.2.840.113549.1.1.13" => true,
                "1.2.840.113549.1.1.10" => algorithm.HasData && IsSha2(PssHash(algorithm.ReadSequence())),
                _ => false,
            };
        }
        catch (AsnContentException e)
        {
            throw new CryptographicException("The certificate is not DER.", e);
        }
    }

    /// <summary>RSASSA-PSS-params: the hash is [0], and where it is left out it means SHA-1 (RFC 4055 section 3.1).</summary>
    private static string? PssHash(AsnReader parameters)
    {
        var tag = new Asn1Tag(TagClass.ContextSpecific, 0, isConstructed: true);
        if (!parameters.HasData || !parameters.PeekTag().HasSameClassAndValue(tag)) return null;
        return parameters.ReadSequence(tag).ReadSequence().ReadObjectIdentifier();
    }

    private static bool IsSha2(string? hash) =>
        hash is "2.16.840.1.101.3.4.2.1" or "2.16.840.1.101.3.4.2.2" or "2.16.840.1.101.3.4.2.3";
}
