using System.Buffers;
using System.Security.Cryptography;
using Keyreeve.Core.Refusals;
using Keyreeve.Core.Telemetry;
using Keyreeve.Core.Tokens;
using Keyreeve.Web.Http;
using Keyreeve.Wire.Seal;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Keyreeve.Seal;

// Inside Keyreeve.*, "Client" alone is the namespace of the SDK.
using Client = Keyreeve.Core.Identity.Client;

/// <summary>
/// SS_KeyInfoRetrieval: a VAL server fetches key material of its VAL services (KM-S). Another door to the records of the SEAL KM
/// Request; a GET has no Version, SKmsUri and Date/Time to check, so that only VAL servers come in here, and users by the message.
/// </summary>
[Spec("TS 29.549", "SS_KeyInfoRetrieval")]
public static class RetrieveKeyInfo
{
    /// <summary>The resource "Key Records".</summary>
    public const string Path = "/ss-kir/v1/key-records";

    internal static async Task HandleAsync(HttpContext context)
    {
        var (seal, door) = (context.RequestServices.GetRequiredService<SealContext>(), context.RequestServices.GetRequiredService<ValServerDoor>());
        using var span = Spans.Start(Spans.DecideKeyRequest);
        var scopes = seal.State.Scopes;
        if (!(await door.EnterAsync(context, scopes.KeyManagementAudience, scopes.KeyManagement)).Succeeded(out var token, out var refusal))
        {
            await RefuseAsync(context, refusal);
            return;
        }
        // The query is read before the caller is judged, as the message is at the other door: 400 tells what was sent, nothing else.
        var asked = Acceptable.WhyNotJson(context.Request) is { } notJson ? notJson : Read(context.Request);
        var (payload, encrypted, version, server) = ((byte[]?)null, (string?)null, 0L, (Client?)null);
        if (asked.Succeeded(out var record, out refusal)
            && (await door.ServerOfAsync(token, context.RequestAborted)).Succeeded(out server, out refusal)
            && (refusal = seal.EndToEnd.WhyNotProved(server, token)) is null)
            (payload, version, refusal) = await OpenKeyRecord.RunAsync(context, seal, token, record.ServiceId, record.Identity);
        if (refusal is null)
            (encrypted, refusal) = await seal.EndToEnd.EncryptAsync(server!, payload, context.RequestAborted);
        span?.Stop();
        // What is not audited is not given out.
        var audited = seal.TryAudit(context, token, record is null ? "-" : KeyRecord.Purpose(record.ServiceId, record.Identity), version, refusal);
        if (refusal is null && !audited)
            refusal = new Refusal(RefusalCode.Busy, "please try again", "the audit queue is full: is the disk full?");
        if (refusal is null)
        {
            await WriteAsync(context, seal, token, record!, payload!, encrypted);
        }
        else
        {
            seal.Failures.Count(token, record?.ServiceId, refusal.Code);
            await RefuseAsync(context, refusal);
        }
        if (payload is not null)
            CryptographicOperations.ZeroMemory(payload);
    }

    /// <summary>Worded as ProblemDetails with the 'ErrorCode' of the message's door beside it.</summary>
    internal static Task RefuseAsync(HttpContext context, Refusal refusal)
    {
        context.RequestServices.GetRequiredService<SealContext>().Refused(context, authenticated: !IsOfToken(refusal.Code), refusal);
        var (code, status, cause) = KmErrors.OfApi(refusal.Code);
        SealTelemetry.Answered(code);
        context.Response.Headers.XContentTypeOptions = "nosniff";
        return ProblemDocument.WriteAsync(context, status, cause, refusal.Peer, refusal.Param, refusal.RetryAfter, ("errorCode", KmErrors.TextOf(code)));
    }

    private static bool IsOfToken(RefusalCode code) => KmErrors.Of(code).Code == KmErrorCode.Rejected;

    private static Outcome<Asked> Read(HttpRequest http)
    {
        if (!FormBody.ReadQuery(http).Succeeded(out var query, out var refusal))
            return refusal;
        if (!query.TrySingle("val-service-id", out var service))
            return Refusal.About(RefusalCode.RepeatedParameter, "val-service-id", "val-service-id is sent once");
        if (service is null)
            return Refusal.About(RefusalCode.MissingParameter, "val-service-id", "val-service-id is required");
        if (service.Length > ValTargetUe.MaxIdentity)
            return Refusal.About(RefusalCode.InvalidParameter, "val-service-id", $"val-service-id has at most {ValTargetUe.MaxIdentity} characters");
        return ValTargetUe.TryReadQuery(query, out var target, out var error) ? new Asked(service, target ?? KmIdentity.ServiceOnly) : ValServerDoor.Of(error);
    }

    private static async Task WriteAsync(HttpContext context, SealContext seal, VerifiedToken token, Asked asked, byte[] payload, string? encrypted)
    {
        SealTelemetry.Answered(null);
        var info = new ValKeyInfo(RequestKeyMaterial.UserUriOf(seal.Server.Issuer, token), seal.Settings.SKmsId, asked.ServiceId,
            asked.Identity.Kind == KmIdentityKind.Service ? null : asked.Identity);
        var buffer = new ArrayBufferWriter<byte>(512);
        if (encrypted is null)
            info.Write(buffer, payload);
        else
            info.Write(buffer, encrypted);
        var response = context.Response;
        response.ContentType = "application/json";
        response.Headers.CacheControl = "no-store";
        response.Headers.XContentTypeOptions = "nosniff";
        response.ContentLength = buffer.WrittenCount;
        await response.Body.WriteAsync(buffer.WrittenMemory);
        buffer.Clear();
    }

    /// <param name="ServiceId">VAL service ID.</param>
    /// <param name="Identity">The VAL user or VAL UE, or the service alone.</param>
    private sealed record Asked(string ServiceId, KmIdentity Identity);
}
