using System.Diagnostics;
using Microsoft.AspNetCore.Http.Features;
using OpenTelemetry;

namespace Keyreeve.Server.Telemetry;

/// <summary>
/// Names the span of a request by method and route template, and ties it to log and audit by the reference that they carry. What the
/// peer wrote (path, query, host, agent) never goes into it.
/// </summary>
public static class RequestSpans
{
    /// <summary>The source of ASP.NET Core's span of a request.</summary>
    public const string Source = "Microsoft.AspNetCore";

    /// <summary>The keys that a span may carry; the same list as in docs/operations.md.</summary>
    public static IReadOnlyList<string> Tags { get; } = ["http.request.method", "http.route", "http.response.status_code", "keyreeve.listener", "keyreeve.request"];

    private static readonly string[] Methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"];

    /// <summary>Runs first, so that it ends last.</summary>
    public static void UseRequestSpans(this IApplicationBuilder app) => app.Use(static (context, next) =>
        context.Features.Get<IHttpActivityFeature>()?.Activity is { Recorded: true } span ? DescribeAsync(context, next, span) : next(context));

    private static async Task DescribeAsync(HttpContext context, RequestDelegate next, Activity span)
    {
        try
        {
            await next(context);
        }
        finally
        {
            var method = Array.Find(Methods, m => HttpMethods.Equals(m, context.Request.Method)) ?? "_OTHER";
            var route = (context.GetEndpoint() as RouteEndpoint)?.RoutePattern.RawText;
            span.DisplayName = route is null ? method : method + " " + route;
            span.SetTag("http.request.method", method);
            span.SetTag("http.route", route);
            span.SetTag("http.response.status_code", context.Response.StatusCode);
            span.SetTag("keyreeve.listener", context.Features.Get<Web.Http.Listener>()?.Name);
            span.SetTag("keyreeve.request", context.TraceIdentifier);
            if (context.Response.StatusCode >= 500)
                span.SetStatus(ActivityStatusCode.Error);
        }
    }
}

/// <summary>
/// The last look at a span before it leaves: keys that are not in the list go, whatever a library adds in a later version, and a
/// span with free text that cannot be taken off again stays here.
/// </summary>
public sealed class ClosedSpans : BaseProcessor<Activity>
{
    /// <inheritdoc />
    public override void OnEnd(Activity data)
    {
        foreach (var (key, _) in data.TagObjects.ToList())
            if (!RequestSpans.Tags.Contains(key, StringComparer.Ordinal))
                data.SetTag(key, null);
        if (data.Events.Any() || data.Links.Any() || data.StatusDescription is not null || data.TraceStateString is not null)
            data.ActivityTraceFlags &= ~ActivityTraceFlags.Recorded;
    }
}

/// <summary>
/// Nothing is trusted from a header: a stranger's traceparent neither becomes the parent of our span nor decides that it is sampled,
/// and tracestate and baggage are not read. Nothing is sent to others either.
/// </summary>
public sealed class NoPropagation : DistributedContextPropagator
{
    /// <inheritdoc />
    public override IReadOnlyCollection<string> Fields => [];

    /// <inheritdoc />
    public override void Inject(Activity? activity, object? carrier, PropagatorSetterCallback? setter)
    {
    }

    /// <inheritdoc />
    public override void ExtractTraceIdAndState(object? carrier, PropagatorGetterCallback? getter, out string? traceId, out string? traceState) => (traceId, traceState) = (null, null);

    /// <inheritdoc />
    public override IEnumerable<KeyValuePair<string, string?>>? ExtractBaggage(object? carrier, PropagatorGetterCallback? getter) => null;
}
