using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Keyreeve.Core.Certificates;
using Keyreeve.Server.Settings;

namespace Keyreeve.Server.Hosting;

/// <summary>
/// The listeners' certificate of an authority outside: a PEM file with it and those above it, and a PEM file with its key. What is
/// wrong is found here, and not by clients.
/// </summary>
public sealed class ServerCertificateFiles(string certificateFile, string keyFile, string hostName)
{
    private const string ServerAuthentication = "1.3.6.1.5.5.7.3.1";

    /// <summary>Octets of a file. Our choice: a chain has a few kilobytes.</summary>
    private const int MaxLength = 256 * 1024;

    private byte[] _hash = [];

    /// <summary>The certificate that the files hold.</summary>
    /// <exception cref="SettingsException">They cannot be read, do not belong together, or are outside the certificate profile.</exception>
    public ServerCertificate Read(DateTimeOffset now) => ReadIfChanged(now)!;

    /// <summary>The same, or null when the files are as they were when they were last read.</summary>
    /// <exception cref="SettingsException">As above.</exception>
    public ServerCertificate? ReadIfChanged(DateTimeOffset now)
    {
        var (certificates, key) = (ReadFile("Certificates:ServerCertificate", certificateFile), ReadFile("Certificates:ServerKey", keyFile));
        try
        {
            var hash = SHA256.HashData([.. SHA256.HashData(certificates), .. SHA256.HashData(key)]);
            if (hash.AsSpan().SequenceEqual(_hash))
                return null;
            var read = Check(certificates, key, now);
            _hash = hash;
            return read;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(key);
        }
    }

    private ServerCertificate Check(byte[] certificates, byte[] key, DateTimeOffset now)
    {
        var chain = new X509Certificate2Collection();
        X509Certificate2 certificate;
        var keyText = System.Text.Encoding.ASCII.GetChars(key);
        try
        {
            var text = System.Text.Encoding.ASCII.GetString(certificates);
            chain.ImportFromPem(text);
            if (chain.Count == 0)
                throw Wrong("Certificates:ServerCertificate", certificateFile, "holds no certificate (-----BEGIN CERTIFICATE-----)");
            certificate = X509Certificate2.CreateFromPem(text, keyText);
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException)
        {
            throw Wrong("Certificates:ServerKey", keyFile, $"does not hold the key, unencrypted and in PEM, of the first certificate in {certificateFile}");
        }
        finally
        {
            Array.Clear(keyText);
        }
        if (WhyNot(certificate, hostName, now) is { } why)
        {
            certificate.Dispose();
            throw Wrong("Certificates:ServerCertificate", certificateFile, why);
        }
        chain.RemoveAt(0);
        return new ServerCertificate(certificate, chain, now);
    }

    /// <summary>Why a certificate is not one for our listeners, in words that end a sentence; null when it is.</summary>
    [Spec("TS 33.310", "6.1.3a")]
    public static string? WhyNot(X509Certificate2 certificate, string hostName, DateTimeOffset now)
    {
        var usage = certificate.Extensions.OfType<X509KeyUsageExtension>().FirstOrDefault()?.KeyUsages ?? X509KeyUsageFlags.None;
        var uses = certificate.Extensions.OfType<X509EnhancedKeyUsageExtension>().SelectMany(e => e.EnhancedKeyUsages.Cast<Oid>());
        return now >= EndOf(certificate) ? $"has expired on {EndOf(certificate):yyyy-MM-dd}"
            : now < new DateTimeOffset(certificate.NotBefore.ToUniversalTime()) ? "is not valid yet: look at the clock"
            : !KeyRules.Admits(certificate.PublicKey) ? "has a key outside the profile: RSA of 2048 bits or more, P-256 or P-384"
            : !KeyRules.AdmitsSignatureOf(certificate) ? "is signed with less than SHA-256"
            : !usage.HasFlag(X509KeyUsageFlags.DigitalSignature) || !uses.Any(oid => oid.Value == ServerAuthentication) ? "is not for servers: it needs keyUsage digitalSignature and extendedKeyUsage serverAuth"
            : !certificate.MatchesHostname(hostName, allowWildcards: true, allowCommonName: false) ? $"does not hold the name {hostName} (HostName) in its subjectAltName"
            : null;
    }

    private static DateTimeOffset EndOf(X509Certificate2 certificate) => new(certificate.NotAfter.ToUniversalTime());

    private static byte[] ReadFile(string setting, string file)
    {
        try
        {
            return new FileInfo(file).Length <= MaxLength ? File.ReadAllBytes(file) : throw Wrong(setting, file, "is larger than 256 KiB");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Wrong(setting, file, "cannot be read");
        }
    }

    private static SettingsException Wrong(string setting, string file, string why) => new($"{setting}: {file} {why}");
}
