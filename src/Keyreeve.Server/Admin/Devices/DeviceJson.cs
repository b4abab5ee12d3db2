using System.Text.Json.Nodes;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Refusals;
using Keyreeve.Server.Admin.Services;

namespace Keyreeve.Server.Admin.Devices;

/// <summary>A VAL UE as the admin API writes and reads it.</summary>
internal static class DeviceJson
{
    public static readonly AdminSchema Schema = new("Device",
        new AdminField("valUeId", FieldKind.Text, "VAL UE ID: 1 to 255 characters.", Required: true),
        new AdminField("valServiceIds", FieldKind.Texts, "VAL services mapped to this UE; each must exist."),
        new AdminField("provisionedServiceIds", FieldKind.Texts, "VAL services that VAL servers provisioned for this UE; it has these too.", ReadOnly: true),
        new AdminField("version", FieldKind.Number, "Row version, the ETag.", ReadOnly: true));

    public static string Path(string valUeId) => $"{AdminRoutes.Base}/devices/{Uri.EscapeDataString(valUeId)}";

    public static JsonObject Write(Device device) => new()
    {
        ["valUeId"] = device.ValUeId,
        ["valServiceIds"] = Changes.Array(device.ValServiceIds),
        ["provisionedServiceIds"] = Changes.Array(device.ProvisionedServiceIds),
        ["version"] = device.Version,
    };

    public static async Task<Outcome<Device>> ReadAsync(JsonBody body, string? pathId, AdminRequest request)
    {
        var device = new Device { ValUeId = body.RequiredText("valUeId"), ValServiceIds = body.Texts("valServiceIds", 200, 200) ?? [] };
        if (body.Wrong is null && device.ValUeId is "." or "..")
            body.Fail("valUeId", "valUeId is not . or ..: it could not stand in a path");
        if (body.Wrong is null && pathId is not null && device.ValUeId != pathId)
            body.Fail("valUeId", "valUeId is the one of the path; an identifier cannot be changed");
        if (body.Wrong is { } wrong)
            return wrong;
        return await ServiceNames.WhyUnknownAsync(request, "valServiceIds", device.ValServiceIds) is { } unknown ? unknown : device;
    }
}
