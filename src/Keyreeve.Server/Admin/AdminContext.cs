using Keyreeve.Core.Audit;
using Keyreeve.Core.Refusals;
using Keyreeve.Core.Tokens;
using Keyreeve.Seal;
using Keyreeve.Server.Hosting;
using Keyreeve.Web.Login;
using Keyreeve.Web.Telemetry;
using Microsoft.AspNetCore.Identity;
using Microsoft.Extensions.Logging;

namespace Keyreeve.Server.Admin;

/// <summary>What the operations of the admin API share.</summary>
public sealed partial class AdminContext(
    ServerParts parts, AuditQueue audit, IPasswordHasher<Account> hasher, PasswordQueue passwords, KekKeeper kekKeeper, KeyProvisioning provisioning, ChangeKeyRecord changeKeyRecord, SealKeeper seal, SealWalk sealWalk, LatestMoment latest, ILogger<AdminContext> log)
{
    /// <summary>Stores, snapshots, keys, certificates.</summary>
    public ServerParts Parts { get; } = parts;

    /// <summary>Makes password hashes.</summary>
    public IPasswordHasher<Account> Hasher { get; } = hasher;

    /// <summary>The queue in front of it.</summary>
    public PasswordQueue Passwords { get; } = passwords;

    /// <summary>Changes the KEK.</summary>
    public KekKeeper KekKeeper { get; } = kekKeeper;

    /// <summary>Puts key material into the store.</summary>
    public KeyProvisioning Provisioning { get; } = provisioning;

    /// <summary>Changes one key record.</summary>
    public ChangeKeyRecord ChangeKeyRecord { get; } = changeKeyRecord;

    /// <summary>The seal of the key store.</summary>
    public SealKeeper Seal { get; } = seal;

    /// <summary>What wraps keys anew.</summary>
    public SealWalk SealWalk { get; } = sealWalk;

    /// <summary>Now.</summary>
    public DateTimeOffset Now => Parts.Clock.GetUtcNow();

    /// <summary>Now, or the latest moment at which a token was issued, when the clock was set back since.</summary>
    public DateTimeOffset NowOrLatest => latest.OrLater(Now);

    /// <summary>Queues a line of what changes nothing. False: then it is not done.</summary>
    public bool TryAudit(AuditEntry entry) => audit.TryAdd(entry);

    /// <summary>Logs and counts a peer who is no operator: it proved nothing, so it gets no audit line of its own.</summary>
    public void RefusedPeer(HttpContext context, Refusal refusal)
    {
        WebTelemetry.Refused("admin.authenticate", refusal.Code);
        LogRefused(log, refusal.Code, refusal.Operator, context.TraceIdentifier);
        audit.Count(context.Connection.RemoteIpAddress?.ToString(), "admin.authenticate", refusal.Code);
    }

    /// <summary>Logs what an operator was refused.</summary>
    public void RefusedOperator(HttpContext context, Refusal refusal)
    {
        WebTelemetry.Refused("admin", refusal.Code);
        LogRefused(log, refusal.Code, refusal.Operator, context.TraceIdentifier);
    }

    [LoggerMessage(EventId = 1, Level = LogLevel.Information, Message = "admin request refused: {Code}: {Why} (request {CorrelationId})")]
    private static partial void LogRefused(ILogger log, RefusalCode code, string why, string correlationId);
}
