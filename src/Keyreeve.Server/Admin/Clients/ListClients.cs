namespace Keyreeve.Server.Admin.Clients;

/// <summary>GET /clients</summary>
internal static class ListClients
{
    public static async Task<AdminAnswer> HandleAsync(AdminRequest request)
    {
        if (!request.Page().Succeeded(out var page, out var refusal))
            return refusal;
        return page.Of(await request.Admin.Parts.Stores.Directory.ListClientsAsync(page.After, page.Fetch, request.Cancel), ClientJson.Write, c => c.ClientId);
    }
}
