using System.Formats.Asn1;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Keyreeve.Core.Certificates;

/// <summary>The names inside a certificate (subjectAltName, RFC 5280 section 4.2.1.6): read exactly as written, for they are matched exactly.</summary>
internal sealed record CertificateNames(IReadOnlyList<string> Uris, IReadOnlyList<string> DnsNames, IReadOnlyList<string> Emails, IReadOnlyList<IPAddress> Addresses)
{
    public const string SubjectAltName = "2.5.29.17";

    /// <summary>Our choice: a peer's certificate names a handful of things, not a directory.</summary>
    public const int MaxNames = 64;

    private const int MaxNameLength = 2048; // our choice, for URIs

    /// <summary>Reads rfc822Name, dNSName, uniformResourceIdentifier and iPAddress entries; other kinds of name are passed over, they identify nobody here.</summary>
    /// <exception cref="CryptographicException">More than one extension, not DER, too many or too long, or a character that is not visible ASCII.</exception>
    public static CertificateNames Read(X509Certificate2 certificate)
    {
        List<string> uris = [], dnsNames = [], emails = [];
        List<IPAddress> addresses = [];
        byte[]? encoded = null;
        foreach (var extension in certificate.Extensions)
        {
            if (extension.Oid?.Value != SubjectAltName) continue;
            if (encoded is not null) throw new CryptographicException("More than one subjectAltName.");
            encoded = extension.RawData;
        }

        if (encoded is null) return new(uris, dnsNames, emails, addresses);
        try
        {
            var reader = new AsnReader(encoded, AsnEncodingRules.DER);
            var names = reader.ReadSequence();
            reader.ThrowIfNotEmpty();
            for (var count = 0; names.HasData; count++)
            {
                if (count == MaxNames) throw new CryptographicException("Too many names.");
                var tag = names.PeekTag();
                if (tag is { TagClass: TagClass.ContextSpecific, TagValue: 2 }) dnsNames.Add(ReadName(names, tag));
                else if (tag is { TagClass: TagClass.ContextSpecific, TagValue: 6 }) uris.Add(ReadName(names, tag));
                else if (tag is { TagClass: TagClass.ContextSpecific, TagValue: 1 }) emails.Add(ReadName(names, tag));
                else if (tag is { TagClass: TagClass.ContextSpecific, TagValue: 7 }) addresses.Add(ReadAddress(names, tag));
                else names.ReadEncodedValue();
            }
        }
        catch (AsnContentException e)
        {
            throw new CryptographicException("The subjectAltName is not DER.", e);
        }

        return new(uris, dnsNames, emails, addresses);
    }

    /// <summary>Letters, digits, hyphens and underscores in labels of 1 to 63, at most 253 in all, no trailing dot; the first label may be "*".</summary>
    public static bool IsDnsName(string name)
    {
        if (name.Length is 0 or > 253) return false;
        var labels = name.Split('.');
        for (var i = 0; i < labels.Length; i++)
        {
            var label = labels[i];
            if (i == 0 && label == "*" && labels.Length > 1) continue;
            if (label.Length is 0 or > 63 || label[0] == '-' || label[^1] == '-') return false;
            if (!label.All(static c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_')) return false;
        }

        return true;
    }

    /// <summary>True for a non-empty text of visible ASCII: no NUL that ends a name for one reader and not for another.</summary>
    public static bool IsVisibleAscii(string text) =>
        text.Length is > 0 and <= MaxNameLength && text.All(static c => c is > ' ' and < '\u007f');

    private static IPAddress ReadAddress(AsnReader names, Asn1Tag tag) => names.ReadOctetString(tag) is { Length: 4 or 16 } octets
        ? new IPAddress(octets)
        : throw new CryptographicException("An address has neither 4 nor 16 octets.");

    private static string ReadName(AsnReader names, Asn1Tag tag)
    {
        var name = names.ReadCharacterString(UniversalTagNumber.IA5String, tag);
        return IsVisibleAscii(name) ? name : throw new CryptographicException("A name holds a character that is not visible ASCII.");
    }
}
