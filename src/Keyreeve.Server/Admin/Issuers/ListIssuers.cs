namespace Keyreeve.Server.Admin.Issuers;

/// <summary>GET /issuers</summary>
internal static class ListIssuers
{
    public static async Task<AdminAnswer> HandleAsync(AdminRequest request)
    {
        if (!request.Page().Succeeded(out var page, out var refusal))
            return refusal;
        var issuers = await request.Admin.Parts.Stores.Directory.ListIssuersAsync(request.Cancel);
        return page.Of([.. issuers.Where(i => string.CompareOrdinal(i.Issuer, page.After) > 0).Take(page.Fetch)], IssuerJson.Write, i => i.Issuer);
    }
}
