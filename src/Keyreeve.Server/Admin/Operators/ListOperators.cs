using Keyreeve.Server.Hosting;

namespace Keyreeve.Server.Admin.Operators;

/// <summary>GET /operators</summary>
internal static class ListOperators
{
    public static async Task<AdminAnswer> HandleAsync(AdminRequest request)
    {
        if (!request.Page().Succeeded(out var page, out var refusal))
            return refusal;
        var parts = request.Admin.Parts;
        var operators = (await OperatorCertificates.ListAsync(parts.Stores.Sealed, parts.Kek, request.Cancel))
            .Where(o => string.CompareOrdinal(o.Thumbprint, page.After) > 0).Take(page.Fetch).ToList();
        return page.Of(operators, o => OperatorJson.Write(o.Thumbprint, o.Name, request.Operator), o => o.Thumbprint);
    }
}
