using System.Net;
using System.Text.Json;
using Keyreeve.Bench.Limit;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Metrics;
using OpenTelemetry.Trace;

// What the machine and the framework leave to us at best: Kestrel, TLS, the body read, the answer written, and nothing that
// decides, records or limits. Started by Keyreeve.Bench as `Keyreeve.Bench.Limit FOLDER COLLECTOR`; writes limit.pem and listeners.json there.
if (args is not [var folder, var collector])
{
    Console.Error.WriteLine("usage: Keyreeve.Bench.Limit FOLDER COLLECTOR");
    return 2;
}
var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions { Args = [], ContentRootPath = AppContext.BaseDirectory });
// Logging as the server's: with a logger the framework makes an activity and a scope for each request, on both sides.
builder.Logging.SetMinimumLevel(LogLevel.Warning);
builder.WebHost.UseKestrelHttpsConfiguration();
builder.WebHost.ConfigureKestrel(kestrel =>
{
    kestrel.AddServerHeader = false;
    var tls = ThrowAwayCertificate.Options(Path.Combine(folder, "limit.pem"), TimeProvider.System.GetUtcNow());
    kestrel.Listen(IPAddress.Loopback, 0, listen =>
    {
        listen.Protocols = HttpProtocols.Http1;
        listen.UseHttps(new TlsHandshakeCallbackOptions { OnConnection = _ => ValueTask.FromResult(tls) });
    });
});
// Telemetry as the server's: the framework's meters and its span of a request, one in a hundred of them traced.
using var meters = Sdk.CreateMeterProviderBuilder().AddMeter("Microsoft.AspNetCore.Hosting", "Microsoft.AspNetCore.Server.Kestrel", "System.Runtime").AddOtlpExporter(o => SendTo(o, "v1/metrics")).Build();
using var tracers = Sdk.CreateTracerProviderBuilder().AddSource("Microsoft.AspNetCore").SetSampler(new ParentBasedSampler(new TraceIdRatioBasedSampler(0.01))).AddOtlpExporter(o => SendTo(o, "v1/traces")).Build();
var app = builder.Build();
app.Run(new Endpoints(TimeProvider.System).HandleAsync);
await app.StartAsync();
var port = new Uri(app.Urls.First()).Port;
var written = Path.Combine(folder, "listeners.json.new");
await File.WriteAllTextAsync(written, JsonSerializer.Serialize(new { issuer = $"https://localhost:{port}" }));
File.Move(written, Path.Combine(folder, "listeners.json"), overwrite: true);
await app.WaitForShutdownAsync();
return 0;

void SendTo(OtlpExporterOptions exporter, string path) => (exporter.Protocol, exporter.Endpoint) = (OtlpExportProtocol.HttpProtobuf, new Uri(collector + path));
