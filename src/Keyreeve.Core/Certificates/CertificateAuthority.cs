using System.Formats.Asn1;
using System.Numerics;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Keyreeve.Core.Refusals;

namespace Keyreeve.Core.Certificates;

/// <summary>One entry of a list of revoked certificates.</summary>
/// <param name="SerialNumber">Hexadecimal, either case, as <see cref="X509Certificate.GetSerialNumberString"/> writes it.</param>
/// <param name="RevokedAt">When.</param>
/// <param name="Reason">Why; null leaves it out.</param>
public readonly record struct RevokedCertificate(string SerialNumber, DateTimeOffset RevokedAt, X509RevocationReason? Reason = null);

/// <summary>
/// One certificate authority with its key: the built-in root or one of the four issuing authorities below it. The key never leaves
/// but sealed; safe for use by several threads.
/// </summary>
public sealed class CertificateAuthority : IDisposable
{
    /// <summary>Longest life of an end-entity certificate.</summary>
    public static readonly TimeSpan MaxEntityValidity = TimeSpan.FromDays(3 * 365);

    /// <summary>How far notBefore lies before the given time, for peers whose clock is a little late; our choice.</summary>
    public static readonly TimeSpan ClockSkew = TimeSpan.FromMinutes(5);

    private const int RootYears = 10; // our choice
    private const int IssuingYears = 5; // our choice

    private readonly ECDsa _key;
    private readonly Lock _gate = new(); // an ECDsa object is not for two threads at once

    private CertificateAuthority(CaRole role, X509Certificate2 certificate, ECDsa key)
    {
        Role = role;
        Certificate = certificate;
        _key = key;
    }

    /// <summary>For whom it issues.</summary>
    public CaRole Role { get; }

    /// <summary>Its certificate, without the private key.</summary>
    public X509Certificate2 Certificate { get; }

    // "signature SHA-256 or better", matched to the strength of the curve.
    private HashAlgorithmName Hash => _key.KeySize > 256 ? HashAlgorithmName.SHA384 : HashAlgorithmName.SHA256;

    /// <summary>Makes a new root: P-384, ten years, one level of authorities below, for localhost, loopback addresses and this host only.</summary>
    /// <param name="hostName">The configured host: a DNS name or an IP address.</param>
    /// <param name="now">The time of creation.</param>
    /// <exception cref="ArgumentException">The host name is neither.</exception>
    [Spec("TS 33.310", "6.1.4a")]
    public static CertificateAuthority CreateRoot(string hostName, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(hostName);
        var constraints = NameConstraints.For(hostName);
        var key = ECDsa.Create(ECCurve.NamedCurves.nistP384);
        var name = NameOf(CaRole.Root);
        var request = new CertificateRequest(name, key, HashAlgorithmName.SHA384);
        AddAuthorityExtensions(request, pathLength: 1);
        request.CertificateExtensions.Add(constraints);
        var notBefore = WholeSeconds(now) - ClockSkew;
        var certificate = request.Create(
            name, X509SignatureGenerator.CreateForECDsa(key), notBefore, notBefore.AddYears(RootYears), NewSerialNumber());
        return new(CaRole.Root, certificate, key);
    }

    /// <summary>Makes a new issuing authority under the root: P-256, five years, no authority below. It repeats the root's name constraints.</summary>
    /// <remarks>
    /// Repeated because a role is pinned to its issuing authority: a path that ends there never sees the root's own constraints.
    /// </remarks>
    /// <exception cref="ArgumentException">The role is the root's, or <paramref name="root"/> is not a root.</exception>
    [Spec("TS 33.310", "6.1.4a")]
    public static CertificateAuthority CreateIssuing(CaRole role, CertificateAuthority root, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(root);
        if (role == CaRole.Root) throw new ArgumentException("A root is made by CreateRoot.", nameof(role));
        if (root.Role != CaRole.Root) throw new ArgumentException("Only the root signs authorities.", nameof(root));
        var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest(NameOf(role), key, root.Hash); // the hash belongs to the signer's curve
        AddAuthorityExtensions(request, pathLength: 0);
        foreach (var extension in root.Certificate.Extensions)
        {
            if (extension.Oid?.Value == NameConstraints.Oid) request.CertificateExtensions.Add(extension);
        }

        return new(role, root.Sign(request, now, notBefore => notBefore.AddYears(IssuingYears)), key);
    }

