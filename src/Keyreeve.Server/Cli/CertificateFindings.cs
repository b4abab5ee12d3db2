using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Keyreeve.Core.Certificates;
using Keyreeve.Server.Hosting;
using Keyreeve.Server.Settings;

namespace Keyreeve.Server.Cli;

/// <summary>What <c>doctor</c> says of certificates: files that a server would refuse, and what ends within a month.</summary>
internal static class CertificateFindings
{
    public static IEnumerable<Finding> Of(string data, ServerSettings? settings, DateTimeOffset now)
    {
        if (settings?.Certificates is { ServerCertificate: { } certificate, ServerKey: { } key })
        {
            yield return Readable(certificate, key, settings.HostName, now);
            if (File.Exists(key) && (File.GetUnixFileMode(key) & (UnixFileMode.OtherRead | UnixFileMode.OtherWrite)) != UnixFileMode.None)
                yield return new(true, $"{key} can be read by everybody", $"chmod 600 {key}");
        }
        if (settings?.Clients.TrustAnchorsFile is { } anchors)
            foreach (var finding in Ends(anchors, "an authority for clients in", "put its successor beside it", now))
                yield return finding;
        foreach (var finding in Ends(Path.Combine(data, "admin.pem"), "the operator's certificate or its authority in", "the server renews the certificate itself while admin.key is there; an authority lives five years: start a new folder in time", now))
            yield return finding;
        foreach (var finding in Ends(Path.Combine(data, "ca.pem"), "the built-in root in", "start a new folder in time", now))
            yield return finding;
    }

    private static Finding Readable(string certificateFile, string keyFile, string hostName, DateTimeOffset now)
    {
        try
        {
            var read = new ServerCertificateFiles(certificateFile, keyFile, hostName).Read(now);
            using var certificate = read.Certificate;
            return Ending($"the listeners' certificate in {certificateFile}", "renew it: it is read again when the files change", certificate, now)
                ?? new(false, $"the listeners' certificate in {certificateFile} is good until {certificate.NotAfter.ToUniversalTime():yyyy-MM-dd}", "");
        }
        catch (SettingsException e)
        {
            return new(true, "the listeners' certificate would be refused", e.Message);
        }
    }

    private static IEnumerable<Finding> Ends(string file, string what, string cure, DateTimeOffset now)
    {
        var certificates = new X509Certificate2Collection();
        try
        {
            if (File.Exists(file))
                certificates.ImportFromPemFile(file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException)
        {
            return [new(true, $"{file} cannot be read", "it is a PEM file with certificates")];
        }
        return [.. certificates.Select(c => Ending($"{what} {file} ({c.Subject})", cure, c, now)).OfType<Finding>()];
    }

    private static Finding? Ending(string what, string cure, X509Certificate2 certificate, DateTimeOffset now)
    {
        DateTimeOffset end = new(certificate.NotAfter.ToUniversalTime());
        return Expiry.StageOf(end, now) switch
        {
            null => null,
            0 => new(true, $"{what} has ended on {end:yyyy-MM-dd}", cure),
            var days => new(days <= 1, $"{what} ends on {end:yyyy-MM-dd}: {days} days or less are left", cure),
        };
    }
}
