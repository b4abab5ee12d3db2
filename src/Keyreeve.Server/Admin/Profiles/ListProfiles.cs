using Keyreeve.Core.Refusals;

namespace Keyreeve.Server.Admin.Profiles;

/// <summary>GET /profiles, of all VAL services or of one.</summary>
internal static class ListProfiles
{
    public static async Task<AdminAnswer> HandleAsync(AdminRequest request)
    {
        if (!request.Page().Succeeded(out var page, out var refusal))
            return refusal;
        var after = page.After is null ? null : ProfileJson.ReadId(page.After);
        if (page.After is not null && after is null)
            return Refusal.About(RefusalCode.InvalidParameter, "after", "after is 'next' of the page before");
        var profiles = await request.Admin.Parts.Stores.Profiles.ListAsync(request.Query("serviceId"), after, page.Fetch, request.Cancel);
        return page.Of(profiles, ProfileJson.Write, ProfileJson.IdOf);
    }
}
