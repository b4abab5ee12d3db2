using System.Diagnostics.CodeAnalysis;
using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Keyreeve.Core.Certificates;

/// <summary>
/// One complete list of revoked certificates (RFC 5280 section 5), read and verified:
/// <c>CertificateList ::= SEQUENCE { tbsCertList, signatureAlgorithm, signature BIT STRING }</c>,
/// <c>tbsCertList ::= SEQUENCE { version, algorithm, issuer, thisUpdate, nextUpdate, revoked SEQUENCE OF { serial, date, extensions }, [0] extensions }</c>.
/// Delta, partitioned and indirect lists say so in a critical extension and are refused: they are not the whole truth about their issuer.
/// </summary>
[Spec("RFC 5280", "5.1")]
public sealed class RevokedSerials
{
    private readonly HashSet<string> _serials;

    private RevokedSerials(byte[] issuer, HashSet<string> serials, DateTimeOffset nextUpdate) => (Issuer, _serials, NextUpdate) = (issuer, serials, nextUpdate);

    /// <summary>The encoded name of the authority.</summary>
    public byte[] Issuer { get; }

    /// <summary>When the authority promised the next list.</summary>
    public DateTimeOffset NextUpdate { get; }

    /// <summary>How many certificates it names.</summary>
    public int Count => _serials.Count;

    /// <summary>True when the list is about this certificate's issuer.</summary>
    public bool IsOfIssuerOf(X509Certificate2 certificate) => Issuer.AsSpan().SequenceEqual(certificate.IssuerName.RawData);

    /// <summary>True when the list names the certificate. Ask <see cref="IsOfIssuerOf"/> first: a serial number is one issuer's.</summary>
    public bool Names(X509Certificate2 certificate) => _serials.Contains(certificate.SerialNumber);

    /// <summary>Reads a list that one of these authorities signed; the reason is for the operator.</summary>
    public static bool TryRead(ReadOnlyMemory<byte> der, IEnumerable<X509Certificate2> authorities, [NotNullWhen(true)] out RevokedSerials? list, out string reason)
    {
        list = null;
        try
        {
            var outer = new AsnReader(der, AsnEncodingRules.DER);
            var whole = outer.ReadSequence();
            outer.ThrowIfNotEmpty();
            var signed = whole.ReadEncodedValue();
            var algorithm = whole.ReadSequence().ReadObjectIdentifier();
            var signature = whole.ReadBitString(out _);
            whole.ThrowIfNotEmpty();
            var read = Read(signed, out reason);
            if (read is null)
                return false;
            var authority = authorities.FirstOrDefault(a => read.Issuer.AsSpan().SequenceEqual(a.SubjectName.RawData) && Verifies(a, algorithm, signed.Span, signature));
            if (authority is null)
                reason = "it is not signed by one of the pinned authorities with SHA-256 or better";
            else
                list = read;
            return list is not null;
        }
        catch (Exception e) when (e is AsnContentException or CryptographicException)
        {
            reason = "it is no list of revoked certificates (RFC 5280)";
            return false;
        }
    }

    private static RevokedSerials? Read(ReadOnlyMemory<byte> signed, out string reason)
    {
        var body = new AsnReader(signed, AsnEncodingRules.DER).ReadSequence();
        if (body.PeekTag().HasSameClassAndValue(Asn1Tag.Integer))
            body.ReadInteger();
        body.ReadEncodedValue(); // the algorithm once more
        var issuer = body.ReadEncodedValue().ToArray();
        ReadTime(body);
        if (!body.HasData || !IsTime(body.PeekTag()))
        {
            reason = "it has no nextUpdate, so that nobody can tell when it is out of date";
            return null;
        }
        var nextUpdate = ReadTime(body);
        var serials = new HashSet<string>(StringComparer.Ordinal);
        if (body.HasData && body.PeekTag().HasSameClassAndValue(Asn1Tag.Sequence))
        {
            for (var entries = body.ReadSequence(); entries.HasData;)
            {
                var entry = entries.ReadSequence();
                serials.Add(Convert.ToHexString(entry.ReadIntegerBytes().Span));
                ReadTime(entry);
                if (entry.HasData && HasCritical(entry.ReadSequence()))
                {
                    reason = "an entry has a critical extension: indirect lists are not taken";
                    return null;
                }
            }
        }
        if (body.HasData && HasCritical(body.ReadSequence(new Asn1Tag(TagClass.ContextSpecific, 0, isConstructed: true)).ReadSequence()))
        {
            reason = "it has a critical extension: delta and partitioned lists are not taken";
            return null;
        }
        reason = "";
        return new(issuer, serials, nextUpdate);
    }

    /// <summary>Extension ::= SEQUENCE { extnID, critical BOOLEAN DEFAULT FALSE, extnValue }</summary>
    private static bool HasCritical(AsnReader extensions)
    {
        var critical = false;
        while (extensions.HasData)
        {
            var extension = extensions.ReadSequence();
            extension.ReadObjectIdentifier();
            critical |= extension.PeekTag().HasSameClassAndValue(Asn1Tag.Boolean) && extension.ReadBoolean();
        }
        return critical;
    }

    private static bool IsTime(Asn1Tag tag) => tag.HasSameClassAndValue(Asn1Tag.UtcTime) || tag.HasSameClassAndValue(Asn1Tag.GeneralizedTime);

    private static DateTimeOffset ReadTime(AsnReader reader) =>
        reader.PeekTag().HasSameClassAndValue(Asn1Tag.UtcTime) ? reader.ReadUtcTime() : reader.ReadGeneralizedTime();

    private static bool Verifies(X509Certificate2 authority, string algorithm, ReadOnlySpan<byte> signed, ReadOnlySpan<byte> signature)
    {
        HashAlgorithmName? hash = algorithm switch
        {
            "1.2.840.10045.4.3.2" or "1.2.840.113549.1.1.11" => HashAlgorithmName.SHA256,
            "1.2.840.10045.4.3.3" or "1.2.840.113549.1.1.12" => HashAlgorithmName.SHA384,
            "1.2.840.10045.4.3.4" or "1.2.840.113549.1.1.13" => HashAlgorithmName.SHA512,
            _ => null,
        };
        if (hash is not { } name)
            return false;
        if (algorithm.StartsWith("1.2.840.10045.", StringComparison.Ordinal))
        {
            using var ec = authority.GetECDsaPublicKey();
            return ec is not null && ec.VerifyData(signed, signature, name, DSASignatureFormat.Rfc3279DerSequence);
        }
        using var rsa = authority.GetRSAPublicKey();
        return rsa is not null && rsa.VerifyData(signed, signature, name, RSASignaturePadding.Pkcs1);
    }
}
