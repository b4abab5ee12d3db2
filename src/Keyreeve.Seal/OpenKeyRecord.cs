using Keyreeve.Core.Policy;
using Keyreeve.Core.Refusals;
using Keyreeve.Core.Tokens;
using Keyreeve.Web.Http;
using Keyreeve.Wire.Seal;
using Microsoft.AspNetCore.Http;

namespace Keyreeve.Seal;

/// <summary>
/// Finds and opens a key management record: the one way to key material, whichever door it was asked for at (the SEAL KM Request of
/// TS 33.434, SS_KeyInfoRetrieval of TS 29.549). The door has decided on everything that needs no record.
/// </summary>
[Spec("TS 33.434", "5.3.1")]
internal static class OpenKeyRecord
{
    /// <summary>
    /// Exact match or nothing: a specific request never falls back to a more general record. The newest version that is active now. The caller zeroes
    /// the payload.
    /// </summary>
    public static async Task<(byte[]? Payload, long Version, Refusal? Refusal)> RunAsync(HttpContext context, SealContext seal, VerifiedToken token, string serviceId, KmIdentity identity)
    {
        var (scopes, cancel) = (seal.State.Scopes, context.RequestAborted);
        // Both are asked before anything is looked up: who may not have a record does not learn whether there is one. A VAL service
        // that was taken away has no keys any more, whatever tokens and records are left of it.
        if (!KmDecision.Owns(token, serviceId, identity) || scopes.Find(ScopeCatalogue.ValPrefix + serviceId) is not { } service)
            return (null, 0, KmDecision.NotOwner(token, serviceId, identity));
        // Last of the checks: how strong the login must be is said only to who may ask.
        var demand = new AuthenticationDemand(service.AcrValues);
        if (demand.Judge(token, seal.Now) is { } tooWeak)
        {
            BearerToken.Challenge(context.Response, tooWeak, scopes.KeyManagement, demand);
            return (null, 0, tooWeak);
        }
        // Logs name no VAL user or VAL UE (TS 33.434 4.1-e); the audit names the record.
        var shown = $"record of a {identity.Kind} in VAL service {serviceId}";
        // Asked before the look-up: a sealed node says the same of a record that is there and of one that is not.
        if (seal.Vault.IsSealed)
            return (null, 0, RecordVault.SealedHere);
        FoundKey? found;
        try
        {
            found = await seal.Records.FindActiveAsync(serviceId, identity, seal.Now.ToUnixTimeSeconds(), cancel);
            // Wrapped by a root that another node made since: this one opens it by the root before.
            if (found?.Kek is { } kek)
                await seal.Vault.FollowAsync(kek, cancel);
        }
        catch (TryLaterException e) when (!cancel.IsCancellationRequested)
        {
            return (null, 0, new Refusal(RefusalCode.Busy, "please try again", $"{shown} could not be read: {e.Message}"));
        }
        catch (Exception e) when (!cancel.IsCancellationRequested)
        {
            // "If the SKM-S encounters an error while processing the SEAL KM Request message, an error value ... shall be returned in
            // the 'ErrorCode' field" (5.3.3): also when the store is what fails. The exception is for the log alone.
            seal.StoreFailed(shown, e);
            return (null, 0, new Refusal(RefusalCode.Busy, "please try again", $"{shown} could not be read: the log of this moment says why"));
        }
        if (found?.Version is not { } version)
            return (null, 0, new Refusal(RefusalCode.KeyInformationNotAvailable, "no key information is available", found is null
                ? $"there is no {shown} (the audit has its name): provision it with 'keyreeve admin key add'"
                : $"no version of the {shown} is active now (the audit has its name)"));
        return seal.Vault.Open(KeyRecord.Purpose(serviceId, identity), version, found.Kek).Succeeded(out var payload, out var refusal)
            ? (payload, version.Number, null)
            : (null, 0, refusal with { Operator = $"{shown}: {refusal.Operator}" });
    }
}
