using Keyreeve.Core.Refusals;
using Keyreeve.Web.Http;
using Keyreeve.Wire.Seal;
using Microsoft.AspNetCore.Http;

namespace Keyreeve.Seal;

/// <summary>PUT .../records/{record}: key material for the record, which is made when there is none. Sent again it changes nothing, and says so.</summary>
internal static class ReplaceOwnedRecord
{
    public static async Task<Refusal?> HandleAsync(OwnedRecordCall call)
    {
        if (!call.Identity().Succeeded(out var identity, out var refusal))
            return refusal;
        if (FormBody.WhyNotJson(call.Http.Request) is { } notJson)
            return notJson;
        if (!(await FormBody.ReadAsync(call.Http.Request, KeyMaterial.MaxLength)).Succeeded(out var body, out refusal))
            return refusal;
        var read = KeyMaterial.TryRead(body.Memory, out var material, out var error);
        body.Clear();
        if (!read)
            return ValServerDoor.Of(error!);
        try
        {
            if (!(await call.PreconditionAsync()).Succeeded(out var precondition, out refusal)
                || !(await call.Change.SetAsync(call.ServiceId, identity, material!, precondition.Version, call.Entry(identity, "set"))).Succeeded(out var changed, out refusal))
                return refusal;
            return await call.AnswerAsync(changed.Result == KpResult.Added ? StatusCodes.Status201Created : StatusCodes.Status200OK);
        }
        finally
        {
            material!.Clear();
        }
    }
}
