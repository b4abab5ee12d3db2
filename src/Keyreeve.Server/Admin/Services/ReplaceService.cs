namespace Keyreeve.Server.Admin.Services;

/// <summary>PUT /services/{serviceId}. Tokens that were issued keep the audience they carry until they expire.</summary>
internal static class ReplaceService
{
    public static async Task<AdminAnswer> HandleAsync(AdminRequest request)
    {
        if (request.IfMatch is not { } version)
            return AdminAnswer.IfMatchRequired;
        if (!(await request.ReadAsync(ServiceJson.Schema)).Succeeded(out var body, out var refusal)
            || !ServiceJson.Read(body, request.Id, request.Admin.Parts.Options.Settings.Outbound.AllowHttp).Succeeded(out var asked, out refusal))
            return refusal;
        if (await ServiceNames.FindAsync(request) is not { } before)
            return AdminAnswer.NotFound("VAL service");
        var entry = request.Entry("service.changed", null, asked.ServiceId, Changes.Between(ServiceJson.Write(before), ServiceJson.Write(asked)));
        if (!(await request.Admin.Parts.Stores.Directory.SaveServiceAsync(asked, create: false, version, entry, CancellationToken.None)).Succeeded(out var service, out refusal))
            return AdminAnswer.OfSave(refusal);
        await request.RefreshAsync();
        return AdminAnswer.Ok(ServiceJson.Write(service), service.Version);
    }
}
