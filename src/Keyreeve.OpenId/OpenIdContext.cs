using Keyreeve.Core.Audit;
using Keyreeve.Core.Grants;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Policy;
using Keyreeve.Core.Refusals;
using Keyreeve.Core.Snapshots;
using Keyreeve.Core.Tokens;
using Keyreeve.Web.Clients;
using Keyreeve.Web.Limits;
using Keyreeve.Web.Telemetry;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Keyreeve.OpenId;

/// <summary>What the operations of this slice share, and the one way in which they audit and log.</summary>
public sealed partial class OpenIdContext(
    SnapshotState state,
    ServerIdentity server,
    TokenPolicy policy,
    TokenMinter minter,
    TokenVerifier verifier,
    PairwiseSubjects pairwise,
    ClientAuthenticator clients,
    IDirectory directory,
    IGrantStore grants,
    IRevocationStore revocations,
    RequestLimits limits,
    LatestMoment latest,
    AuditQueue audit,
    TimeProvider clock,
    ILogger<OpenIdContext> log)
{
    /// <summary>Signing keys, scopes, clients, revocations.</summary>
    public SnapshotState State { get; } = state;

    /// <summary>Who we are.</summary>
    public ServerIdentity Server { get; } = server;

    /// <summary>Lifetimes.</summary>
    public TokenPolicy Policy { get; } = policy;

    /// <summary>Makes tokens.</summary>
    public TokenMinter Minter { get; } = minter;

    /// <summary>Checks tokens.</summary>
    public TokenVerifier Verifier { get; } = verifier;

    /// <summary>Names users in sectors.</summary>
    public PairwiseSubjects Pairwise { get; } = pairwise;

    /// <summary>Checks clients.</summary>
    public ClientAuthenticator Clients { get; } = clients;

    /// <summary>Users.</summary>
    public IDirectory Directory { get; } = directory;

    /// <summary>Codes, families, consents.</summary>
    public IGrantStore Grants { get; } = grants;

    /// <summary>The revocation list's store.</summary>
    public IRevocationStore Revocations { get; } = revocations;

    /// <summary>Who asks too much, or guesses.</summary>
    public RequestLimits Limits { get; } = limits;

    /// <summary>The latest moment of a token.</summary>
    public LatestMoment Latest { get; } = latest;

    /// <summary>Now.</summary>
    public DateTimeOffset Now => clock.GetUtcNow();

    /// <summary>An audit entry of this request.</summary>
    public AuditEntry Entry(HttpContext context, string kind, AuditOutcome outcome, string? actor, string? clientId, string? subject, string? detail) => new()
    {
        Kind = kind,
        Outcome = outcome,
        At = clock.GetUtcNow().ToUnixTimeMilliseconds(),
        Actor = actor,
        ClientId = clientId,
        Subject = subject,
        Detail = detail,
        Source = context.Connection.RemoteIpAddress?.ToString(),
        CorrelationId = context.TraceIdentifier,
    };

    /// <summary>Audits what has no state change of its own. False when the audit is full: the caller then refuses.</summary>
    public bool TryAudit(AuditEntry entry) => audit.TryAdd(entry);

    /// <summary>A refusal of a client's request; a public client has proved nothing, whatever name it gave.</summary>
    public void Refused(HttpContext context, string kind, AuthenticatedClient client, Refusal refusal) =>
        Refused(context, kind, client.Method == ClientAuthMethod.None ? null : client.Client.ClientId, null, refusal);

    /// <summary>Logs and audits a refusal: of a known client line by line, of a peer who proved nothing as a count.</summary>
    public void Refused(HttpContext context, string kind, string? clientId, string? subject, Refusal refusal)
    {
        WebTelemetry.Refused(kind, refusal.Code);
        // Who asks too much must not fill log and audit by being told so: a count a minute says it.
        if (refusal.Code != RefusalCode.TooManyRequests)
            LogRefused(log, kind, refusal.Code, clientId ?? "-", refusal.Operator, context.TraceIdentifier);
        if (clientId is null || refusal.Code == RefusalCode.TooManyRequests)
            audit.Count(context.Connection.RemoteIpAddress?.ToString(), kind, refusal.Code, refusal.Counted);
        else
            audit.TryAdd(Entry(context, kind, AuditOutcome.Refused, clientId, clientId, subject, $"{refusal.Code}: {refusal.Operator}"));
    }

    [LoggerMessage(EventId = 1, Level = LogLevel.Information, Message = "{Kind} refused: {Code} for client {ClientId}: {Why} (request {CorrelationId})")]
    private static partial void LogRefused(ILogger log, string kind, RefusalCode code, string clientId, string why, string correlationId);
}
