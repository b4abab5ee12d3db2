using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Certificates;
using Keyreeve.Core.Keys;

namespace Keyreeve.Server.Hosting;

/// <summary>The built-in certificate authorities: a root that is name-constrained, and one issuing CA per role, their keys sealed in the store.</summary>
public sealed class Pki : IDisposable
{
    private readonly Dictionary<CaRole, CertificateAuthority> _authorities;

    private Pki(Dictionary<CaRole, CertificateAuthority> authorities) => _authorities = authorities;

    /// <summary>The root's certificate: what others trust.</summary>
    public X509Certificate2 Root => _authorities[CaRole.Root].Certificate;

    /// <summary>The CA of a role.</summary>
    public CertificateAuthority this[CaRole role] => _authorities[role];

    /// <summary>Opens the CAs, making what is missing.</summary>
    public static async Task<Pki> OpenAsync(ISealedStore store, Kek kek, string hostName, TimeProvider clock, CancellationToken cancel)
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
        return new(authorities);
    }

    /// <summary>A certificate for this server's listeners.</summary>
    public ServerCertificate IssueServerCertificate(string hostName, DateTimeOffset now)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var issuer = _authorities[CaRole.Servers];
        var names = new[] { "localhost", hostName }.Distinct(StringComparer.OrdinalIgnoreCase).Where(n => !IPAddress.TryParse(n, out _));
        var request = new EntityRequest { CommonName = hostName, Use = EntityUse.Server, DnsNames = [.. names], Addresses = [IPAddress.Loopback, IPAddress.IPv6Loopback] };
        try
        {
            using var certificate = issuer.Issue(request, new PublicKey(key), now);
            return new ServerCertificate(certificate.CopyWithPrivateKey(key), issuer.Certificate, now);
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
        var issuer = _authorities[role];
        var certificate = issuer.Issue(request, new PublicKey(key), now);
        return (certificate, certificate.ExportCertificatePem() + "\n" + issuer.Certificate.ExportCertificatePem() + "\n", key.ExportPkcs8PrivateKeyPem() + "\n");
    }

    /// <inheritdoc />
    public void Dispose()
    {
        foreach (var authority in _authorities.Values)
            authority.Dispose();
    }

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
    public ServerCertificate(X509Certificate2 certificate, X509Certificate2 issuer, DateTimeOffset issuedAt)
    {
        Certificate = certificate;
        IssuedAt = issuedAt;
        Context = System.Net.Security.SslStreamCertificateContext.Create(certificate, [issuer], offline: true);
    }

    /// <summary>Leaf with key.</summary>
    public X509Certificate2 Certificate { get; }

    /// <summary>When we made it.</summary>
    public DateTimeOffset IssuedAt { get; }

    /// <summary>Leaf and issuing CA, as sent.</summary>
    public System.Net.Security.SslStreamCertificateContext Context { get; }
}
