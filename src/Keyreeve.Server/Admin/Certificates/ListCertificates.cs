namespace Keyreeve.Server.Admin.Certificates;

/// <summary>GET /certificates</summary>
internal static class ListCertificates
{
    public static async Task<AdminAnswer> HandleAsync(AdminRequest request)
    {
        if (!request.Page().Succeeded(out var page, out var refusal))
            return refusal;
        var found = await request.Admin.Parts.Stores.Certificates.ListAsync(request.Query("clientId"), page.After, page.Fetch, request.Cancel);
        return page.Of(found, CertificateJson.Write, certificate => certificate.Serial);
    }
}
