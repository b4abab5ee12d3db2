using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Server.Tests.Telemetry;

/// <summary>What waits for a receiver that is away, as the collector sees it.</summary>
public sealed class OutboxMetricTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_receiver_that_is_away_is_seen_by_what_waits_and_its_return_by_what_is_delivered()
    {
        await using var collector = await OtlpReceiver.StartAsync();
        await using var receiver = new ScriptedPeer(tls: false);
        receiver.Always("503 Service Unavailable");
        await using var process = await _folder.StartAsync(new Dictionary<string, string>(), "--demo",
            "--set", "Telemetry:Otlp:Endpoint=" + collector.Address, "--set", "Telemetry:MetricSeconds=1",
            "--set", "Outbound:AllowedNetworks=127.0.0.0/8 ::1/128", "--set", "Outbound:AllowHttp=true", "--set", "Events:Receivers:fleet-of-mallory:Url=" + receiver.Address());
        using var client = new ProgramClient(_folder);
        await client.RevokeAsync((string)(await client.SignInAsync())["access_token"]!);
        await receiver.NextAsync();
        await collector.UntilAsync(c => Last(c, "keyreeve.outbox.waiting") == 1 && Last(c, "keyreeve.outbox.oldest") > 0 && Last(c, "keyreeve.outbox.attempts", "postponed") >= 1);
        receiver.Always("202 Accepted");
        await collector.UntilAsync(c => Last(c, "keyreeve.outbox.waiting") == 0 && Last(c, "keyreeve.outbox.oldest") == 0 && Last(c, "keyreeve.outbox.attempts", "delivered") == 1);
        Assert.DoesNotContain("mallory", collector.AllText, StringComparison.Ordinal);
        Assert.DoesNotContain(receiver.Address(), collector.AllText, StringComparison.Ordinal);
    }

    private static double? Last(OtlpReceiver collector, string name, string? delivery = null) =>
        collector.Points.LastOrDefault(p => p.Name == name && (delivery is null || p.Tags["keyreeve.delivery"] == delivery))?.Value;
}
