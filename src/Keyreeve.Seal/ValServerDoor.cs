using System.Buffers;
using System.Text.Json;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Refusals;
using Keyreeve.Core.Snapshots;
using Keyreeve.Core.Tokens;
using Keyreeve.Web.Clients;
using Keyreeve.Web.Http;
using Keyreeve.Web.Limits;
using Keyreeve.Web.Telemetry;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Keyreeve.Seal;

// Inside Keyreeve.*, "Client" alone is the namespace of the SDK.
using Client = Keyreeve.Core.Identity.Client;

/// <summary>What the three APIs of TS 29.549 share: who may come in, and the one way to refuse, log and audit.</summary>
public sealed partial class ValServerDoor(SnapshotState state, ServerIdentity server, TokenVerifier verifier, SealS sealS, RequestLimits limits, AuditQueue audit, LatestMoment latest, TimeProvider clock, ILogger<ValServerDoor> log)
{
    /// <summary>Scopes and clients.</summary>
    public SnapshotState State { get; } = state;

    /// <summary>Who we are.</summary>
    public ServerIdentity Server { get; } = server;

    /// <summary>Now.</summary>
    public DateTimeOffset Now => clock.GetUtcNow();

    /// <summary>Now, or the latest moment at which a token was issued, when the clock was set back since.</summary>
    public DateTimeOffset NowOrLatest => latest.OrLater(Now);

    /// <summary>
    /// A token for the API, within the rates of its source and its client, with the certificate that its client must show; a refusal of the token
    /// has its challenge on the answer.
    /// </summary>
    [Spec("TS 33.434", "4.1")]
    public async ValueTask<Outcome<VerifiedToken>> EnterAsync(HttpContext context, string audience, string scope) =>
        WhyNotNow(context) is { } tooMany ? tooMany : await CheckAsync(context, audience, scope);

    /// <summary>Before anything is read: why the source must wait, or null. Counts the request, so that <see cref="CheckAsync"/> follows and not <see cref="EnterAsync"/>.</summary>
    public Refusal? WhyNotNow(HttpContext context) => limits.Enter(context);

    /// <summary>What is left of <see cref="EnterAsync"/> after <see cref="WhyNotNow"/>.</summary>
    public async ValueTask<Outcome<VerifiedToken>> CheckAsync(HttpContext context, string audience, string scope)
    {
        if (!BearerToken.Check(context.Request, verifier, audience, scope).Succeeded(out var token, out var refusal))
        {
            BearerToken.Challenge(context.Response, refusal, scope);
            return refusal;
        }
        if (limits.Take(context, token) is { } wait)
            return wait;
        if (await sealS.WhyNotAsync(context, token) is not { } notTheirs)
            return token;
        BearerToken.Challenge(context.Response, notTheirs, scope);
        return notTheirs;
    }

    /// <summary>
    /// The VAL server that a token speaks for, as it is registered now. "VAL server" is a client that asks in its own name: a user's
    /// token is none, whatever client it was issued to.
    /// </summary>
    public async ValueTask<Outcome<Client>> ServerOfAsync(VerifiedToken token, CancellationToken cancel)
    {
        if (!token.IsClients)
            return new Refusal(RefusalCode.NotOwner, "only a VAL server may ask", $"the token of {token.Subject} is a user's");
        return await State.FindClientAsync(token.ClientId, cancel) is { Disabled: false } client ? client
            : new Refusal(RefusalCode.NotOwner, "only a VAL server may ask", $"client {token.ClientId} is switched off or removed");
    }

    /// <summary>Counts and logs a refusal; one of somebody who proved nothing is counted per source.</summary>
    public void Refused(HttpContext context, string kind, Refusal refusal)
    {
        WebTelemetry.Refused(kind, refusal.Code);
        LogRefused(log, kind, refusal.Code, refusal.Operator, context.TraceIdentifier);
        if (IsUnproved(refusal.Code))
            audit.Count(context.Connection.RemoteIpAddress?.ToString(), kind, refusal.Code);
    }

    /// <summary>The audit line of a change or of an answer.</summary>
    public AuditEntry Entry(HttpContext context, string kind, AuditOutcome outcome, VerifiedToken token, string? subject, string? detail) => new()
    {
        Kind = kind,
        Outcome = outcome,
        At = Now.ToUnixTimeMilliseconds(),
        Actor = token.Subject,
        ClientId = token.ClientId,
        Subject = subject,
        Detail = detail,
        Source = context.Connection.RemoteIpAddress?.ToString(),
        CorrelationId = context.TraceIdentifier,
    };

    /// <summary>Queues a line of what changes nothing. False: then it is not answered.</summary>
    public bool TryAudit(AuditEntry entry) => audit.TryAdd(entry);

    /// <summary>What a body was refused for, as the peer is told.</summary>
    public static Refusal Of(Wire.Seal.KmRequestError error) =>
        error.Param is null ? Refusal.Of(RefusalCode.Malformed, error.Reason) : Refusal.About(RefusalCode.InvalidParameter, error.Param, error.Reason);

    /// <summary>Answers with JSON that nobody keeps.</summary>
    public static async Task WriteAsync(HttpContext context, int status, Action<Utf8JsonWriter> write)
    {
        var buffer = new ArrayBufferWriter<byte>(1024);
        using (var json = new Utf8JsonWriter(buffer))
            write(json);
        var response = context.Response;
        response.StatusCode = status;
        response.ContentType = "application/json";
        response.Headers.CacheControl = "no-store";
        response.Headers.XContentTypeOptions = "nosniff";
        response.ContentLength = buffer.WrittenCount;
        await response.Body.WriteAsync(buffer.WrittenMemory);
        buffer.Clear();
    }

    /// <summary>304: the caller has it already (RFC 9110 15.4.5); its tag was written before.</summary>
    public static void WriteNotModified(HttpContext context)
    {
        context.Response.StatusCode = StatusCodes.Status304NotModified;
        context.Response.Headers.CacheControl = "no-store";
        context.Response.Headers.XContentTypeOptions = "nosniff";
    }

    private static bool IsUnproved(RefusalCode code) => code is RefusalCode.TokenMissing or RefusalCode.TokenInvalid or RefusalCode.TokenExpired or RefusalCode.TokenRevoked
        or RefusalCode.TokenForAnotherAudience or RefusalCode.InsufficientScope;

    [LoggerMessage(EventId = 1, Level = LogLevel.Information, Message = "{Kind} refused: {Code}: {Why} (request {CorrelationId})")]
    private static partial void LogRefused(ILogger log, string kind, RefusalCode code, string why, string correlationId);
}
