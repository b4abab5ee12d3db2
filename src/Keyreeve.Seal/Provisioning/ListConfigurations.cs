using Keyreeve.Core.Refusals;
using Keyreeve.Web.Http;
using Microsoft.AspNetCore.Http;

namespace Keyreeve.Seal;

/// <summary>
/// GET /configurations?val-server-id&amp;config-ids: the caller's own. One that asks for another VAL server's finds none, as when there are none.
/// </summary>
internal static class ListConfigurations
{
    public static async Task<Refusal?> HandleAsync(ProvisioningCall call)
    {
        if (Acceptable.WhyNotJson(call.Http.Request) is { } notJson)
            return notJson;
        if (!FormBody.ReadQuery(call.Http.Request).Succeeded(out var query, out var refusal))
            return refusal;
        if (!query.TrySingle("val-server-id", out var server))
            return Refusal.About(RefusalCode.RepeatedParameter, "val-server-id", "val-server-id is sent once");
        // An array in style form: config-ids=A&config-ids=B. Our IDs have no comma, so that config-ids=A,B is understood too.
        var sent = query.Pairs.Where(p => p.Key == "config-ids").ToList();
        var ids = sent.SelectMany(p => p.Value.Split(',')).ToList();
        if (ids.Exists(id => id.Length == 0) || ids.Count > IConfigurationStore.MaxConfigurations)
            return Refusal.About(RefusalCode.InvalidParameter, "config-ids", $"config-ids names 1 to {IConfigurationStore.MaxConfigurations} configurations");
        var found = server is not null && server != call.ValServer.ClientId ? []
            : await call.Store.ListAsync(call.ValServer.ClientId, sent.Count == 0 ? null : ids, call.Http.RequestAborted);
        await ValServerDoor.WriteAsync(call.Http, StatusCodes.Status200OK, json =>
        {
            json.WriteStartArray();
            foreach (var one in found)
                one.Config.Write(json);
            json.WriteEndArray();
        });
        return null;
    }
}
