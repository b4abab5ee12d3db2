using Keyreeve.Core.Identity;
using Keyreeve.Web.Http;
using Microsoft.AspNetCore.Http;

namespace Keyreeve.OpenId;

/// <summary>
/// Which scripts may read the answers of the endpoints for applications in a browser: those of an https origin that the client of the
/// answer registered a redirect URI at. Never with credentials of the browser, never on the listener that asks for certificates, and never on
/// a page (Fetch, "CORS protocol").
/// </summary>
[Spec("RFC 9700", "2.6")]
internal static class CrossOrigin
{
    /// <summary>
    /// What a browser asks before a request with an Authorization header. It does not say for which client, so every origin is told what it
    /// may send; whether the answer may be read is said with the answer.
    /// </summary>
    public static Task PreflightAsync(HttpContext context)
    {
        var (request, response) = (context.Request, context.Response);
        response.StatusCode = StatusCodes.Status204NoContent;
        response.Headers.Vary = "Origin";
        if (OriginOf(request) is { } origin && request.Headers.AccessControlRequestMethod.Count == 1)
        {
            response.Headers.AccessControlAllowOrigin = origin;
            response.Headers.AccessControlAllowMethods = "GET, POST";
            response.Headers.AccessControlAllowHeaders = "authorization, content-type";
            response.Headers.AccessControlMaxAge = "3600"; // our choice
        }
        return Task.CompletedTask;
    }

    /// <summary>Lets the origin of the request read the answer when it is one of the client's.</summary>
    public static void Allow(HttpContext context, Client? client)
    {
        if (OriginOf(context.Request) is not { } origin || context.Features.Get<Listener>()?.Name != Listener.Https)
            return;
        context.Response.Headers.Vary = "Origin";
        if (client is null || !client.RedirectUris.Any(uri => Serialize(uri) == origin))
            return;
        context.Response.Headers.AccessControlAllowOrigin = origin;
        context.Response.Headers.AccessControlExposeHeaders = "WWW-Authenticate, Retry-After, X-Request-Id";
    }

    /// <summary>The Origin header, when it is an https origin as browsers write them.</summary>
    private static string? OriginOf(HttpRequest request) =>
        request.Headers.Origin is [{ Length: <= 300 } origin] && Serialize(origin) == origin ? origin : null;

    /// <summary>"https://host" with the port if it is not 443, in lower case; null for everything else.</summary>
    private static string? Serialize(string uri) =>
        Uri.TryCreate(uri, UriKind.Absolute, out var parsed) && parsed.Scheme == Uri.UriSchemeHttps && parsed.UserInfo.Length == 0
            ? "https://" + parsed.IdnHost.ToLowerInvariant() + (parsed.IsDefaultPort ? "" : ":" + parsed.Port.ToString(System.Globalization.CultureInfo.InvariantCulture))
            : null;
}