    /// <summary>Brings back an authority from what was stored.</summary>
    /// <exception cref="CryptographicException">The certificate or the key does not parse, they do not belong together, or it is no authority's.</exception>
    public static CertificateAuthority Restore(CaRole role, ReadOnlySpan<byte> certificateDer, ReadOnlySpan<byte> pkcs8)
    {
        var certificate = X509CertificateLoader.LoadCertificate(certificateDer);
        var key = ECDsa.Create();
        try
        {
            key.ImportPkcs8PrivateKey(pkcs8, out var read);
            var matches = read == pkcs8.Length
                && certificate.PublicKey.ExportSubjectPublicKeyInfo().AsSpan().SequenceEqual(key.ExportSubjectPublicKeyInfo());
            var isAuthority = certificate.Extensions.OfType<X509BasicConstraintsExtension>().Any(static e => e.CertificateAuthority);
            var isRoot = certificate.SubjectName.RawData.AsSpan().SequenceEqual(certificate.IssuerName.RawData);
            if (!matches || !isAuthority || isRoot != (role == CaRole.Root))
                throw new CryptographicException("The stored certificate and key are not those of this certificate authority.");
            return new(role, certificate, key);
        }
        catch
        {
            key.Dispose();
            certificate.Dispose();
            throw;
        }
    }

    /// <summary>The private key as PKCS #8, for sealing at rest and nothing else; the caller zeroes it after use.</summary>
    public byte[] ExportPrivateKey()
    {
        lock (_gate) return _key.ExportPkcs8PrivateKey();
    }

    /// <summary>Issues an end-entity certificate for a key whose owner has been decided upon already.</summary>
    /// <param name="request">What it shall say.</param>
    /// <param name="publicKey">Its key; ask <see cref="KeyRules.Admits"/> first when it comes from a peer.</param>
    /// <param name="now">The time of issuing.</param>
    /// <returns>The certificate, without a private key.</returns>
    /// <exception cref="ArgumentException">The request or the key is outside the profile, or a name is outside the authority's name constraints.</exception>
    /// <exception cref="InvalidOperationException">This authority does not issue such certificates, or has expired.</exception>
    public X509Certificate2 Issue(EntityRequest request, PublicKey publicKey, DateTimeOffset now) =>
        TryIssue(request, publicKey, now).Succeeded(out var certificate, out var refusal) ? certificate : throw new ArgumentException(refusal.Operator, nameof(request));

    /// <summary>The same where an operator wrote the request: what is wrong with it is a refusal.</summary>
    /// <exception cref="InvalidOperationException">This authority does not issue such certificates, or has expired.</exception>
    [Spec("TS 33.310", "6.1.3a")]
    public Outcome<X509Certificate2> TryIssue(EntityRequest request, PublicKey publicKey, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(publicKey);
        if (EntityExtensions.BeyondProfile(request, publicKey) is { } beyond) return Refusal.Of(RefusalCode.InvalidParameter, beyond);
        var allowed = Role switch
        {
            CaRole.Root => EntityUse.None,
            CaRole.Operators => EntityUse.Client,
            CaRole.Servers or CaRole.ValMc or CaRole.Capif => EntityUse.Client | EntityUse.Server,
        };
        if ((request.Use & ~allowed) != EntityUse.None)
            throw new InvalidOperationException($"The {Role} authority does not issue certificates for {request.Use}.");

        var name = new X500DistinguishedNameBuilder();
        name.AddCommonName(request.CommonName);
        var template = new CertificateRequest(name.Build(), publicKey, Hash);
        EntityExtensions.AddTo(template, request, publicKey);
        var certificate = Sign(template, now, notBefore => notBefore + request.Validity);

        // Whoever checks it would refuse a name outside the constraints; better said now, to the one who asked.
        var check = PeerCertificates.Check(certificate, [], [Certificate], request.Use, StartOf(certificate), revokedSerials: null);
        if (check.Verified is not null) return certificate;
        certificate.Dispose();
        return Refusal.Of(RefusalCode.InvalidParameter, $"The certificate would be refused ({check.Refusal}): is a name outside the authority's constraints?");
    }

