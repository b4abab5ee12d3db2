using Keyreeve.Core.Refusals;
using Microsoft.AspNetCore.Http;

namespace Keyreeve.Seal;

/// <summary>DELETE .../records/{record}: given to nobody from now on; it can be recovered until it is shredded. Removing it again changes nothing.</summary>
internal static class RemoveOwnedRecord
{
    public static async Task<Refusal?> HandleAsync(OwnedRecordCall call)
    {
        if (!call.Identity().Succeeded(out var identity, out var refusal)
            || !(await call.PreconditionAsync()).Succeeded(out var precondition, out refusal)
            || !(await call.Change.RemoveAsync(call.ServiceId, identity, precondition.Version, call.Entry(identity, "removed"))).Succeeded(out _, out refusal))
            return refusal;
        call.Http.Response.StatusCode = StatusCodes.Status204NoContent;
        return null;
    }
}
