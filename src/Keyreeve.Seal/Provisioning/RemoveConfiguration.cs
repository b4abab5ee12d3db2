using Keyreeve.Core.Refusals;
using Microsoft.AspNetCore.Http;

namespace Keyreeve.Seal;

/// <summary>DELETE /configurations/{confId}: takes away what it gave, and nothing that an operator or another configuration gave.</summary>
internal static class RemoveConfiguration
{
    public static async Task<Refusal?> HandleAsync(ProvisioningCall call)
    {
        var removed = await call.Store.RemoveAsync(call.ValServer.ClientId, call.ConfigId, await call.IfMatchAsync(), call.Door.NowOrLatest, call.Entry(call.ConfigId, "removed"), CancellationToken.None);
        await call.Door.State.RefreshAsync(CancellationToken.None);
        if (!removed.Succeeded(out _, out var refusal))
            return refusal;
        call.Http.Response.StatusCode = StatusCodes.Status204NoContent;
        return null;
    }
}
