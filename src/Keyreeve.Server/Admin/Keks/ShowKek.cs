namespace Keyreeve.Server.Admin.Keks;

/// <summary>GET /kek: which KEK seals, and which rows need which. Counts every sealed row.</summary>
internal static class ShowKek
{
    public static async Task<AdminAnswer> HandleAsync(AdminRequest request) =>
        AdminAnswer.Ok(KekJson.Write(request.Admin.Parts.Kek, request.Admin.KekKeeper, await request.Admin.KekKeeper.CountAsync(request.Cancel), request.Admin.Now));
}
