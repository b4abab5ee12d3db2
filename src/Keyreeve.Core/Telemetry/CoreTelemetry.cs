using System.Diagnostics.Metrics;
using Keyreeve.Core.Snapshots;

namespace Keyreeve.Core.Telemetry;

/// <summary>The instruments of this project (docs/operations.md). Tags are from closed sets: nothing that a peer can choose.</summary>
public static class CoreTelemetry
{
    /// <summary>The name of the meter.</summary>
    public const string MeterName = "Keyreeve.Core";

    private static readonly Meter Meter = new(MeterName);

    private static readonly Histogram<double> ReloadDuration = Meter.CreateHistogram("keyreeve.snapshot.reload.duration", "s",
        "Time to load a snapshot anew after a change", tags: null, DurationBuckets);

    private static readonly Counter<long> AuditRefusedLines = Meter.CreateCounter<long>("keyreeve.audit.refused", "{entry}",
        "Audit lines that the queue did not take; what they told of was refused");

    /// <summary>Seconds: from a cached look to a slow disk. Our choice; the same for every duration of ours.</summary>
    public static InstrumentAdvice<double> DurationBuckets { get; } = new()
    {
        HistogramBucketBoundaries = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    };

    /// <summary>A topic was loaded anew.</summary>
    public static void Reloaded(Topic topic, TimeSpan took) => ReloadDuration.Record(took.TotalSeconds, new KeyValuePair<string, object?>("keyreeve.topic", NameOf(topic)));

    /// <summary>The audit queue said no.</summary>
    public static void AuditRefused() => AuditRefusedLines.Add(1);

    private static string NameOf(Topic topic) => topic switch
    {
        Topic.Clients => "clients",
        Topic.Services => "services",
        Topic.SigningKeys => "signing_keys",
        Topic.Revocations => "revocations",
        Topic.Issuers => "issuers",
        Topic.Certificates => "certificates",
    };
}
