using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Keyreeve.Core.Certificates;

/// <summary>The issuing authorities, one per kind of peer: a certificate of one never passes where another is expected.</summary>
public enum CaRole
{
    /// <summary>The self-signed root: signs the other four and its own list of revoked certificates, nothing else.</summary>
    Root,

    /// <summary>Servers of this product.</summary>
    Servers,

    /// <summary>People and programs that operate the server; client certificates only.</summary>
    Operators,

    /// <summary>VAL servers and Mission Critical servers and clients.</summary>
    ValMc,

    /// <summary>API invokers and API providers (TS 33.122).</summary>
    Capif,
}

/// <summary>In which role of TLS a certificate may be used (extendedKeyUsage).</summary>
[Flags]
public enum EntityUse
{
    /// <summary>None; never valid in a request or a check.</summary>
    None = 0,

    /// <summary>id-kp-clientAuth.</summary>
    Client = 1,

    /// <summary>id-kp-serverAuth.</summary>
    Server = 2,
}

/// <summary>What an end-entity certificate shall say. Its identity stands in the subjectAltName; the common name is for readers.</summary>
public sealed record EntityRequest
{
    /// <summary>1 to 64 characters (ub-common-name of RFC 5280), no control characters. For an API invoker: its API invoker ID.
    /// One that reads as a host name (with a dot) falls under the authority's name constraints, so identifiers are better without dots.</summary>
    public required string CommonName { get; init; }

    /// <summary>In which role of TLS; at least one.</summary>
    public required EntityUse Use { get; init; }

    /// <summary>dNSName entries, ASCII (A-labels).</summary>
    public IReadOnlyList<string> DnsNames { get; init; } = [];

    /// <summary>uniformResourceIdentifier entries, absolute; written exactly as the URI was spelled, for it is matched exactly.</summary>
    public IReadOnlyList<Uri> Uris { get; init; } = [];

    /// <summary>iPAddress entries.</summary>
    public IReadOnlyList<IPAddress> Addresses { get; init; } = [];

    /// <summary>From notBefore to notAfter; at most three years (TS 33.310), 90 days by default. Shortened to the authority's own end.</summary>
    public TimeSpan Validity { get; init; } = TimeSpan.FromDays(90);

    /// <summary>Where the authority's list of revoked certificates is fetched (http), or null for none.</summary>
    public Uri? CrlUri { get; init; }

    /// <summary>A request for another certificate that says what this one of ours says: names, use, and how long it is good.</summary>
    /// <exception cref="CryptographicException">It is none of ours: it holds what our authorities do not write.</exception>
    public static EntityRequest Again(X509Certificate2 certificate)
    {
        var names = CertificateNames.Read(certificate);
        var uses = certificate.Extensions.OfType<X509EnhancedKeyUsageExtension>().SelectMany(e => e.EnhancedKeyUsages.Cast<Oid>()).Select(oid => oid.Value).ToList();
        return new EntityRequest
        {
            CommonName = certificate.GetNameInfo(X509NameType.SimpleName, forIssuer: false),
            Use = (uses.Contains(EntityExtensions.ClientAuthentication) ? EntityUse.Client : EntityUse.None)
                | (uses.Contains(EntityExtensions.ServerAuthentication) ? EntityUse.Server : EntityUse.None),
            DnsNames = names.DnsNames,
            Uris = [.. names.Uris.Select(uri => new Uri(uri))],
            Addresses = names.Addresses,
            Validity = certificate.NotAfter - certificate.NotBefore,
        };
    }
}
