using System.Collections.Concurrent;
using System.Net;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Keyreeve.Server.Tests.Telemetry;

/// <summary>A collector: takes what is posted to it and reads it by the field numbers of opentelemetry-proto, not by the exporter's code.</summary>
public sealed class OtlpReceiver : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly WebApplication _app;
    private readonly ConcurrentQueue<(string Path, Dictionary<string, string> Headers, byte[] Body)> _posts = new();

    private OtlpReceiver(WebApplication app) => _app = app;

    /// <summary>Answers with this; a test changes it.</summary>
    public int Status { get; set; } = StatusCodes.Status200OK;

    /// <summary>http://127.0.0.1:PORT</summary>
    public string Address => _app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single();

    public IReadOnlyCollection<(string Path, Dictionary<string, string> Headers, byte[] Body)> Posts => _posts;

    /// <summary>Everything that came, as text: what is a string in it can be found.</summary>
    public string AllText => string.Join('\n', _posts.Select(p => Encoding.Latin1.GetString(p.Body)));

    public List<OtlpPoint> Points => [.. Bodies("metrics").SelectMany(PointsOf)];

    public List<OtlpSpan> Spans => [.. Bodies("trace").SelectMany(SpansOf)];

    /// <summary>Attributes of the resources.</summary>
    public List<Dictionary<string, string>> Resources => [.. Bodies("").SelectMany(b => b.Many(1)).Select(r => r.One(1)!.Attributes(1))];

    public static async Task<OtlpReceiver> StartAsync(bool grpc = false)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(k => k.Listen(IPAddress.Loopback, 0, l => l.Protocols = grpc ? HttpProtocols.Http2 : HttpProtocols.Http1));
        var receiver = new OtlpReceiver(builder.Build());
        receiver._app.Run(receiver.TakeAsync);
        await receiver._app.StartAsync();
        return receiver;
    }

    /// <summary>Waits until what came satisfies.</summary>
    public async Task UntilAsync(Func<OtlpReceiver, bool> enough)
    {
        using var limit = new CancellationTokenSource(Patience);
        while (!enough(this))
        {
            Assert.False(limit.IsCancellationRequested, $"{_posts.Count} posts came, but not what was waited for");
            await Task.Delay(50, TestContext.Current.CancellationToken);
        }
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private async Task TakeAsync(HttpContext context)
    {
        using var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body);
        var octets = body.ToArray();
        var isGrpc = context.Request.ContentType == "application/grpc";
        // Before anybody can see the post: a test that sees it and changes the status means the next one.
        context.Response.StatusCode = Status;
        _posts.Enqueue((context.Request.Path, context.Request.Headers.ToDictionary(h => h.Key, h => h.Value.ToString(), StringComparer.OrdinalIgnoreCase), isGrpc ? octets[5..] : octets));
        context.Response.ContentType = isGrpc ? "application/grpc" : "application/x-protobuf";
        if (isGrpc)
        {
            // not compressed, length 0; "grpc-status" follows as a trailer
            await context.Response.Body.WriteAsync(new byte[5]);
            context.Response.AppendTrailer("grpc-status", "0");
        }
    }

    private IEnumerable<OtlpMessage> Bodies(string signal) => _posts.Where(p => p.Path.Contains(signal, StringComparison.OrdinalIgnoreCase)).Select(p => new OtlpMessage(p.Body));

    /// <summary>
    /// resource_metrics = 1 { scope_metrics = 2 { scope = 1 { name = 1 }, metrics = 2 { name = 1, unit = 3, gauge = 5 | sum = 7 | histogram = 9 { data_points = 1 } } } }
    /// </summary>
    private static IEnumerable<OtlpPoint> PointsOf(OtlpMessage request) =>
        from resource in request.Many(1)
        from scope in resource.Many(2)
        from metric in scope.Many(2)
        let numbers = metric.One(5) ?? metric.One(7)
        from point in (numbers ?? metric.One(9) ?? throw new InvalidDataException("a metric of another kind")).Many(1)
        let value = numbers is null ? point.Number(4) ?? 0
            : point.Number(4) is { } real ? BitConverter.UInt64BitsToDouble(real)
            : (double)(long)(point.Number(6) ?? 0)
        select new OtlpPoint(scope.One(1)!.Text(1), metric.Text(1), metric.Text(3), point.Attributes(numbers is null ? 9 : 7), value, point.Count(numbers is null ? 8 : 5));

    /// <summary>
    /// resource_spans = 1 { scope_spans = 2 { scope = 1, spans = 2 { trace_id = 1, span_id = 2, trace_state = 3, parent_span_id = 4, name = 5, attributes = 9, events = 11, links = 13 } } }
    /// </summary>
    private static IEnumerable<OtlpSpan> SpansOf(OtlpMessage request) =>
        from resource in request.Many(1)
        from scope in resource.Many(2)
        from span in scope.Many(2)
        select new OtlpSpan(scope.One(1)!.Text(1), span.Text(5), Convert.ToHexStringLower(span.Octets(1).Span), Convert.ToHexStringLower(span.Octets(2).Span),
            Convert.ToHexStringLower(span.Octets(4).Span), span.Text(3), span.Attributes(9), span.Count(11) + span.Count(13));
}
