using Keyreeve.Core.Refusals;
using Microsoft.AspNetCore.Http;

namespace Keyreeve.Seal;

/// <summary>PATCH /configurations/{confId}: a JSON Merge Patch, applied to what the configuration is at this moment.</summary>
[Spec("RFC 7396", "2")]
internal static class ModifyConfiguration
{
    /// <summary>How often it is applied anew when somebody else was faster.</summary>
    private const int Attempts = 5;

    public static async Task<Refusal?> HandleAsync(ProvisioningCall call)
    {
        if (!(await call.ReadAsync("application/merge-patch+json")).Succeeded(out var body, out var refusal))
            return refusal;
        var match = await call.IfMatchAsync();
        for (var attempt = 0; attempt < Attempts; attempt++)
        {
            if (await call.Store.FindAsync(call.ValServer.ClientId, call.ConfigId, call.Http.RequestAborted) is not { } before)
                return ProvisioningCall.NotFound;
            if (!before.Config.TryMerge(body.Memory, out var merged, out var error))
                return ValServerDoor.Of(error);
            if (ConfigurationDecision.WhyNot(merged, call.ValServer) is { } why)
                return why;
            if ((await call.SaveAsync(before with { Config = merged }, create: false, match ?? before.Version, "modified")).Succeeded(out var stored, out refusal))
                return await call.AnswerAsync(StatusCodes.Status200OK, stored);
            if (refusal.Code != RefusalCode.Conflict || match is not null)
                return refusal;
        }
        return new Refusal(RefusalCode.Busy, "please try again", "the configuration was changed by others each time it was read");
    }
}
