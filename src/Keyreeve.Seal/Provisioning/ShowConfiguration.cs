using Keyreeve.Core.Refusals;
using Keyreeve.Web.Http;
using Microsoft.AspNetCore.Http;

namespace Keyreeve.Seal;

/// <summary>GET /configurations/{confId}</summary>
internal static class ShowConfiguration
{
    public static async Task<Refusal?> HandleAsync(ProvisioningCall call) =>
        Acceptable.WhyNotJson(call.Http.Request) is { } notJson ? notJson
        : await call.Store.FindAsync(call.ValServer.ClientId, call.ConfigId, call.Http.RequestAborted) is { } stored ? await call.AnswerAsync(StatusCodes.Status200OK, stored)
        : ProvisioningCall.NotFound;
}
