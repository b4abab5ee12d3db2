using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

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
public static class ListenerRouting
{
    /// <summary>The endpoint answers on these listeners and is 404 on every other.</summary>
    public static TBuilder On<TBuilder>(this TBuilder endpoint, params string[] listeners)
        where TBuilder : IEndpointConventionBuilder
    {
        endpoint.WithMetadata(new OnListeners(listeners));
        return endpoint;
    }

    /// <summary>
    /// Runs after routing: what is not meant for the listener is not there. Fails closed for an endpoint that names none. Only mapped
    /// endpoints are RouteEndpoints; the others are routing's own answers (405 with Allow), which lead nowhere on any listener.
    /// </summary>
    public static void UseListenerRouting(this IApplicationBuilder app) => app.Use(static (context, next) =>
    {
        if (context.GetEndpoint() is RouteEndpoint endpoint)
        {
            var here = context.Features.Get<Listener>()?.Name;
            var allowed = endpoint.Metadata.GetMetadata<OnListeners>()?.Names;
            if (here is null || allowed is null || Array.IndexOf(allowed, here) < 0)
                context.SetEndpoint(null);
        }
        return next(context);
    });
}
