using System.Diagnostics.Metrics;
using Keyreeve.Core.Identity;

namespace Keyreeve.OpenId;

/// <summary>The instruments of this project (docs/operations.md). Tags are from closed sets: nothing that a peer can choose.</summary>
public static class OpenIdTelemetry
{
    /// <summary>The name of the meter.</summary>
    public const string MeterName = "Keyreeve.OpenId";

    private static readonly Meter Meter = new(MeterName);

    private static readonly Counter<long> Tokens = Meter.CreateCounter<long>("keyreeve.tokens.issued", "{token}", "Access tokens issued, by grant type");
    private static readonly Counter<long> Introspections = Meter.CreateCounter<long>("keyreeve.introspections", "{request}", "Introspections answered");

    /// <summary>An access token was made.</summary>
    public static void Issued(GrantType grant) => Tokens.Add(1, new KeyValuePair<string, object?>("keyreeve.grant_type", WireNames.Of(grant)));

    /// <summary>An introspection was answered.</summary>
    public static void Introspected(bool active) => Introspections.Add(1, new KeyValuePair<string, object?>("keyreeve.active", active ? "true" : "false"));
}
