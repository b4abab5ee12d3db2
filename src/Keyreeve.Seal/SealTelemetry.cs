using System.Diagnostics.Metrics;
using Keyreeve.Wire.Seal;

namespace Keyreeve.Seal;

/// <summary>The instruments of this project (docs/operations.md). Tags are from closed sets: nothing that a peer can choose.</summary>
public static class SealTelemetry
{
    /// <summary>The name of the meter.</summary>
    public const string MeterName = "Keyreeve.Seal";

    private static readonly Meter Meter = new(MeterName);

    private static readonly Counter<long> Requests = Meter.CreateCounter<long>("keyreeve.km.requests", "{request}", "Key requests answered, by the 'ErrorCode' of the answer");

    private static readonly Counter<long> Provisionings = Meter.CreateCounter<long>("keyreeve.kp.requests", "{request}", "Key provisioning requests answered, by the 'ErrorCode' of the answer");

    /// <summary>A key request was answered.</summary>
    public static void Answered(KmErrorCode? error) => Requests.Add(1, Of(error));

    /// <summary>A key provisioning request was answered.</summary>
    public static void Provisioned(KmErrorCode? error) => Provisionings.Add(1, Of(error));

    private static KeyValuePair<string, object?> Of(KmErrorCode? error) => new("keyreeve.km.error_code", error is { } code ? KmErrors.TextOf(code) : "none");
}
