using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Certificates;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Keys;
using Keyreeve.Core.Refusals;

namespace Keyreeve.Server.Hosting;

/// <summary>The built-in certificate authorities: a root that is name-constrained, and one issuing CA per role, their keys sealed in the store.</summary>
public sealed class Pki : IDisposable
{
    /// <summary>How long a list of revoked certificates is good. Our choice: it is made anew daily, and a week of trouble with that does no harm.</summary>
    private static readonly TimeSpan ListLife = TimeSpan.FromDays(7);

    private readonly Dictionary<CaRole, CertificateAuthority> _authorities;
    private readonly string? _listBase;

    private Pki(Dictionary<CaRole, CertificateAuthority> authorities, string? listBase) => (_authorities, _listBase) = (authorities, listBase);

    /// <summary>The root's certificate: what others trust.</summary>
    public X509Certificate2 Root => _authorities[CaRole.Root].Certificate;

    /// <summary>The CA of a role.</summary>
    public CertificateAuthority this[CaRole role] => _authorities[role];

    /// <summary>Opens the CAs, making what is missing.</summary>
    /// <param name="store">Where they are kept.</param>
    /// <param name="kek">Seals their keys.</param>
    /// <param name="hostName">For whom they may speak.</param>
    /// <param name="listBase">Where others find their lists of revoked certificates (http, without trailing slash); null: certificates do not say.</param>
    /// <param name="clock">The time.</param>
    /// <param name="cancel">Ends it.</param>
    public static async Task<Pki> OpenAsync(ISealedStore store, Kek kek, string hostName, string? listBase, TimeProvider clock, CancellationToken cancel)
    {
        var authorities = new Dictionary<CaRole, CertificateAuthority>();
        foreach (var role in Enum.GetValues<CaRole>().OrderBy(r => r == CaRole.Root ? 0 : 1))
        {
            var name = $"ca/{role}";
            var stored = await store.FindAsync(name, cancel);
            if (stored is null)
            {
                using var made = role == CaRole.Root
                    ? CertificateAuthority.CreateRoot(hostName, clock.GetUtcNow())
                    : CertificateAuthority.CreateIssuing(role, authorities[CaRole.Root], clock.GetUtcNow());
                // Another node may have been faster: then its CA is the one.
                stored = await store.AddIfAbsentAsync(name, kek.Seal(name, Pack(made)), new AuditEntry
                {
                    Kind = "ca.made",
                    Outcome = AuditOutcome.Changed,
                    At = clock.GetUtcNow().ToUnixTimeMilliseconds(),
                    Actor = "system",
                    Subject = made.Certificate.Subject,
                }, cancel);
            }
            if (!kek.TryOpen(name, stored, out var packed))
                throw new DataFolderException($"the key of CA {role} does not open with {kek}: it was sealed by KEK {Kek.IdOf(stored)}. Put that KEK back");
            authorities[role] = Unpack(role, packed);
            CryptographicOperations.ZeroMemory(packed);
        }
        return new(authorities, listBase);
    }

    /// <summary>The path of an authority's list of revoked certificates.</summary>
    public static string ListPath(CaRole role) => $"/crl/{WireNames.Of(role)}.crl";

    /// <summary>The authority that a certificate names as its issuer, or null. Who really issued it says its signature alone.</summary>
    public CaRole? RoleOfIssuer(X509Certificate2 certificate)
    {
        foreach (var (role, authority) in _authorities)
            if (certificate.IssuerName.RawData.AsSpan().SequenceEqual(authority.Certificate.SubjectName.RawData))
                return role;
        return null;
    }

    /// <summary>A certificate of ours for a key, as an operator asked for it.</summary>
    public Outcome<X509Certificate2> Issue(CaRole role, EntityRequest request, PublicKey key, DateTimeOffset now) => _authorities[role].TryIssue(WithList(role, request), key, now);

    /// <summary>A certificate with the authority that issued it, as its holder sends them.</summary>
    public string ChainPem(CaRole role, X509Certificate2 certificate) => certificate.ExportCertificatePem() + "\n" + _authorities[role].Certificate.ExportCertificatePem() + "\n";

