using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Keyreeve.Core.Certificates;

namespace Keyreeve.Tests.Core.Certificates;

/// <summary>A root for keyreeve.test with its four issuing authorities, and certificates that our own authority would never issue.</summary>
public sealed class TestAuthorities : IDisposable
{
    public static readonly DateTimeOffset Now = new(2030, 5, 17, 12, 34, 56, 789, TimeSpan.Zero);

    public const string Host = "keyreeve.test";

    public const string ServerUse = "1.3.6.1.5.5.7.3.1";
    public const string ClientUse = "1.3.6.1.5.5.7.3.2";

    public TestAuthorities() : this(Now)
    {
    }

    public TestAuthorities(DateTimeOffset created)
    {
        Root = CertificateAuthority.CreateRoot(Host, created);
        Servers = CertificateAuthority.CreateIssuing(CaRole.Servers, Root, created);
        Operators = CertificateAuthority.CreateIssuing(CaRole.Operators, Root, created);
        ValMc = CertificateAuthority.CreateIssuing(CaRole.ValMc, Root, created);
        Capif = CertificateAuthority.CreateIssuing(CaRole.Capif, Root, created);
    }

    public CertificateAuthority Root { get; }

    public CertificateAuthority Servers { get; }

    public CertificateAuthority Operators { get; }

    public CertificateAuthority ValMc { get; }

    public CertificateAuthority Capif { get; }

    public CertificateAuthority this[CaRole role] => role switch
    {
        CaRole.Root => Root,
        CaRole.Servers => Servers,
        CaRole.Operators => Operators,
        CaRole.ValMc => ValMc,
        CaRole.Capif => Capif,
    };

    public static PublicKey NewKey()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        return new PublicKey(key);
    }

    public static EntityRequest Client(string name = "a client") => new() { CommonName = name, Use = EntityUse.Client };

    public static EntityRequest Server(params string[] names) => new() { CommonName = "a server", Use = EntityUse.Server, DnsNames = names };

    /// <summary>A certificate signed with the authority's real key, but with whatever the test wants in it.</summary>
    public static X509Certificate2 Forge(
        CertificateAuthority issuer,
        AsymmetricAlgorithm? key = null,
        HashAlgorithmName? hash = null,
        X509KeyUsageFlags? keyUsage = X509KeyUsageFlags.DigitalSignature,
        string[]? uses = null,
        X509Extension[]? more = null,
        DateTimeOffset? notBefore = null,
        DateTimeOffset? notAfter = null)
    {
        using var fresh = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = key switch
        {
            RSA rsa => new CertificateRequest("CN=forged", rsa, hash ?? HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1),
            ECDsa ec => new CertificateRequest("CN=forged", ec, hash ?? HashAlgorithmName.SHA256),
            _ => new CertificateRequest("CN=forged", fresh, hash ?? HashAlgorithmName.SHA256),
        };
        if (keyUsage is { } bits) request.CertificateExtensions.Add(new X509KeyUsageExtension(bits, critical: true));
        var oids = new OidCollection();
        foreach (var use in uses ?? [ClientUse]) oids.Add(new Oid(use));
        if (oids.Count > 0) request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension(oids, critical: false));
        foreach (var extension in more ?? []) request.CertificateExtensions.Add(extension);
        using var issuerKey = KeyOf(issuer);
        X509SignatureGenerator generator =
            hash == HashAlgorithmName.SHA1 ? new Sha1Signer(issuerKey) : X509SignatureGenerator.CreateForECDsa(issuerKey);
        return request.Create(
            issuer.Certificate.SubjectName,
            generator,
            notBefore ?? issuer.Certificate.NotBefore,
            notAfter ?? issuer.Certificate.NotBefore.AddDays(30),
            [0x55, .. RandomNumberGenerator.GetBytes(15)]);
    }

    public static ECDsa KeyOf(CertificateAuthority issuer)
    {
        var key = ECDsa.Create();
        key.ImportPkcs8PrivateKey(issuer.ExportPrivateKey(), out _);
        return key;
    }

    public static X509Extension DnsName(string name)
    {
        var builder = new SubjectAlternativeNameBuilder();
        builder.AddDnsName(name);
        return builder.Build();
    }

    public void Dispose()
    {
        foreach (var authority in (CertificateAuthority[])[Root, Servers, Operators, ValMc, Capif])
        {
            authority.Dispose();
            authority.Certificate.Dispose();
        }
    }
}
