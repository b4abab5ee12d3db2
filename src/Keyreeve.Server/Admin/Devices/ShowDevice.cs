namespace Keyreeve.Server.Admin.Devices;

/// <summary>GET /devices/{valUeId}</summary>
internal static class ShowDevice
{
    public static async Task<AdminAnswer> HandleAsync(AdminRequest request) =>
        await request.Admin.Parts.Stores.Directory.FindDeviceAsync(request.Id, request.Cancel) is { } device
            ? AdminAnswer.Ok(DeviceJson.Write(device), device.Version)
            : AdminAnswer.NotFound("device");
}
