using Keyreeve.Core.Certificates;
using Keyreeve.Web.Http;

namespace Keyreeve.Server.Hosting;

/// <summary>
/// The lists of revoked certificates of the built-in authorities, at the address that stands in their certificates
/// (cRLDistributionPoints). A list is a signed, public document: it is served on every listener, one of which speaks plain HTTP.
/// </summary>
[Spec("RFC 5280", "4.2.1.13")]
internal static class RevocationListPages
{
    public static void Map(IEndpointRouteBuilder routes, ServerParts parts)
    {
        foreach (var role in Enum.GetValues<CaRole>())
            routes.MapMethods(Pki.ListPath(role), ["GET", "HEAD"], context => WriteAsync(context, parts.State.RevokedCertificates.ListOf(role)))
                .On(Listener.Https, Listener.Mtls, Listener.Health);
    }

    private static Task WriteAsync(HttpContext context, RevocationListRow? list)
    {
        var response = context.Response;
        if (list is null)
        {
            response.StatusCode = StatusCodes.Status404NotFound;
            return Task.CompletedTask;
        }
        response.ContentType = "application/pkix-crl"; // RFC 2585
        response.Headers.CacheControl = "public, max-age=60";
        response.Headers.XContentTypeOptions = "nosniff";
        response.ContentLength = list.Der.Length;
        return HttpMethods.IsHead(context.Request.Method) ? Task.CompletedTask : response.Body.WriteAsync(list.Der, context.RequestAborted).AsTask();
    }
}
