using System.Globalization;

namespace Keyreeve.Server.Settings;

/// <summary>Where telemetry goes, how much of it, and how often.</summary>
public sealed record TelemetrySettings
{
    /// <summary>The collector, or null: then nothing is measured for export and nothing is sent.</summary>
    public Uri? Endpoint { get; init; }

    /// <summary>True for OTLP over gRPC, false for protobuf over HTTP.</summary>
    public bool Grpc { get; init; }

    /// <summary>Headers for the collector.</summary>
    public CollectorHeaders Headers { get; init; } = CollectorHeaders.None;

    /// <summary>The part of the requests that is traced, 0 to 1.</summary>
    public double TraceSampleRatio { get; init; } = 0.01;

    /// <summary>Between two reports of the metrics.</summary>
    public TimeSpan MetricPeriod { get; init; } = TimeSpan.FromSeconds(60);
}

/// <summary>Headers that name us to the collector. They are credentials: they print as their number.</summary>
public sealed class CollectorHeaders
{
    private readonly List<(string Name, string Value)> _headers = [];

    private CollectorHeaders()
    {
    }

    /// <summary>No headers.</summary>
    public static CollectorHeaders None { get; } = new();

    /// <summary>True when there is none.</summary>
    public bool IsEmpty => _headers.Count == 0;

    /// <summary>Reads <c>name=value,name=value</c>; values are percent-encoded where they hold a comma. False, without a word of the text, when it does not read.</summary>
    public static bool TryRead(string text, out CollectorHeaders headers)
    {
        headers = new();
        foreach (var part in text.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            var equals = part.IndexOf('=', StringComparison.Ordinal);
            if (equals <= 0)
                return false;
            var (name, value) = (part[..equals].Trim(), Uri.UnescapeDataString(part[(equals + 1)..].Trim()));
            if (!name.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.') || value.Length == 0 || !value.All(c => c is >= ' ' and <= '~'))
                return false;
            headers._headers.Add((name, value));
        }
        return headers._headers.Count > 0;
    }

    /// <summary>Puts them on every request of a client.</summary>
    public void ApplyTo(HttpClient client)
    {
        foreach (var (name, value) in _headers)
            client.DefaultRequestHeaders.TryAddWithoutValidation(name, value);
    }

    /// <inheritdoc />
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{_headers.Count} headers");
}
