using Keyreeve.Core.Refusals;

namespace Keyreeve.Server.Admin.KeyRecords;

/// <summary>GET /key-records, of all services or of one.</summary>
internal static class ListKeyRecords
{
    public static async Task<AdminAnswer> HandleAsync(AdminRequest request)
    {
        if (!request.Page().Succeeded(out var page, out var refusal))
            return refusal;
        var after = page.After is null ? null : KeyRecordJson.ReadId(page.After);
        if (page.After is not null && after is null)
            return Refusal.About(RefusalCode.InvalidParameter, "after", "after is 'next' of the page before");
        if (request.Query("removed") is not (null or "true" or "false"))
            return Refusal.About(RefusalCode.InvalidParameter, "removed", "removed is true or false");
        var records = await request.Admin.Parts.Stores.KeyRecords.ListAsync(request.Query("serviceId"), after, page.Fetch, request.Query("removed") == "true", request.Cancel);
        return page.Of(records, KeyRecordJson.Write, r => KeyRecordJson.IdOf(r.ServiceId, r.Identity));
    }
}
