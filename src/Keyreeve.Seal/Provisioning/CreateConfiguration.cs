using System.Buffers.Text;
using System.Security.Cryptography;
using Keyreeve.Core.Refusals;
using Microsoft.AspNetCore.Http;

namespace Keyreeve.Seal;

/// <summary>
/// POST /configurations: "A mapping between the VAL user ID and VAL service ID(s) shall be created and maintained in the SIM-S."
/// </summary>
[Spec("TS 29.549", "SS_IdmParameterProvisioning")]
[Spec("TS 33.434", "5.2.3")]
internal static class CreateConfiguration
{
    /// <summary>128 bits: nobody guesses at another VAL server's.</summary>
    private const int IdOctets = 16;

    public static async Task<Refusal?> HandleAsync(ProvisioningCall call)
    {
        if (!(await call.ReadConfigAsync()).Succeeded(out var config, out var refusal))
            return refusal;
        var asked = new StoredConfiguration(Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(IdOctets)), config, 0);
        if (!(await call.SaveAsync(asked, create: true, null, "created")).Succeeded(out var stored, out refusal))
            return refusal;
        call.Http.Response.Headers.Location = $"{call.Door.Server.Issuer}{ProvisioningCall.Collection}/{stored.ConfigId}";
        return await call.AnswerAsync(StatusCodes.Status201Created, stored);
    }
}
