namespace Keyreeve.Server.Admin.Services;

/// <summary>DELETE /services/{serviceId}: its scope is unknown from then on; tokens that were issued live out their minutes.</summary>
internal static class RemoveService
{
    public static async Task<AdminAnswer> HandleAsync(AdminRequest request)
    {
        if (await ServiceNames.FindAsync(request) is not { } service)
            return AdminAnswer.NotFound("VAL service");
        if (request.IfMatch is { } version && version != service.Version)
            return AdminAnswer.Changed;
        if (!await request.Admin.Parts.Stores.Directory.RemoveServiceAsync(service.ServiceId, request.Entry("service.removed", null, service.ServiceId, null), CancellationToken.None))
            return AdminAnswer.NotFound("VAL service");
        await request.RefreshAsync();
        return AdminAnswer.Nothing;
    }
}
