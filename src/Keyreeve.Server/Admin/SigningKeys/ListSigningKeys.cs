namespace Keyreeve.Server.Admin.SigningKeys;

/// <summary>GET /signing-keys: a handful, so always one page.</summary>
internal static class ListSigningKeys
{
    public static async Task<AdminAnswer> HandleAsync(AdminRequest request)
    {
        if (!request.Page().Succeeded(out var page, out var refusal))
            return refusal;
        var (state, now) = (request.Admin.Parts.State, request.Admin.Now);
        var keys = (await request.Admin.Parts.Stores.SigningKeys.LoadAsync(request.Cancel)).OrderBy(k => k.KeyId, StringComparer.Ordinal)
            .Where(k => string.CompareOrdinal(k.KeyId, page.After) > 0).Take(page.Fetch).ToList();
        return page.Of(keys, k => SigningKeyJson.Write(k, state.Keys, now), k => k.KeyId);
    }
}
