using Keyreeve.Core.Audit;
using Keyreeve.Core.Refusals;
using Keyreeve.Core.Tokens;
using Keyreeve.Web.Http;
using Keyreeve.Wire.Seal;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Keyreeve.Seal;

/// <summary>
/// SEAL key provisioning (clause 5.8 of Release 18): a VAL server sends a SEAL KP Request for one VAL service, client, device or user, the SKM-S
/// validates its token and its right to provision, and answers with an acknowledgement or an error code. The acknowledgement leaves when the change is
/// on disk together with its audit line.
/// </summary>
[Spec("TS 33.434", "5.8")]
public static class ProvisionKeys
{
    /// <summary>Where requests are posted (the coding is ours, docs/spec/choices.md).</summary>
    public const string Path = "/seal/km/v1/provisioning";

    private const string Kind = "km.provision";

    internal static async Task HandleAsync(HttpContext context)
    {
        var (seal, door) = (context.RequestServices.GetRequiredService<SealContext>(), context.RequestServices.GetRequiredService<ValServerDoor>());
        // Before anything is read: a source that floods us is not answered at length either.
        if (door.WhyNotNow(context) is { } flood)
        {
            await RefuseAsync(context, seal, door, null, null, flood);
            return;
        }
        // As at the door of key requests, what is short is read first, only to echo what was asked. What is long is read for none but those who may send it.
        var isShort = context.Request.ContentLength <= KmRequest.MaxLength;
        var sent = isShort ? await ReadAsync(context.Request) : new(null, null, null);
        try
        {
            var scopes = seal.State.Scopes;
            var entered = (await door.CheckAsync(context, scopes.KeyManagementAudience, scopes.KeyProvisioning)).Succeeded(out var token, out var refusal);
            if (entered && (refusal = KpDecision.WhyNot(token!)) is not null)
                BearerToken.Challenge(context.Response, refusal, scopes.KeyProvisioning);
            if (refusal is not null)
            {
                await RefuseAsync(context, seal, door, sent.Request, null, refusal);
                return;
            }
            if (!isShort)
                sent = await ReadAsync(context.Request);
            var request = sent.Request;
            var result = KpResult.Unchanged;
            refusal = await DecideAsync(context, seal, door, token!, sent);
            if (refusal is null)
                (await ActAsync(context, seal, door, token!, request!)).Succeeded(out result, out refusal);
            // What changes nothing has no transaction to be audited in.
            if ((refusal is not null || result == KpResult.Unchanged) && !door.TryAudit(Entry(context, door, token!, request, refusal is null ? AuditOutcome.Granted : AuditOutcome.Refused, refusal)) && refusal is null)
                refusal = new(RefusalCode.Busy, "please try again", "the audit queue is full: is the disk full?");
            if (refusal is not null)
                await RefuseAsync(context, seal, door, request, token, refusal);
            else
                await WriteAsync(context, Response(seal, request, token) with { Result = result }, StatusCodes.Status200OK);
        }
        finally
        {
            sent.Request?.Material?.Clear();
            sent.Body?.Clear();
        }
    }

    /// <summary>A refusal from outside of the operation: nothing of the request is echoed.</summary>
    internal static Task RefuseAsync(HttpContext context, Refusal refusal)
    {
        var (code, status) = KmErrors.Of(refusal.Code);
        return WriteAsync(context, Response(context.RequestServices.GetRequiredService<SealContext>(), null, null) with { ErrorCode = code }, status, refusal.RetryAfter);
    }

    /// <summary>
    /// The order of the key request: the token (before this), the signature over the body where one is demanded, SKmsUri, Date/Time, replay, and the
    /// right to provision; only then the store is asked.
    /// </summary>
    private static async Task<Refusal?> DecideAsync(HttpContext context, SealContext seal, ValServerDoor door, VerifiedToken token, Sent sent)
    {
        try
        {
            if (!(await seal.EndToEnd.ClientOfAsync(token, context.RequestAborted)).Succeeded(out var client, out var refusal))
                return refusal;
            if (sent.Body is { } body && await seal.EndToEnd.WhyNotSignedAsync(client, context.Request.Headers[RequestSignature.Header], body.Memory, context.RequestAborted) is { } unsigned)
                return unsigned;
            if (sent.Request is not { } request)
                return sent.Malformed;
            // The same memory as that of key requests, under a name that no token subject has: one message does not use up the other.
            if (await KmDecision.DecideAsync(request.Asked, token, seal.Settings, () => seal.Replays.FirstUseAsync("\u0001kp\u0001" + token.Subject, request.Asked), seal.Now) is { } wrong)
                return wrong;
            return !(await door.ServerOfAsync(token, context.RequestAborted)).Succeeded(out var valServer, out refusal)
                ? refusal
                : KpDecision.WhyNotOwner(token, valServer, request.Asked.ServiceId, seal.State.Scopes);
        }
        catch (Exception e) when (!context.RequestAborted.IsCancellationRequested)
        {
            return Failed(seal, "whether the request is new", e);
        }
    }

