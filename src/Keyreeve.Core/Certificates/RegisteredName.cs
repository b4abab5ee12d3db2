using System.Diagnostics.CodeAnalysis;
using System.Net;

namespace Keyreeve.Core.Certificates;

/// <summary>Which name of a certificate says whose it is (RFC 8705 section 2.1.2).</summary>
public enum CertificateNameKind
{
    /// <summary>The subject: <c>tls_client_auth_subject_dn</c>.</summary>
    SubjectDn,

    /// <summary>dNSName: <c>tls_client_auth_san_dns</c>.</summary>
    SanDns,

    /// <summary>uniformResourceIdentifier: <c>tls_client_auth_san_uri</c>.</summary>
    SanUri,

    /// <summary>iPAddress: <c>tls_client_auth_san_ip</c>.</summary>
    SanIp,

    /// <summary>rfc822Name: <c>tls_client_auth_san_email</c>.</summary>
    SanEmail,
}

/// <summary>
/// The one name that a client's certificate must hold: "A client using the "tls_client_auth" authentication method MUST use exactly
/// one of the below metadata parameters". Made by the readers here alone, so that what stands here can be matched.
/// </summary>
[Spec("RFC 8705", "2.1.2")]
public sealed record RegisteredName
{
    private RegisteredName(CertificateNameKind kind, string value) => (Kind, Value) = (kind, value);

    /// <summary>Which name.</summary>
    public CertificateNameKind Kind { get; }

    /// <summary>As registered.</summary>
    public string Value { get; }

    /// <summary>The name of a kind in front of the colon: RFC 8705's parameter without <c>tls_client_auth_</c>.</summary>
    public static string NameOf(CertificateNameKind kind) => kind switch
    {
        CertificateNameKind.SubjectDn => "subject_dn",
        CertificateNameKind.SanDns => "san_dns",
        CertificateNameKind.SanUri => "san_uri",
        CertificateNameKind.SanIp => "san_ip",
        CertificateNameKind.SanEmail => "san_email",
    };

    /// <summary>Reads <c>KIND:VALUE</c>, as <c>san_dns:val.example</c>; the reason is for who registers it.</summary>
    public static bool TryRead(string text, [NotNullWhen(true)] out RegisteredName? name, out string reason)
    {
        name = null;
        var colon = text.IndexOf(':', StringComparison.Ordinal);
        foreach (var kind in Enum.GetValues<CertificateNameKind>())
            if (colon > 0 && text.AsSpan(0, colon).SequenceEqual(NameOf(kind)))
                return TryRead(kind, text[(colon + 1)..], out name, out reason);
        reason = $"a name begins with one of {string.Join(", ", Enum.GetValues<CertificateNameKind>().Select(k => NameOf(k) + ":"))}";
        return false;
    }

    /// <summary>Reads the value of a kind.</summary>
    public static bool TryRead(CertificateNameKind kind, string value, [NotNullWhen(true)] out RegisteredName? name, out string reason)
    {
        reason = "";
        switch (kind)
        {
            case CertificateNameKind.SubjectDn:
                DistinguishedName.TryRead(value, out _, out reason);
                break;
            // A name is one host's: a wildcard would be whoever has a host there.
            case CertificateNameKind.SanDns when !CertificateNames.IsDnsName(value) || value.StartsWith('*'):
                reason = "san_dns is a DNS name in ASCII, without wildcard and without a dot at the end";
                break;
            // A path is an absolute URI to the platform.
            case CertificateNameKind.SanUri when !CertificateNames.IsVisibleAscii(value) || !char.IsAsciiLetter(value[0]) || !Uri.TryCreate(value, UriKind.Absolute, out _):
                reason = "san_uri is an absolute URI in ASCII";
                break;
            // The lenient spellings of addresses (1, 0x7f.1) are none.
            case CertificateNameKind.SanIp when !IPAddress.TryParse(value, out var address) || value.AsSpan().ContainsAny('%', '[')
                || !value.Contains(':', StringComparison.Ordinal) && address.ToString() != value:
                reason = "san_ip is an IPv4 address in dotted decimal or an IPv6 address";
                break;
            case CertificateNameKind.SanEmail when !CertificateNames.IsVisibleAscii(value) || value.Split('@') is not [{ Length: > 0 }, { Length: > 0 }]:
                reason = "san_email is an e-mail address in ASCII";
                break;
        }
        name = reason.Length == 0 ? new(kind, value) : null;
        return name is not null;
    }

    /// <summary>True when the certificate holds the name. That it may be believed at all is what <see cref="VerifiedPeerCertificate"/> says.</summary>
    public bool IsIn(VerifiedPeerCertificate certificate) => Kind switch
    {
        CertificateNameKind.SubjectDn => DistinguishedName.TryRead(Value, out var name, out _) && name.Equals(DistinguishedName.Of(certificate.Certificate.SubjectName)),
        CertificateNameKind.SanDns => certificate.SubjectAltDnsNames.Contains(Value, StringComparer.OrdinalIgnoreCase),
        CertificateNameKind.SanUri => certificate.SubjectAltUris.Contains(Value, StringComparer.Ordinal),
        CertificateNameKind.SanIp => certificate.SubjectAltAddresses.Contains(IPAddress.Parse(Value)),
        CertificateNameKind.SanEmail => certificate.SubjectAltEmails.Any(IsSameMailbox),
    };

    /// <inheritdoc />
    public override string ToString() => $"{NameOf(Kind)}:{Value}";

    /// <summary>The host without case, what is in front of it as written (RFC 5280 section 7.5).</summary>
    private bool IsSameMailbox(string other)
    {
        int mine = Value.LastIndexOf('@'), others = other.LastIndexOf('@');
        return others >= 0 && Value.AsSpan(0, mine).SequenceEqual(other.AsSpan(0, others))
            && Value.AsSpan(mine).Equals(other.AsSpan(others), StringComparison.OrdinalIgnoreCase);
    }
}
