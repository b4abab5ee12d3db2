using Keyreeve.Core.Audit;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Refusals;
using Keyreeve.Web.Http;
using Keyreeve.Web.Telemetry;

namespace Keyreeve.Server.Hosting;

/// <summary>
/// Who shows a certificate that our authorities have revoked is refused on listener mtls, whatever is asked and however it would be
/// proved: also on a connection that was open before. Asked for every request, before its operation.
/// </summary>
internal static class RevokedCertificateDoor
{
    public static void Use(WebApplication app, ServerParts parts)
    {
        var audit = app.Services.GetRequiredService<AuditQueue>();
        app.Use((context, next) => WhyNot(context, parts) is { } refusal ? RefuseAsync(context, audit, refusal) : next(context));
    }

    private static Refusal? WhyNot(HttpContext context, ServerParts parts)
    {
        if (ConnectionCertificate.Of(context) is not { Certificate: var shown } || context.GetEndpoint() is null)
            return null;
        // The issuer's name is enough: a forged one is refused by it as well as by its signature.
        if (parts.State.RevokedCertificates is not { Count: > 0 } revoked || parts.Pki.RoleOfIssuer(shown) is not { } role || !revoked.Names(role, shown.SerialNumber))
            return null;
        var why = $"the certificate {shown.SerialNumber.ToLowerInvariant()} of authority {WireNames.Of(role)} was revoked";
        return new Refusal(RefusalCode.CertificateNotAccepted, "the certificate was revoked", why) { Counted = why };
    }

    private static Task RefuseAsync(HttpContext context, AuditQueue audit, Refusal refusal)
    {
        WebTelemetry.Refused("certificate", refusal.Code);
        audit.Count(context.Connection.RemoteIpAddress?.ToString(), "certificate", refusal.Code, refusal.Counted);
        return context.GetEndpoint()!.Metadata.GetMetadata<RefusalAnswer>() is { } answer ? answer.WriteAsync(context, refusal) : ProblemDocument.WriteAsync(context, refusal);
    }
}