    /// <summary>Writes the list of revoked certificates of this authority (RFC 5280 section 5), as DER.</summary>
    /// <param name="revoked">Its revoked certificates, each once.</param>
    /// <param name="number">cRLNumber: greater than every earlier one.</param>
    /// <param name="now">thisUpdate.</param>
    /// <param name="nextUpdate">When the next list comes at the latest.</param>
    /// <exception cref="ArgumentException">A serial number is not hexadecimal, or nextUpdate is not after now.</exception>
    [Spec("RFC 5280", "5.1")]
    public byte[] BuildCrl(IEnumerable<RevokedCertificate> revoked, BigInteger number, DateTimeOffset now, DateTimeOffset nextUpdate)
    {
        ArgumentNullException.ThrowIfNull(revoked);
        if (nextUpdate <= now) throw new ArgumentException("The next update must lie after this one.", nameof(nextUpdate));
        var builder = new CertificateRevocationListBuilder();
        foreach (var entry in revoked)
        {
            byte[] serial;
            try
            {
                serial = Convert.FromHexString(entry.SerialNumber);
            }
            catch (FormatException e)
            {
                throw new ArgumentException("A serial number is not hexadecimal.", nameof(revoked), e);
            }

            builder.AddEntry(serial, entry.RevokedAt, entry.Reason);
        }

        lock (_gate)
        {
            return builder.Build(
                Certificate.SubjectName, X509SignatureGenerator.CreateForECDsa(_key), number, nextUpdate, Hash, AuthorityKeyIdentifier(), now);
        }
    }

    /// <summary>Destroys the key object. The certificate stays usable until the garbage collector takes it.</summary>
    public void Dispose() => _key.Dispose();

    private X509Certificate2 Sign(CertificateRequest template, DateTimeOffset now, Func<DateTimeOffset, DateTimeOffset> endOf)
    {
        DateTimeOffset ownStart = StartOf(Certificate), ownEnd = new(Certificate.NotAfter.ToUniversalTime());
        if (now < ownStart || now >= ownEnd) throw new InvalidOperationException($"The {Role} authority is not valid at this time.");
        var notBefore = WholeSeconds(now) - ClockSkew;
        if (notBefore < ownStart) notBefore = ownStart;
        var notAfter = endOf(notBefore);
        if (notAfter > ownEnd) notAfter = ownEnd;
        template.CertificateExtensions.Add(AuthorityKeyIdentifier());
        lock (_gate)
        {
            return template.Create(
                Certificate.SubjectName, X509SignatureGenerator.CreateForECDsa(_key), notBefore, notAfter, NewSerialNumber());
        }
    }

    private X509AuthorityKeyIdentifierExtension AuthorityKeyIdentifier() =>
        X509AuthorityKeyIdentifierExtension.CreateFromSubjectKeyIdentifier(
            Certificate.Extensions.OfType<X509SubjectKeyIdentifierExtension>().Single());

    private static void AddAuthorityExtensions(CertificateRequest request, int pathLength)
    {
        request.CertificateExtensions.Add(X509BasicConstraintsExtension.CreateForCertificateAuthority(pathLength));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, critical: true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, critical: false));
    }

    /// <summary>A random part keeps two installations apart in a browser that came to trust both.</summary>
    private static X500DistinguishedName NameOf(CaRole role)
    {
        var name = new X500DistinguishedNameBuilder();
        name.Add("2.5.4.5", Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(8)), UniversalTagNumber.PrintableString); // serialNumber
        name.AddCommonName(role switch
        {
            CaRole.Root => "Keyreeve root CA",
            CaRole.Servers => "Keyreeve servers CA",
            CaRole.Operators => "Keyreeve operators CA",
            CaRole.ValMc => "Keyreeve VAL and MC CA",
            CaRole.Capif => "Keyreeve CAPIF CA",
        });
        name.AddOrganizationName("Keyreeve");
        return name.Build();
    }

    /// <summary>16 octets, positive and of full length: at least 120 random bits, within the 20 octets of RFC 5280 section 4.1.2.2.</summary>
    private static byte[] NewSerialNumber()
    {
        var serial = RandomNumberGenerator.GetBytes(16);
        serial[0] = (byte)((serial[0] & 0x7F) | 0x40);
        return serial;
    }

    // The platform gives a certificate's times as local ones.
    private static DateTimeOffset StartOf(X509Certificate2 certificate) => new(certificate.NotBefore.ToUniversalTime());

    private static DateTimeOffset WholeSeconds(DateTimeOffset time) => DateTimeOffset.FromUnixTimeSeconds(time.ToUnixTimeSeconds());
}
