using Keyreeve.Core.Audit;
using Keyreeve.Core.Telemetry;
using Keyreeve.Server.Hosting;
using Keyreeve.Server.Outbox;
using Keyreeve.Server.Settings;
using Keyreeve.Web.Login;
using Microsoft.Extensions.Logging;
using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace Keyreeve.Server.Telemetry;

/// <summary>
/// Sends metrics and spans to a collector by OTLP. It stands beside the requests: what they measure is added up in memory of a fixed
/// size, two threads of its own send it, and when the collector is away nobody waits.
/// </summary>
public sealed class TelemetryExport : IDisposable
{
    /// <summary>One attempt to send, at most. Our choice: shorter than a report's period mostly is.</summary>
    private static readonly TimeSpan Attempt = TimeSpan.FromSeconds(5);

    /// <summary>Spans that wait to be sent at most; more are thrown away.</summary>
    private const int MaxSpans = 2048;

    private readonly ServerTelemetry _instruments;
    private readonly MeterProvider _meters;
    private readonly TracerProvider? _tracers;

    private TelemetryExport(ServerTelemetry instruments, MeterProvider meters, TracerProvider? tracers) => (_instruments, _meters, _tracers) = (instruments, meters, tracers);

    /// <summary>Starts it, or null when no collector is set.</summary>
    public static TelemetryExport? Start(ServerParts parts, IServiceProvider services)
    {
        var settings = parts.Options.Settings.Telemetry;
        if (settings.Endpoint is not { } endpoint)
            return null;
        var log = services.GetRequiredService<ILogger<TelemetryExport>>();
        var resource = ResourceBuilder.CreateEmpty().AddService("keyreeve", serviceVersion: typeof(TelemetryExport).Assembly.GetName().Version?.ToString(3),
            autoGenerateServiceInstanceId: false, serviceInstanceId: parts.Options.Settings.Node);
        var instruments = new ServerTelemetry(parts, services.GetRequiredService<AuditQueue>(), services.GetRequiredService<PasswordQueue>(), services.GetRequiredService<CurrentCertificate>(),
            services.GetRequiredService<OutboxDelivery>());
        var meters = OpenTelemetry.Sdk.CreateMeterProviderBuilder()
            .ConfigureServices(HearNothingElse)
            .SetResourceBuilder(resource)
            .AddMeter([.. ExportedMetric.Meters])
            .AddView(ExportedMetric.ViewOf)
            .SetExemplarFilter(ExemplarFilterType.AlwaysOff) // an exemplar carries the tags that the view has dropped
            .AddOtlpExporter((exporter, reader) =>
            {
                Configure(exporter, settings, endpoint, "/v1/metrics", log);
                reader.PeriodicExportingMetricReaderOptions = new()
                {
                    ExportIntervalMilliseconds = (int)settings.MetricPeriod.TotalMilliseconds,
                    ExportTimeoutMilliseconds = (int)Attempt.TotalMilliseconds,
                };
                reader.TemporalityPreference = MetricReaderTemporalityPreference.Cumulative;
            })
            .Build();
        var tracers = settings.TraceSampleRatio <= 0 ? null : OpenTelemetry.Sdk.CreateTracerProviderBuilder()
            .ConfigureServices(HearNothingElse)
            .SetResourceBuilder(resource)
            .AddSource(RequestSpans.Source, Spans.Source)
            .SetSampler(new ParentBasedSampler(new TraceIdRatioBasedSampler(settings.TraceSampleRatio)))
            .AddProcessor(new ClosedSpans())
            .AddOtlpExporter(exporter =>
            {
                Configure(exporter, settings, endpoint, "/v1/traces", log);
                exporter.BatchExportProcessorOptions = new()
                {
                    MaxQueueSize = MaxSpans,
                    MaxExportBatchSize = MaxSpans / 4,
                    ScheduledDelayMilliseconds = 2000,
                    ExporterTimeoutMilliseconds = (int)Attempt.TotalMilliseconds,
                };
            })
            .Build();
        return new(instruments, meters, tracers);
    }

    /// <summary>Sends what is there a last time and ends, within the limit: a collector that does not answer does not hold a stop up.</summary>
    public Task StopAsync(TimeSpan limit)
    {
        var milliseconds = (int)limit.TotalMilliseconds;
        // Both block, so neither runs on the caller.
        return Task.WhenAll(Task.Run(() => _meters.Shutdown(milliseconds)), Task.Run(() => _tracers?.Shutdown(milliseconds))).WaitAsync(limit).ContinueWith(
            static ended => _ = ended.Exception, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
    }

    /// <inheritdoc />
    public void Dispose()
    {
        _tracers?.Dispose();
        _meters.Dispose();
        _instruments.Dispose();
    }

    /// <summary>Settings come from one place (SettingsReader): the library would read OTEL_* from the environment.</summary>
    private static void HearNothingElse(IServiceCollection services) => services.AddSingleton<IConfiguration>(new ConfigurationBuilder().Build());

    private static void Configure(OtlpExporterOptions exporter, TelemetrySettings settings, Uri endpoint, string path, ILogger log)
    {
        exporter.Protocol = settings.Grpc ? OtlpExportProtocol.Grpc : OtlpExportProtocol.HttpProtobuf;
        exporter.Endpoint = settings.Grpc ? endpoint : new Uri(endpoint.AbsoluteUri.TrimEnd('/') + path);
        exporter.TimeoutMilliseconds = (int)Attempt.TotalMilliseconds;
        exporter.HttpClientFactory = () =>
        {
            var client = new HttpClient(new CollectorHandler(endpoint.GetLeftPart(UriPartial.Authority), log))
            {
                Timeout = Attempt,
                MaxResponseContentBufferSize = 64 * 1024, // our choice: an answer says little, and is not worth memory
            };
            settings.Headers.ApplyTo(client);
            return client;
        };
    }
}
