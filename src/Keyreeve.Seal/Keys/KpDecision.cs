using Keyreeve.Core.Policy;
using Keyreeve.Core.Refusals;
using Keyreeve.Core.Tokens;

namespace Keyreeve.Seal;

// Inside Keyreeve.*, "Client" alone is the namespace of the SDK.
using Client = Keyreeve.Core.Identity.Client;

/// <summary>
/// Who may provision keys: "only a SKM-C in a VAL server", with a token that says so, for a VAL service it owns, by the token and by its registration of
/// this moment. All of it is decided before any record is looked up.
/// </summary>
[Spec("TS 33.434", "5.8")]
public static class KpDecision
{
    /// <summary>Null when the token has the parameter <c>SKeyProv</c> (A.2.2.3 of Release 18). One without is not a token for this, as one without the scope.</summary>
    public static Refusal? WhyNot(VerifiedToken token) => token.MayProvisionKeys
        ? null
        : new(RefusalCode.InsufficientScope, "the access token is not one for key provisioning", $"token {token.Claims.JwtId} has no SKeyProv: it is not a VAL server's own");

    /// <summary>Null when the VAL server may provision keys of the service. The same for a service of somebody else, and for one that does not exist.</summary>
    public static Refusal? WhyNotOwner(VerifiedToken token, Client valServer, string serviceId, ScopeCatalogue scopes) =>
        token.ValServiceIds.Contains(serviceId, StringComparer.Ordinal) && valServer.OwnedServices.Contains(serviceId, StringComparer.Ordinal)
            && scopes.Find(ScopeCatalogue.ValPrefix + serviceId) is not null
                ? null
                : new(RefusalCode.NotOwner, "the VAL service is not one of yours", $"VAL server {valServer.ClientId} does not own the VAL service it provisions keys for: see its ownedServices, and get a new token when they have changed");
}
