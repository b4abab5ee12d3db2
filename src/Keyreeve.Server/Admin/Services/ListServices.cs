namespace Keyreeve.Server.Admin.Services;

/// <summary>GET /services</summary>
internal static class ListServices
{
    public static async Task<AdminAnswer> HandleAsync(AdminRequest request)
    {
        if (!request.Page().Succeeded(out var page, out var refusal))
            return refusal;
        var services = await request.Admin.Parts.Stores.Directory.ListServicesAsync(request.Cancel);
        return page.Of([.. services.Where(s => string.CompareOrdinal(s.ServiceId, page.After) > 0).Take(page.Fetch)], ServiceJson.Write, s => s.ServiceId);
    }
}