    /// <summary>Signs the list of an authority.</summary>
    public RevocationListRow BuildList(CaRole role, IReadOnlyList<RevokedCertificate> revoked, long number, DateTimeOffset now) =>
        new(role, number, _authorities[role].BuildCrl(revoked, number, now, now + ListLife), now.ToUnixTimeSeconds(), (now + ListLife).ToUnixTimeSeconds());

    /// <summary>A certificate for this server's listeners.</summary>
    public ServerCertificate IssueServerCertificate(string hostName, DateTimeOffset now)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var issuer = _authorities[CaRole.Servers];
        var names = new[] { "localhost", hostName }.Distinct(StringComparer.OrdinalIgnoreCase).Where(n => !IPAddress.TryParse(n, out _));
        var request = new EntityRequest { CommonName = hostName, Use = EntityUse.Server, DnsNames = [.. names], Addresses = [IPAddress.Loopback, IPAddress.IPv6Loopback] };
        try
        {
            using var certificate = issuer.Issue(WithList(CaRole.Servers, request), new PublicKey(key), now);
            return new ServerCertificate(certificate.CopyWithPrivateKey(key), [issuer.Certificate], now);
        }
        catch (ArgumentException)
        {
            throw new DataFolderException($"the built-in root of this folder was made for another host and may not speak for '{hostName}': set HostName back, or start a new folder with --data DIR");
        }
    }

    /// <summary>Issues a client certificate with a new key; both as PEM, the certificate followed by its issuing CA.</summary>
    public (X509Certificate2 Certificate, string CertificatePem, string KeyPem) IssueClient(CaRole role, EntityRequest request, DateTimeOffset now)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var certificate = _authorities[role].Issue(WithList(role, request), new PublicKey(key), now);
        return (certificate, ChainPem(role, certificate), key.ExportPkcs8PrivateKeyPem() + "\n");
    }

    /// <inheritdoc />
    public void Dispose()
    {
        foreach (var authority in _authorities.Values)
            authority.Dispose();
    }

    private EntityRequest WithList(CaRole role, EntityRequest request) => _listBase is null ? request : request with { CrlUri = new Uri(_listBase + ListPath(role)) };

    /// <summary>length of the certificate (4 octets, big endian) | certificate (DER) | PKCS#8</summary>
    private static byte[] Pack(CertificateAuthority authority)
    {
        var certificate = authority.Certificate.RawData;
        var key = authority.ExportPrivateKey();
        var packed = new byte[4 + certificate.Length + key.Length];
        System.Buffers.Binary.BinaryPrimitives.WriteInt32BigEndian(packed, certificate.Length);
        certificate.CopyTo(packed, 4);
        key.CopyTo(packed, 4 + certificate.Length);
        CryptographicOperations.ZeroMemory(key);
        return packed;
    }

    private static CertificateAuthority Unpack(CaRole role, ReadOnlySpan<byte> packed)
    {
        var length = System.Buffers.Binary.BinaryPrimitives.ReadInt32BigEndian(packed);
        return CertificateAuthority.Restore(role, packed.Slice(4, length), packed[(4 + length)..]);
    }
}

/// <summary>The certificate that the listeners show, with its chain, and since when.</summary>
public sealed class ServerCertificate
{
    /// <summary>Built once per certificate, used by every handshake.</summary>
    /// <param name="certificate">Leaf with key.</param>
    /// <param name="above">The authorities above it, as they are sent.</param>
    /// <param name="issuedAt">When we made or read it.</param>
    public ServerCertificate(X509Certificate2 certificate, X509Certificate2Collection above, DateTimeOffset issuedAt)
    {
        Certificate = certificate;
        IssuedAt = issuedAt;
        Context = System.Net.Security.SslStreamCertificateContext.Create(certificate, above, offline: true);
    }

    /// <summary>Leaf with key.</summary>
    public X509Certificate2 Certificate { get; }

    /// <summary>When we made or read it.</summary>
    public DateTimeOffset IssuedAt { get; }

    /// <summary>Leaf and issuing CA, as sent.</summary>
    public System.Net.Security.SslStreamCertificateContext Context { get; }
}
