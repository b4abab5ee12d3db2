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

// Inside Keyreeve.*, "Client" alone is the namespace of the SDK.
using Client = Keyreeve.Core.Identity.Client;

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
        // Before anything is read: a source that floods us is not answered at length either.
        if (seal.Limits.Enter(context) is { } flood)
        {
            seal.Refused(context, authenticated: false, flood);
            await WriteErrorAsync(context, seal, null, null, flood);
            return;
        }
        // The message is read first only to echo what was asked; every decision begins with the token.
        var sent = await ReadAsync(context.Request);
        var request = sent.Request;
        var scopes = seal.State.Scopes;
        var checkedToken = BearerToken.Check(context.Request, seal.Verifier, scopes.KeyManagementAudience, scopes.KeyManagement);
        if (!checkedToken.Succeeded(out var token, out var refusal))
        {
            BearerToken.Challenge(context.Response, refusal, scopes.KeyManagement);
            seal.Refused(context, authenticated: false, refusal);
            await WriteErrorAsync(context, seal, request, null, refusal);
            return;
        }
        if (seal.Limits.Take(context, token) is { } wait)
        {
            seal.Refused(context, authenticated: true, wait);
            await WriteErrorAsync(context, seal, request, token, wait);
            return;
        }
        if (await seal.SealS.WhyNotAsync(context, token) is { } notTheirs)
        {
            BearerToken.Challenge(context.Response, notTheirs, scopes.KeyManagement);
            seal.Refused(context, authenticated: true, notTheirs);
            await WriteErrorAsync(context, seal, request, token, notTheirs);
            return;
        }
        var (payload, encrypted, version) = ((byte[]?)null, (string?)null, 0L);
        if ((await DecideAsync(context, seal, token, sent)).Succeeded(out var client, out refusal))
            (payload, version, refusal) = await OpenKeyRecord.RunAsync(context, seal, token, request!.ServiceId, request.Identity);
        if (refusal is null)
            (encrypted, refusal) = await seal.EndToEnd.EncryptAsync(client!, payload, context.RequestAborted);
        span?.Stop();
        // What is not audited is not given out.
        var audited = seal.TryAudit(context, token, request is null ? "-" : KeyRecord.Purpose(request.ServiceId, request.Identity), version, refusal);
        if (refusal is null && !audited)
            refusal = new Refusal(RefusalCode.Busy, "please try again", "the audit queue is full: is the disk full?");
        if (refusal is not null)
        {
            seal.Refused(context, authenticated: true, refusal);
            seal.Failures.Count(token, request?.ServiceId, refusal.Code);
            await WriteErrorAsync(context, seal, request, token, refusal);
        }
        else
        {
            await WriteAsync(context, Response(seal, request, token) with { Payload = encrypted ?? Encoding.UTF8.GetString(payload!) }, StatusCodes.Status200OK);
        }
        if (payload is not null)
            CryptographicOperations.ZeroMemory(payload);
    }

    /// <summary>The client that may have the record, for all that can be said without looking it up.</summary>
    private static async ValueTask<Outcome<Client>> DecideAsync(HttpContext context, SealContext seal, VerifiedToken token, Sent sent)
    {
        var cancel = context.RequestAborted;
        try
        {
            if (!(await seal.EndToEnd.ClientOfAsync(token, cancel)).Succeeded(out var client, out var refusal))
                return refusal;
            // Octets that were not read cannot be signed either: then it is for that reason that they are refused.
            if (sent.Body is { } body)
                refusal = await seal.EndToEnd.WhyNotSignedAsync(client, context.Request.Headers[RequestSignature.Header], body, cancel);
            refusal ??= sent.Malformed
                ?? await KmDecision.DecideAsync(sent.Request!, token, seal.Settings, () => seal.Replays.FirstUseAsync(token.Subject, sent.Request!), seal.Now);
            return refusal is null ? client : refusal;
        }
        catch (TryLaterException e) when (!cancel.IsCancellationRequested)
        {
            return new Refusal(RefusalCode.Busy, "please try again", $"the client, or whether the request is new, could not be asked: {e.Message}");
        }
        catch (Exception e) when (!cancel.IsCancellationRequested)
        {
            // What cannot be known to be new counts as a replay, or rather: it may be sent again when the store is back.
            seal.StoreFailed("the client, or the memory of accepted requests,", e);
            return new Refusal(RefusalCode.Busy, "please try again", "the client, or whether the request is new, could not be asked: the log of this moment says why");
        }
    }

    private static async Task<Sent> ReadAsync(HttpRequest http)
    {
        if (FormBody.WhyNotJson(http) is { } notJson)
            return new(null, null, notJson);
        if (!(await FormBody.ReadAsync(http, KmRequest.MaxLength)).Succeeded(out var body, out var refusal))
            return new(null, null, refusal);
        return KmRequest.TryRead(body.Memory, out var request, out var error)
            ? new(body.Memory, request, null)
            : new(body.Memory, null, error.Param is null ? Refusal.Of(RefusalCode.Malformed, error.Reason) : Refusal.About(RefusalCode.InvalidParameter, error.Param, error.Reason));
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
        // A rooted path counts as a URI where paths begin with a slash, and what has to be escaped is none either.
        if (name.IndexOf(':', StringComparison.Ordinal) is > 0 and var colon && Uri.CheckSchemeName(name[..colon]) && !name.AsSpan().ContainsAnyExcept(KmDecision.UriCharacters) && Uri.TryCreate(name, UriKind.Absolute, out _))
            return name;
        return issuer + (token.IsClients ? "/clients/" : "/users/") + Uri.EscapeDataString(name);
    }

    /// <param name="Body">The octets, or null when they were not read.</param>
    /// <param name="Request">What they say, or null.</param>
    /// <param name="Malformed">Why they say nothing.</param>
    private sealed record Sent(ReadOnlyMemory<byte>? Body, KmRequest? Request, Refusal? Malformed);

    private static async Task WriteAsync(HttpContext context, KmResponse message, int status, TimeSpan? retryAfter = null)
    {
        SealTelemetry.Answered(message.ErrorCode);
        await SkmReply.WriteAsync(context, message, status, retryAfter);
    }
}
