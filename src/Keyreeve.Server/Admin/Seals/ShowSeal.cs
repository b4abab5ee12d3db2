namespace Keyreeve.Server.Admin.Seals;

/// <summary>GET /seal</summary>
internal static class ShowSeal
{
    public static async Task<AdminAnswer> HandleAsync(AdminRequest request) => AdminAnswer.Ok(await SealJson.WriteAsync(request));
}
