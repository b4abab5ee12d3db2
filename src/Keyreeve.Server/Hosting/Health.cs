using Keyreeve.Core.Audit;
using Keyreeve.Seal;
using Keyreeve.Web.Http;

namespace Keyreeve.Server.Hosting;

/// <summary>Liveness and readiness, on the health listener only.</summary>
internal static class Health
{
    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapMethods("/healthz", ["GET", "HEAD"], context => WriteAsync(context, StatusCodes.Status200OK, "ok")).On(Listener.Health);
        routes.MapMethods("/readyz", ["GET", "HEAD"], context => context.RequestServices.GetRequiredService<Readiness>() switch
        {
            { IsUp: false } => WriteAsync(context, StatusCodes.Status503ServiceUnavailable, "starting"),
            { IsReady: false } => WriteAsync(context, StatusCodes.Status503ServiceUnavailable, "the store is away"),
            // On a full disk the store can still be read.
            _ when !context.RequestServices.GetRequiredService<AuditQueue>().IsWritten => WriteAsync(context, StatusCodes.Status503ServiceUnavailable, "the audit cannot be written"),
            // The rest of the server serves on; what cannot be had here is key material.
            _ when context.RequestServices.GetRequiredService<RecordVault>().IsSealed => WriteAsync(context, StatusCodes.Status503ServiceUnavailable, "sealed"),
            // Ready all the same: what is behind the first line is for people.
            _ => WriteAsync(context, StatusCodes.Status200OK, string.Concat(["ready", .. Warnings(context.RequestServices).Select(w => "\nwarning: " + w)])),
        }).On(Listener.Health);
    }

    private static IEnumerable<string> Warnings(IServiceProvider services) =>
        services.GetRequiredService<CertificateCare>().Warnings().Concat(services.GetRequiredService<ClockWatch>().Warnings());

    private static Task WriteAsync(HttpContext context, int status, string text)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "text/plain";
        return context.Response.WriteAsync(text + "\n");
    }
}
