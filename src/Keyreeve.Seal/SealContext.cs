using Keyreeve.Core.Audit;
using Keyreeve.Core.Refusals;
using Keyreeve.Core.Snapshots;
using Keyreeve.Core.Tokens;
using Keyreeve.Web.Clients;
using Keyreeve.Web.Limits;
using Keyreeve.Web.Telemetry;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Keyreeve.Seal;

/// <summary>What the operations of this slice share.</summary>
public sealed partial class SealContext(SnapshotState state, ServerIdentity server, TokenVerifier verifier, SealS sealS, SealSettings settings, IReplayMemory replays,
    IKeyRecordStore records, EndToEnd endToEnd, KeyFailures failures, RequestLimits limits, RecordVault vault, AuditQueue audit, TimeProvider clock, ILogger<SealContext> log)
{
    /// <summary>Scopes.</summary>
    public SnapshotState State { get; } = state;

    /// <summary>Who we are.</summary>
    public ServerIdentity Server { get; } = server;

    /// <summary>Checks tokens.</summary>
    public TokenVerifier Verifier { get; } = verifier;

    /// <summary>Who must show a certificate too.</summary>
    public SealS SealS { get; } = sealS;

    /// <summary>Settings.</summary>
    public SealSettings Settings { get; } = settings;

    /// <summary>Requests seen.</summary>
    public IReplayMemory Replays { get; } = replays;

    /// <summary>Key records.</summary>
    public IKeyRecordStore Records { get; } = records;

    /// <summary>Signatures of requests, encryption of answers.</summary>
    public EndToEnd EndToEnd { get; } = endToEnd;

    /// <summary>What those who are told of failures will hear.</summary>
    public KeyFailures Failures { get; } = failures;

    /// <summary>How much one source and one client may ask.</summary>
    public RequestLimits Limits { get; } = limits;

    /// <summary>Opens payloads.</summary>
    public RecordVault Vault { get; } = vault;

    /// <summary>Now.</summary>
    public DateTimeOffset Now => clock.GetUtcNow();

    /// <summary>Audits a KM request, granted or refused: who, which record and version, never the payload. False when the audit is full.</summary>
    public bool TryAudit(HttpContext context, VerifiedToken token, string record, long version, Refusal? refusal) => audit.TryAdd(new AuditEntry
    {
        Kind = "km.request",
        Outcome = refusal is null ? AuditOutcome.Granted : AuditOutcome.Refused,
        At = clock.GetUtcNow().ToUnixTimeMilliseconds(),
        Actor = token.Subject,
        ClientId = token.ClientId,
        Subject = record,
        Detail = refusal is null ? string.Create(System.Globalization.CultureInfo.InvariantCulture, $"version {version}") : $"{refusal.Code}: {refusal.Operator}",
        Source = context.Connection.RemoteIpAddress?.ToString(),
        CorrelationId = context.TraceIdentifier,
    });

    /// <summary>Logs a refusal; one without a verified token is counted per source.</summary>
    public void Refused(HttpContext context, bool authenticated, Refusal refusal)
    {
        WebTelemetry.Refused("km.request", refusal.Code);
        LogRefused(log, refusal.Code, refusal.Operator, context.TraceIdentifier);
        if (!authenticated)
            audit.Count(context.Connection.RemoteIpAddress?.ToString(), "km.request", refusal.Code);
    }

    /// <summary>Logs why a record could not be read.</summary>
    public void StoreFailed(string record, Exception e) => LogStoreFailed(log, e, record);

    [LoggerMessage(EventId = 1, Level = LogLevel.Information, Message = "KM request refused: {Code}: {Why} (request {CorrelationId})")]
    private static partial void LogRefused(ILogger log, RefusalCode code, string why, string correlationId);

    [LoggerMessage(EventId = 2, Level = LogLevel.Error, Message = "{Record} could not be asked")]
    private static partial void LogStoreFailed(ILogger log, Exception e, string record);
}
