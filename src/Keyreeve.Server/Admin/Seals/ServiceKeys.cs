using System.Text.Json.Nodes;
using Keyreeve.Core.Refusals;

namespace Keyreeve.Server.Admin.Seals;

/// <summary>POST /seal/services/{serviceId}/rotate and /destroy: the keys of one VAL service, which need not be registered here.</summary>
internal static class ServiceKeys
{
    public static async Task<AdminAnswer> RotateAsync(AdminRequest request) =>
        (await request.Admin.Seal.RotateServiceAsync(request.Id, request.Entry("seal.service_key_rotated", null, request.Id, null))).Succeeded(out _, out var refusal)
            ? await ShowSeal.HandleAsync(request)
            : refusal;

    public static async Task<AdminAnswer> DestroyAsync(AdminRequest request)
    {
        if (!(await request.ReadAsync(SealJson.Destruction)).Succeeded(out var body, out var refusal))
            return refusal;
        var confirmed = body.RequiredText("serviceId");
        if (body.Wrong is null && confirmed != request.Id)
            body.Fail("serviceId", "serviceId is not that of the path: nothing was destroyed");
        if (body.Wrong is { } wrong)
            return wrong;
        if (!(await request.Admin.Seal.DestroyServiceAsync(request.Id, request.Entry("seal.service_keys_destroyed", null, request.Id, null))).Succeeded(out var destroyed, out refusal))
            return refusal;
        return AdminAnswer.Ok(new JsonObject
        {
            ["serviceId"] = request.Id,
            ["destroyed"] = destroyed,
            ["note"] = "backups made before now still hold them, under the root of that time: docs/operations.md, the seal",
        });
    }
}
