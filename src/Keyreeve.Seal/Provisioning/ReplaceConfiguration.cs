using Keyreeve.Core.Refusals;
using Microsoft.AspNetCore.Http;

namespace Keyreeve.Seal;

/// <summary>PUT /configurations/{confId}: the whole configuration anew; it does not make one.</summary>
internal static class ReplaceConfiguration
{
    public static async Task<Refusal?> HandleAsync(ProvisioningCall call)
    {
        if (!(await call.ReadConfigAsync()).Succeeded(out var config, out var refusal)
            || !(await call.SaveAsync(new(call.ConfigId, config, 0), create: false, await call.IfMatchAsync(), "replaced")).Succeeded(out var stored, out refusal))
            return refusal;
        return await call.AnswerAsync(StatusCodes.Status200OK, stored);
    }
}
