using System.Security.Cryptography.X509Certificates;

namespace Keyreeve.Server.Admin.Certificates;

/// <summary>GET /certificates/{serial}</summary>
internal static class ShowCertificate
{
    public static async Task<AdminAnswer> HandleAsync(AdminRequest request)
    {
        if (await request.Admin.Parts.Stores.Certificates.FindAsync(request.Id, request.Cancel) is not { } found)
            return AdminAnswer.NotFound("certificate");
        var json = CertificateJson.Write(found);
        using var certificate = X509Certificate2.CreateFromPem(found.Pem);
        json["certificate"] = request.Admin.Parts.Pki.ChainPem(found.Authority, certificate);
        return AdminAnswer.Ok(json);
    }
}
