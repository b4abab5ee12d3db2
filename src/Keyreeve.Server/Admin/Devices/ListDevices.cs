namespace Keyreeve.Server.Admin.Devices;

/// <summary>GET /devices</summary>
internal static class ListDevices
{
    public static async Task<AdminAnswer> HandleAsync(AdminRequest request)
    {
        if (!request.Page().Succeeded(out var page, out var refusal))
            return refusal;
        return page.Of(await request.Admin.Parts.Stores.Directory.ListDevicesAsync(page.After, page.Fetch, request.Cancel), DeviceJson.Write, d => d.ValUeId);
    }
}
