using System.Diagnostics.Metrics;
using Keyreeve.Core.Telemetry;

namespace Keyreeve.Storage;

/// <summary>The instruments of this project (docs/operations.md), the same for every engine.</summary>
public static class StorageTelemetry
{
    /// <summary>The name of the meter.</summary>
    public const string MeterName = "Keyreeve.Storage";

    private static readonly Meter Meter = new(MeterName);

    private static readonly Counter<long> Writes = Meter.CreateCounter<long>("keyreeve.store.writes", "{write}", "Writes, by outcome");
    private static readonly Counter<long> BusyWrites = Meter.CreateCounter<long>("keyreeve.store.busy", "{write}", "Writes refused because too many were waiting");

    private static readonly Histogram<double> WriteWait = Meter.CreateHistogram("keyreeve.store.write.wait", "s",
        "Time a write waited for its transaction to begin", tags: null, CoreTelemetry.DurationBuckets);

    private static readonly Histogram<double> BatchDuration = Meter.CreateHistogram("keyreeve.store.batch.duration", "s",
        "Time of a transaction, from its begin to the disk", tags: null, CoreTelemetry.DurationBuckets);

    private static readonly Histogram<long> BatchSize = Meter.CreateHistogram("keyreeve.store.batch.size", "{write}", "Writes that shared a transaction",
        tags: null, new InstrumentAdvice<long> { HistogramBucketBoundaries = [1, 2, 5, 10, 20, 50, 100, 200, 500] });

    private static readonly Histogram<double> ReadDuration = Meter.CreateHistogram("keyreeve.store.read.duration", "s",
        "Time of a read, waiting for a connection included", tags: null, CoreTelemetry.DurationBuckets);

    /// <summary>A write was told to its caller.</summary>
    public static void Wrote(bool failed) => Writes.Add(1, new KeyValuePair<string, object?>("keyreeve.outcome", failed ? "failed" : "written"));

    /// <summary>A write came out of the queue.</summary>
    public static void Waited(TimeSpan took) => WriteWait.Record(took.TotalSeconds);

    /// <summary>A transaction ended, well or not.</summary>
    public static void EndedBatch(int writes, TimeSpan took)
    {
        BatchSize.Record(writes);
        BatchDuration.Record(took.TotalSeconds);
    }

    /// <summary>A write was not even queued.</summary>
    public static void Refused() => BusyWrites.Add(1);

    /// <summary>A read ended, well or not.</summary>
    public static void Read(TimeSpan took) => ReadDuration.Record(took.TotalSeconds);
}
