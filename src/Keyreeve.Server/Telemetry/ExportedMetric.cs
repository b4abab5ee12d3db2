using System.Diagnostics.Metrics;
using Keyreeve.Core.Telemetry;
using Keyreeve.OpenId;
using Keyreeve.Seal;
using Keyreeve.Storage;
using Keyreeve.Web.Telemetry;
using OpenTelemetry.Metrics;

namespace Keyreeve.Server.Telemetry;

/// <summary>
/// A metric that leaves the process, with the tags that may go with it. The list is closed: what is not in it is not exported, and
/// a tag that is not in its row is dropped, whatever a library adds in a later version. docs/operations.md has the same list.
/// </summary>
/// <param name="Name">Of the instrument; OpenTelemetry's semantic convention where there is one.</param>
/// <param name="Unit">In UCUM.</param>
/// <param name="Tags">Keys.</param>
public sealed record ExportedMetric(string Name, string Unit, params string[] Tags)
{
    private const string Method = "http.request.method", Scheme = "url.scheme", Error = "error.type", Port = "server.port", Generation = "gc.heap.generation";

    /// <summary>All of them.</summary>
    public static IReadOnlyList<ExportedMetric> All { get; } =
    [
        new("keyreeve.tokens.issued", "{token}", "keyreeve.grant_type"),
        new("keyreeve.introspections", "{request}", "keyreeve.active"),
        new("keyreeve.km.requests", "{request}", "keyreeve.km.error_code"),
        new("keyreeve.kp.requests", "{request}", "keyreeve.km.error_code"),
        new("keyreeve.refusals", "{refusal}", "keyreeve.endpoint", "keyreeve.refusal"),
        new("keyreeve.logins", "{login}", "keyreeve.outcome"),
        new("keyreeve.login.locks", "{lock}"),
        new("keyreeve.password.duration", "s"),
        new("keyreeve.password.queue", "{login}"),
        new("keyreeve.audit.queue", "{entry}"),
        new("keyreeve.audit.refused", "{entry}"),
        new("keyreeve.store.writes", "{write}", "keyreeve.outcome"),
        new("keyreeve.store.keys.remembered", "{record}"),
        new("keyreeve.store.keys.size", "By"),
        new("keyreeve.store.queue", "{write}"),
        new("keyreeve.store.busy", "{write}"),
        new("keyreeve.store.write.wait", "s"),
        new("keyreeve.store.batch.size", "{write}"),
        new("keyreeve.store.batch.duration", "s"),
        new("keyreeve.store.read.duration", "s"),
        new("keyreeve.snapshot.age", "s"),
        new("keyreeve.snapshot.reload.duration", "s", "keyreeve.topic"),
        new("keyreeve.signing_key.age", "s", "keyreeve.algorithm"),
        new("keyreeve.certificate.remaining", "d", "keyreeve.certificate"),
        new("keyreeve.sweeper.rows", "{row}", "keyreeve.table"),
        new("keyreeve.outbox.waiting", "{message}"),
        new("keyreeve.outbox.oldest", "s"),
        new("keyreeve.outbox.attempts", "{attempt}", "keyreeve.delivery"),
        new("http.server.request.duration", "s", Method, "http.response.status_code", "http.route", "network.protocol.version", Scheme, Error),
        new("kestrel.active_connections", "{connection}", Port),
        new("kestrel.connection.duration", "s", Port, "tls.protocol.version", Error),
        new("kestrel.rejected_connections", "{connection}", Port),
        new("kestrel.active_tls_handshakes", "{handshake}", Port),
        new("kestrel.tls_handshake.duration", "s", Port, "tls.protocol.version", Error),
        new("dotnet.process.cpu.time", "s", "cpu.mode"),
        new("dotnet.process.memory.working_set", "By"),
        new("dotnet.gc.collections", "{collection}", Generation),
        new("dotnet.gc.heap.total_allocated", "By"),
        new("dotnet.gc.last_collection.heap.size", "By", Generation),
        new("dotnet.gc.last_collection.memory.committed_size", "By"),
        new("dotnet.gc.pause.time", "s"),
        new("dotnet.thread_pool.thread.count", "{thread}"),
        new("dotnet.thread_pool.queue.length", "{work_item}"),
        new("dotnet.monitor.lock_contentions", "{contention}"),
        new("dotnet.exceptions", "{exception}", Error),
    ];

    /// <summary>The meters they come from: ours, ASP.NET Core's, Kestrel's, the runtime's.</summary>
    public static IReadOnlyList<string> Meters { get; } =
    [
        CoreTelemetry.MeterName, WebTelemetry.MeterName, OpenIdTelemetry.MeterName, SealTelemetry.MeterName, StorageTelemetry.MeterName, ServerTelemetry.MeterName,
        "Microsoft.AspNetCore.Hosting", "Microsoft.AspNetCore.Server.Kestrel", "System.Runtime",
    ];

    private static readonly Dictionary<string, ExportedMetric> ByName = All.ToDictionary(m => m.Name, StringComparer.Ordinal);

    /// <summary>What the exporter does with an instrument.</summary>
    public static MetricStreamConfiguration ViewOf(Instrument instrument) =>
        ByName.TryGetValue(instrument.Name, out var metric) ? new MetricStreamConfiguration { TagKeys = metric.Tags } : MetricStreamConfiguration.Drop;
}
