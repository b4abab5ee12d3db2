using System.Buffers;
using System.Security.Cryptography;
using System.Text;
using Keyreeve.Core.Refusals;
using Keyreeve.Core.Telemetry;
using Keyreeve.Core.Tokens;
using Keyreeve.Web.Http;
using Keyreeve.Wire.Seal;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Keyreeve.Seal;

/// <summary>
/// The SEAL key management procedure, figure 5.3.1-1 step 3: "The SKM-S authorizes the request and if valid, sends a SEAL KM
/// Response message containing the requested key material (or error code)".
/// </summary>
[Spec("TS 33.434", "5.3.1")]
public static class RequestKeyMaterial
{
    /// <summary>Where requests are posted (the coding is ours, docs/spec/choices.md).</summary>
    public const string Path = "/seal/km/v1/requests";

    internal static async Task HandleAsync(HttpContext context)
    {
        var seal = context.RequestServices.GetRequiredService<SealContext>();
        using var span = Spans.Start(Spans.DecideKeyRequest);
        // The message is read first only to echo what was asked; every decision begins with the token.
        var (request, malformed) = await ReadAsync(context.Request);
        var scopes = seal.State.Scopes;
        var checkedToken = BearerToken.Check(context.Request, seal.Verifier, scopes.KeyManagementAudience, scopes.KeyManagement);
        if (!checkedToken.Succeeded(out var token, out var refusal))
        {
            BearerToken.Challenge(context.Response, refusal, scopes.KeyManagement);
            seal.Refused(context, authenticated: false, refusal);
            await WriteErrorAsync(context, seal, request, null, refusal);
            return;
        }
        refusal = malformed ?? await DecideAsync(context, seal, token, request!);
        byte[]? payload = null;
        var version = 0L;
        if (refusal is null)
            (payload, version, refusal) = await OpenKeyRecord.RunAsync(context, seal, token, request!.ServiceId, request.Identity);
        span?.Stop();
        // What is not audited is not given out.
        var audited = seal.TryAudit(context, token, request is null ? "-" : KeyRecord.Purpose(request.ServiceId, request.Identity), version, refusal);
        if (refusal is null && !audited)
            refusal = new Refusal(RefusalCode.Busy, "please try again", "the audit queue is full: is the disk full?");
        if (refusal is not null)
        {
            seal.Refused(context, authenticated: true, refusal);
            await WriteErrorAsync(context, seal, request, token, refusal);
        }
        else
        {
            await WriteAsync(context, Response(seal, request, token) with { Payload = Encoding.UTF8.GetString(payload!) }, StatusCodes.Status200OK);
        }
        if (payload is not null)
            CryptographicOperations.ZeroMemory(payload);
    }

    private static async ValueTask<Refusal?> DecideAsync(HttpContext context, SealContext seal, VerifiedToken token, KmRequest request)
    {
        try
        {
            return await KmDecision.DecideAsync(request, token, seal.Settings, () => seal.Replays.FirstUseAsync(token.Subject, request), seal.Now);
        }
        catch (TryLaterException e) when (!context.RequestAborted.IsCancellationRequested)
        {
            return new Refusal(RefusalCode.Busy, "please try again", $"whether the request is new could not be asked: {e.Message}");
        }
        catch (Exception e) when (!context.RequestAborted.IsCancellationRequested)
        {
            // What cannot be known to be new counts as a replay, or rather: it may be sent again when the store is back.
            seal.StoreFailed("the memory of accepted requests", e);
            return new Refusal(RefusalCode.Busy, "please try again", "whether the request is new could not be asked: the log of this moment says why");
        }
    }

    private static async Task<(KmRequest? Request, Refusal? Malformed)> ReadAsync(HttpRequest http)
    {
        if (!FormBody.IsMediaType(http.ContentType, "application/json"))
            return (null, Refusal.Of(RefusalCode.Malformed, "the body is application/json"));
        if (!(await FormBody.ReadAsync(http, KmRequest.MaxLength)).Succeeded(out var body, out var refusal))
            return (null, refusal);
        return KmRequest.TryRead(body.Memory, out var request, out var error)
            ? (request, null)
            : (null, error.Param is null ? Refusal.Of(RefusalCode.Malformed, error.Reason) : Refusal.About(RefusalCode.InvalidParameter, error.Param, error.Reason));
    }

    /// <summary>A refusal from outside of the operation: nothing of the request is echoed.</summary>
    internal static Task RefuseAsync(HttpContext context, Refusal refusal) =>
        WriteErrorAsync(context, context.RequestServices.GetRequiredService<SealContext>(), null, null, refusal);

    private static Task WriteErrorAsync(HttpContext context, SealContext seal, KmRequest? request, VerifiedToken? token, Refusal refusal)
    {
        var (code, status) = KmErrors.Of(refusal.Code);
        return WriteAsync(context, Response(seal, request, token) with { ErrorCode = code }, status, refusal.RetryAfter);
    }

    private static KmResponse Response(SealContext seal, KmRequest? request, VerifiedToken? token) => new()
    {
        UserUri = token is null ? null : UserUriOf(seal.Server.Issuer, token),
        SKmsUri = seal.Settings.SKmsUris[0],
        ServiceId = request?.ServiceId,
        SKmsId = seal.Settings.SKmsId,
        // "If this field is present in the SEAL KM Request message then this field shall be present in the SEAL KM Response message and
        // shall be the same value." (table 5.3.3-1, NOTE)
        Identity = request?.Identity,
        DateTime = seal.Now.ToUnixTimeSeconds(),
    };

    /// <summary>The VAL user ID where it is a URI itself, else a URI of ours for the user or the VAL server (docs/spec/choices.md).</summary>
    public static string UserUriOf(string issuer, VerifiedToken token)
    {
        var name = token.ValUserId ?? token.Subject;
        if (name.Contains(':', StringComparison.Ordinal) && Uri.TryCreate(name, UriKind.Absolute, out _))
            return name;
        return issuer + (token.IsClients ? "/clients/" : "/users/") + Uri.EscapeDataString(name);
    }

    private static async Task WriteAsync(HttpContext context, KmResponse message, int status, TimeSpan? retryAfter = null)
    {
        SealTelemetry.Answered(message.ErrorCode);
        var response = context.Response;
        response.StatusCode = status;
        RetryLater.Apply(response, retryAfter);
        response.ContentType = "application/json";
        response.Headers.CacheControl = "no-store";
        response.Headers.XContentTypeOptions = "nosniff";
        if (message.ErrorCode is not null)
            response.Headers["X-Request-Id"] = context.TraceIdentifier;
        var buffer = new ArrayBufferWriter<byte>(512);
        message.Write(buffer);
        response.ContentLength = buffer.WrittenCount;
        await response.Body.WriteAsync(buffer.WrittenMemory);
        if (message.Payload is not null)
            buffer.Clear();
    }
}
