using Keyreeve.Core.Refusals;
using Keyreeve.Wire.Seal;

namespace Keyreeve.Seal;

// Inside Keyreeve.*, "Client" alone is the namespace of the SDK.
using Client = Keyreeve.Core.Identity.Client;

/// <summary>
/// Whether a VAL server may provision a configuration. It decides about its own VAL services alone; for whom is its own affair: the
/// identities need not be known here, and the answer does not tell whether they are.
/// </summary>
[Spec("TS 33.434", "5.2.3")]
public static class ConfigurationDecision
{
    /// <summary>Null when it may.</summary>
    public static Refusal? WhyNot(ValServicesConfig config, Client valServer)
    {
        // "valServerId: The Identifier of the VAL server provisioning the VAL services configuration."
        if (!string.Equals(config.ValServerId, valServer.ClientId, StringComparison.Ordinal))
            return Refuse("/valServerId", "valServerId is not the VAL server that asks", $"VAL server {valServer.ClientId} asked in another one's name");
        for (var i = 0; i < config.Services.Count; i++)
            if (!valServer.OwnedServices.Contains(config.Services[i].ServiceId, StringComparer.Ordinal))
                return Refuse($"/valSvcConf/{i}/valServiceId", "the VAL service is not one of yours", $"VAL server {valServer.ClientId} does not own every VAL service it provisions: see its ownedServices");
        return null;
    }

    private static Refusal Refuse(string param, string peer, string why) => new(RefusalCode.NotOwner, peer, why) { Param = param };
}
