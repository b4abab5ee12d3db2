using System.Diagnostics.Metrics;
using Keyreeve.Core.Refusals;
using Keyreeve.Core.Telemetry;

namespace Keyreeve.Web.Telemetry;

/// <summary>The instruments of this project (docs/operations.md). Tags are from closed sets: nothing that a peer can choose.</summary>
public static class WebTelemetry
{
    /// <summary>The name of the meter.</summary>
    public const string MeterName = "Keyreeve.Web";

    private static readonly Meter Meter = new(MeterName);

    private static readonly Counter<long> Refusals = Meter.CreateCounter<long>("keyreeve.refusals", "{refusal}", "Requests refused, by endpoint and reason");
    private static readonly Counter<long> Logins = Meter.CreateCounter<long>("keyreeve.logins", "{login}", "Logins by password, by outcome");
    private static readonly Counter<long> Locks = Meter.CreateCounter<long>("keyreeve.login.locks", "{lock}", "Accounts locked after too many wrong passwords");

    private static readonly Histogram<double> PasswordDuration = Meter.CreateHistogram("keyreeve.password.duration", "s",
        "Time to check a password, waiting for a turn included", tags: null, CoreTelemetry.DurationBuckets);

    /// <summary>Written once: a tag costs no allocation.</summary>
    private static readonly string[] CodeNames = Enum.GetNames<RefusalCode>();

    /// <summary>A request was refused.</summary>
    /// <param name="endpoint">One of the audit's kinds: a constant of the code, never from the request.</param>
    /// <param name="code">Why.</param>
    public static void Refused(string endpoint, RefusalCode code) => Refusals.Add(1, new("keyreeve.endpoint", endpoint), new("keyreeve.refusal", CodeNames[(int)code]));

    /// <summary>A login ended.</summary>
    /// <param name="refusal">Null when it succeeded.</param>
    public static void LoggedIn(Refusal? refusal) => Logins.Add(1, new KeyValuePair<string, object?>("keyreeve.outcome", refusal?.Code switch
    {
        null => "succeeded",
        RefusalCode.Busy => "busy",
        _ => "failed",
    }));

    /// <summary>An account was locked.</summary>
    public static void Locked() => Locks.Add(1);

    /// <summary>A password was checked.</summary>
    public static void CheckedPassword(TimeSpan took) => PasswordDuration.Record(took.TotalSeconds);
}
