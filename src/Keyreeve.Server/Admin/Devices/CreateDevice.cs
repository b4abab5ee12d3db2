namespace Keyreeve.Server.Admin.Devices;

/// <summary>POST /devices</summary>
internal static class CreateDevice
{
    public static async Task<AdminAnswer> HandleAsync(AdminRequest request)
    {
        if (!(await request.ReadAsync(DeviceJson.Schema)).Succeeded(out var body, out var refusal)
            || !(await DeviceJson.ReadAsync(body, null, request)).Succeeded(out var asked, out refusal)
            || !(await request.Admin.Parts.Stores.Directory.SaveDeviceAsync(asked, create: true, null,
                request.Entry("device.created", null, asked.ValUeId, null), CancellationToken.None)).Succeeded(out var device, out refusal))
            return refusal;
        await request.RefreshAsync();
        return AdminAnswer.Created(DeviceJson.Path(device.ValUeId), DeviceJson.Write(device), device.Version);
    }
}
