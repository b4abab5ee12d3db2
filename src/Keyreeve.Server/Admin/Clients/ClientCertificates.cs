using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Keyreeve.Server.Hosting;

namespace Keyreeve.Server.Admin.Clients;

/// <summary>Certificates registered for a client: what is kept is the thumbprint.</summary>
internal static class ClientCertificates
{
    /// <summary>The thumbprint of a PEM, or the thumbprint itself in lower case.</summary>
    public static string ThumbprintOf(JsonBody body, string text)
    {
        if (text.Length == 64 && text.All(char.IsAsciiHexDigit))
            return text.ToLowerInvariant();
        if (text.Contains("PRIVATE KEY", StringComparison.Ordinal))
        {
            body.Fail("certificates", "certificates holds a private key: keep it where it is, and send the certificate alone");
            return "";
        }
        try
        {
            using var certificate = X509Certificate2.CreateFromPem(text);
            return OperatorCertificates.ThumbprintOf(certificate);
        }
        catch (CryptographicException)
        {
            body.Fail("certificates", "certificates holds PEM certificates, or SHA-256 thumbprints of 64 hexadecimal digits");
            return "";
        }
    }
}
