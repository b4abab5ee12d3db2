using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Routing.Template;
using Microsoft.Extensions.DependencyInjection;

namespace Keyreeve.Web.Http;

/// <summary>Which listener a connection came in by; set on the connection by the host, readable on every request.</summary>
/// <param name="Name">As in the settings: https, mtls, health.</param>
public sealed record Listener(string Name)
{
    /// <summary>Pages and APIs, no client certificate asked.</summary>
    public const string Https = "https";

    /// <summary>APIs with client certificates asked for and decided here.</summary>
    public const string Mtls = "mtls";

    /// <summary>Liveness and readiness.</summary>
    public const string Health = "health";
}

/// <summary>An endpoint's metadata: the listeners it answers on. An endpoint without it answers nowhere.</summary>
public sealed record OnListeners(params string[] Names);

/// <summary>Keeps endpoints to their listeners.</summary>
[Spec("TS 33.434", "4.2")]
public static class ListenerRouting
{
    /// <summary>The endpoint answers on these listeners and is 404 on every other.</summary>
    public static TBuilder On<TBuilder>(this TBuilder endpoint, params string[] listeners)
        where TBuilder : IEndpointConventionBuilder
    {
        endpoint.WithMetadata(new OnListeners(listeners));
        return endpoint;
    }

    /// <summary>Runs after routing: what is not meant for the listener is not there. Fails closed for an endpoint that names none.</summary>
    public static void UseListenerRouting(this IApplicationBuilder app) => app.Use(static (context, next) =>
    {
        if (context.GetEndpoint() is { } endpoint)
        {
            var here = context.Features.Get<Listener>()?.Name;
            var allowed = endpoint.Metadata.GetMetadata<OnListeners>()?.Names;
            if (here is null || (allowed is null ? !IsMethodRefusal(context, endpoint, here) : Array.IndexOf(allowed, here) < 0))
                context.SetEndpoint(null);
        }
        return next(context);
    });

    /// <summary>
    /// The framework answers a wrong method by an endpoint of its own, which names no listener. It may, where the path is served on
    /// this listener by another method; elsewhere the path does not exist.
    /// </summary>
    private static bool IsMethodRefusal(HttpContext context, Endpoint endpoint, string here) =>
        endpoint is not RouteEndpoint
        && context.RequestServices.GetRequiredService<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>().Any(e =>
            e.Metadata.GetMetadata<OnListeners>()?.Names.Contains(here, StringComparer.Ordinal) == true
            && new TemplateMatcher(new RouteTemplate(e.RoutePattern), []).TryMatch(context.Request.Path, []));
}
