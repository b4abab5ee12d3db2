using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Keyreeve.Engines.Tls;

namespace Keyreeve.Bench.Limit;

/// <summary>A self-signed P-256 certificate for one run, under the TLS profile of the product.</summary>
internal static class ThrowAwayCertificate
{
    /// <summary>The listener's options; the certificate alone, without its key, is written to <paramref name="pemFile"/>.</summary>
    public static SslServerAuthenticationOptions Options(string pemFile, DateTimeOffset now)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("localhost");
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: false, hasPathLengthConstraint: false, 0, critical: true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.1")], critical: false));
        var certificate = request.CreateSelfSigned(now.AddMinutes(-5), now.AddDays(1));
        File.WriteAllText(pemFile, certificate.ExportCertificatePem());
        var options = new SslServerAuthenticationOptions
        {
            ServerCertificateContext = SslStreamCertificateContext.Create(certificate, additionalCertificates: null, offline: true),
            ApplicationProtocols = [SslApplicationProtocol.Http11],
        };
        TlsProfile.ConfigureServer(options, askForClientCertificate: false);
        return options;
    }
}
