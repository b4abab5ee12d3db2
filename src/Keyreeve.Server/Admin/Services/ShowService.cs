namespace Keyreeve.Server.Admin.Services;

/// <summary>GET /services/{serviceId}</summary>
internal static class ShowService
{
    public static async Task<AdminAnswer> HandleAsync(AdminRequest request) =>
        await ServiceNames.FindAsync(request) is { } service ? AdminAnswer.Ok(ServiceJson.Write(service), service.Version) : AdminAnswer.NotFound("VAL service");
}