    private static async Task<Outcome<KpResult>> ActAsync(HttpContext context, SealContext seal, ValServerDoor door, VerifiedToken token, KpRequest request)
    {
        var (service, identity, entry) = (request.Asked.ServiceId, request.Asked.Identity, Entry(context, door, token, request, AuditOutcome.Changed, null));
        var change = context.RequestServices.GetRequiredService<ChangeKeyRecord>();
        try
        {
            var changed = request.Operation switch
            {
                KpOperation.Set => await change.SetAsync(service, identity, request.Material!, null, entry),
                KpOperation.Remove => await change.RemoveAsync(service, identity, null, entry),
                KpOperation.Recover => await change.RecoverAsync(service, identity, entry),
            };
            return changed.Succeeded(out var done, out var refusal) ? done.Result : refusal;
        }
        catch (Exception e) when (!context.RequestAborted.IsCancellationRequested)
        {
            return Failed(seal, "the key store", e);
        }
    }

    /// <summary>Nobody knows whether it was written: to send it again is harmless.</summary>
    private static Refusal Failed(SealContext seal, string what, Exception e)
    {
        if (e is TryLaterException)
            return new(RefusalCode.Busy, "please try again", $"{what} could not be asked: {e.Message}");
        seal.StoreFailed(what, e);
        return new(RefusalCode.Busy, "please try again", $"{what} could not be asked: the log of this moment says why");
    }

    private static async Task<Sent> ReadAsync(HttpRequest http)
    {
        if (FormBody.WhyNotJson(http) is { } notJson)
            return new(null, null, notJson);
        if (!(await FormBody.ReadAsync(http, KpRequest.MaxLength)).Succeeded(out var body, out var refusal))
            return new(null, null, refusal);
        return KpRequest.TryRead(body.Memory, out var request, out var error) ? new(body, request, null) : new(body, null, ValServerDoor.Of(error!));
    }

    /// <summary>Who, which record and what is done with it; never the payload.</summary>
    private static AuditEntry Entry(HttpContext context, ValServerDoor door, VerifiedToken token, KpRequest? request, AuditOutcome outcome, Refusal? refusal) =>
        door.Entry(context, Kind, outcome, token,
            request is null ? "-" : KeyRecord.Purpose(request.Asked.ServiceId, request.Asked.Identity),
            refusal is null ? KpRequest.TextOf(request!.Operation) : $"{refusal.Code}: {refusal.Operator}");

    private static Task RefuseAsync(HttpContext context, SealContext seal, ValServerDoor door, KpRequest? request, VerifiedToken? token, Refusal refusal)
    {
        door.Refused(context, Kind, refusal);
        var (code, status) = KmErrors.Of(refusal.Code);
        return WriteAsync(context, Response(seal, request, token) with { ErrorCode = code }, status, refusal.RetryAfter);
    }

    private static KpResponse Response(SealContext seal, KpRequest? request, VerifiedToken? token) => new()
    {
        UserUri = token is null ? null : RequestKeyMaterial.UserUriOf(seal.Server.Issuer, token),
        SKmsUri = seal.Settings.SKmsUris[0],
        ServiceId = request?.Asked.ServiceId,
        SKmsId = seal.Settings.SKmsId,
        Identity = request?.Asked.Identity,
        DateTime = seal.Now.ToUnixTimeSeconds(),
    };

    private static async Task WriteAsync(HttpContext context, KpResponse message, int status, TimeSpan? retryAfter = null)
    {
        SealTelemetry.Provisioned(message.ErrorCode);
        await SkmReply.WriteAsync(context, message, status, retryAfter);
    }

    /// <param name="Body">As it came, which is what a signature is over; null when it was not read.</param>
    /// <param name="Request">The message.</param>
    /// <param name="Malformed">Why there is none.</param>
    private sealed record Sent(FormBody.Body? Body, KpRequest? Request, Refusal? Malformed);
}
