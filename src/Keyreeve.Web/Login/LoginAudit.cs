using Keyreeve.Core.Audit;
using Microsoft.AspNetCore.Http;

namespace Keyreeve.Web.Login;

/// <summary>The audit lines of what people do at our pages, for themselves.</summary>
public sealed class LoginAudit(TimeProvider clock)
{
    /// <summary>A line about a user, by that user.</summary>
    public AuditEntry Entry(HttpContext context, string kind, AuditOutcome outcome, string subject, string? detail) => new()
    {
        Kind = kind,
        Outcome = outcome,
        At = clock.GetUtcNow().ToUnixTimeMilliseconds(),
        Actor = subject,
        Subject = subject,
        Detail = detail,
        Source = context.Connection.RemoteIpAddress?.ToString(),
        CorrelationId = context.TraceIdentifier,
    };
}
