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
    /// <summary>Exact match or nothing: a specific request never falls back to a more general record. The caller zeroes the payload.</summary>
    public static async Task<(byte[]? Payload, Refusal? Refusal)> RunAsync(HttpContext context, SealContext seal, VerifiedToken token, string serviceId, KmIdentity identity)
    {
        var (scopes, cancel) = (seal.State.Scopes, context.RequestAborted);
        // Both are asked before anything is looked up: who may not have a record does not learn whether there is one. A VAL service
        // that was taken away has no keys any more, whatever tokens and records are left of it.
        if (!KmDecision.Owns(token, serviceId, identity) || scopes.Find(ScopeCatalogue.ValPrefix + serviceId) is not { } service)
            return (null, KmDecision.NotOwner(token, serviceId, identity));
        // Last of the checks: how strong the login must be is said only to who may ask.
        var demand = new AuthenticationDemand(service.AcrValues);
        if (demand.Judge(token, seal.Now) is { } tooWeak)
        {
            BearerToken.Challenge(context.Response, tooWeak, scopes.KeyManagement, demand);
            return (null, tooWeak);
        }
        // Logs name no VAL user or VAL UE (TS 33.434 4.1-e); the audit names the record.
        var shown = $"record of a {identity.Kind} in VAL service {serviceId}";
        KeyRecord? record;
        try
        {
            record = await seal.Records.FindAsync(serviceId, identity, cancel);
        }
        catch (TryLaterException e) when (!cancel.IsCancellationRequested)
        {
            return (null, new Refusal(RefusalCode.Busy, "please try again", $"{shown} could not be read: {e.Message}"));
        }
        catch (Exception e) when (!cancel.IsCancellationRequested)
        {
            // "If the SKM-S encounters an error while processing the SEAL KM Request message, an error value ... shall be returned in
            // the 'ErrorCode' field" (5.3.3): also when the store is what fails. The exception is for the log alone.
            seal.StoreFailed(shown, e);
            return (null, new Refusal(RefusalCode.Busy, "please try again", $"{shown} could not be read: the log of this moment says why"));
        }
        if (record is null)
            return (null, new Refusal(RefusalCode.KeyInformationNotAvailable, "no key information is available", $"there is no {shown} (the audit has its name): provision it with 'keyreeve admin key add'"));
        return seal.Kek.TryOpen(KeyRecord.Purpose(serviceId, identity), record.SealedPayload, out var payload)
            ? (payload, null)
            : (null, new Refusal(RefusalCode.Unavailable, "the server could not complete the request", $"{shown} does not open with {seal.Kek}: {seal.Kek.WhyNot(record.SealedPayload)}"));
    }
}
