namespace Keyreeve.Server.Admin.Devices;

/// <summary>DELETE /devices/{valUeId}</summary>
internal static class RemoveDevice
{
    public static async Task<AdminAnswer> HandleAsync(AdminRequest request)
    {
        var directory = request.Admin.Parts.Stores.Directory;
        if (await directory.FindDeviceAsync(request.Id, request.Cancel) is not { } device)
            return AdminAnswer.NotFound("device");
        if (request.IfMatch is { } version && version != device.Version)
            return AdminAnswer.Changed;
        if (!await directory.RemoveDeviceAsync(device.ValUeId, request.Entry("device.removed", null, device.ValUeId, null), CancellationToken.None))
            return AdminAnswer.NotFound("device");
        await request.RefreshAsync();
        return AdminAnswer.Nothing;
    }
}
