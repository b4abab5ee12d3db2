using System.Diagnostics.Metrics;
using System.Runtime.CompilerServices;
using Keyreeve.Core.Telemetry;
using Keyreeve.OpenId;
using Keyreeve.Seal;
using Keyreeve.Server.Telemetry;
using Keyreeve.Storage;
using Keyreeve.Testing;
using Keyreeve.Web.Telemetry;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Keyreeve.Server.Tests.Telemetry;

/// <summary>What the document promises, what is exported and what is measured are one list.</summary>
public sealed class TelemetryTableTests
{
    [Fact]
    public void The_document_lists_every_exported_metric_with_its_unit_and_tags_and_no_other() => Assert.Equal(
        ExportedMetric.All.Select(m => $"{m.Name} {m.Unit} {string.Join(' ', m.Tags)}").Order(StringComparer.Ordinal),
        new TelemetryDocument().Metrics.Select(m => $"{m.Name} {m.Unit} {string.Join(' ', m.Tags)}").Order(StringComparer.Ordinal));

    [Fact]
    public void The_document_lists_every_span_and_every_tag_of_one()
    {
        var document = new TelemetryDocument();
        Assert.Equal(Spans.Names.Order(StringComparer.Ordinal), document.Spans.Order(StringComparer.Ordinal));
        Assert.Equal(RequestSpans.Tags.Order(StringComparer.Ordinal), document.RequestTags.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Every_tag_of_ours_has_its_values_in_the_document() => Assert.Equal(
        ExportedMetric.All.SelectMany(m => m.Tags).Where(t => t.StartsWith("keyreeve.", StringComparison.Ordinal)).Distinct().Order(StringComparer.Ordinal),
        new TelemetryDocument().TagValues.Keys.Order(StringComparer.Ordinal));

    [Fact]
    public async Task The_tables_that_are_swept_are_those_in_the_document()
    {
        await using var server = await TestServer.StartAsync();
        Assert.Equal(
            server.Server.Application.Services.GetRequiredService<Stores>().Sweeps.Select(s => s.Name).Order(StringComparer.Ordinal),
            new TelemetryDocument().TagValues["keyreeve.table"].Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task What_we_measure_is_what_we_export()
    {
        var found = new Dictionary<string, string>(StringComparer.Ordinal);
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, _) =>
            {
                if (instrument.Meter.Name.StartsWith("Keyreeve.", StringComparison.Ordinal))
                    lock (found)
                        found[instrument.Name] = instrument.Unit + (string.IsNullOrEmpty(instrument.Description) ? " without a word on what it is" : "");
            },
        };
        listener.Start();
        foreach (var type in (Type[])[typeof(CoreTelemetry), typeof(WebTelemetry), typeof(OpenIdTelemetry), typeof(SealTelemetry), typeof(StorageTelemetry), typeof(ServerTelemetry)])
            RuntimeHelpers.RunClassConstructor(type.TypeHandle);
        await using (await TestServer.StartAsync("Telemetry:Otlp:Endpoint=http://127.0.0.1:9", "Telemetry:MetricSeconds=3600"))
            lock (found)
                Assert.Equal(
                    ExportedMetric.All.Where(m => m.Name.StartsWith("keyreeve.", StringComparison.Ordinal)).OrderBy(m => m.Name, StringComparer.Ordinal).Select(m => $"{m.Name} {m.Unit}"),
                    found.OrderBy(f => f.Key, StringComparer.Ordinal).Select(f => $"{f.Key} {f.Value}"));
    }
}
