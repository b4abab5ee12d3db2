namespace Keyreeve.Server.Admin.Services;

/// <summary>POST /services</summary>
internal static class CreateService
{
    public static async Task<AdminAnswer> HandleAsync(AdminRequest request)
    {
        if (!(await request.ReadAsync(ServiceJson.Schema)).Succeeded(out var body, out var refusal)
            || !ServiceJson.Read(body, null, request.Admin.Parts.Options.Settings.Outbound.AllowHttp).Succeeded(out var asked, out refusal)
            || !(await request.Admin.Parts.Stores.Directory.SaveServiceAsync(asked, create: true, null,
                request.Entry("service.created", null, asked.ServiceId, null), CancellationToken.None)).Succeeded(out var service, out refusal))
            return refusal;
        await request.RefreshAsync();
        return AdminAnswer.Created(ServiceJson.Path(service.ServiceId), ServiceJson.Write(service), service.Version);
    }
}
