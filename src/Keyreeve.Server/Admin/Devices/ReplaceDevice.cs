namespace Keyreeve.Server.Admin.Devices;

/// <summary>PUT /devices/{valUeId}</summary>
internal static class ReplaceDevice
{
    public static async Task<AdminAnswer> HandleAsync(AdminRequest request)
    {
        if (request.IfMatch is not { } version)
            return AdminAnswer.IfMatchRequired;
        if (!(await request.ReadAsync(DeviceJson.Schema)).Succeeded(out var body, out var refusal)
            || !(await DeviceJson.ReadAsync(body, request.Id, request)).Succeeded(out var asked, out refusal))
            return refusal;
        var directory = request.Admin.Parts.Stores.Directory;
        if (await directory.FindDeviceAsync(request.Id, request.Cancel) is not { } before)
            return AdminAnswer.NotFound("device");
        var entry = request.Entry("device.changed", null, asked.ValUeId, Changes.Between(DeviceJson.Write(before), DeviceJson.Write(asked)));
        if (!(await directory.SaveDeviceAsync(asked, create: false, version, entry, CancellationToken.None)).Succeeded(out var device, out refusal))
            return AdminAnswer.OfSave(refusal);
        await request.RefreshAsync();
        return AdminAnswer.Ok(DeviceJson.Write(device), device.Version);
    }
}
