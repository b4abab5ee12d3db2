using System.Net;
using System.Net.Sockets;
using Keyreeve.Server.Settings;
using Xunit;

namespace Keyreeve.Server.Tests.Telemetry;

/// <summary>The program and its collector: there, away, deaf, or not wanted.</summary>
public sealed class CollectorTests : IDisposable
{
    private static readonly Dictionary<string, string> Nothing = [];

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_collector_gets_the_metrics_and_spans_of_a_whole_flow_and_the_last_ones_when_the_server_stops()
    {
        await using var collector = await OtlpReceiver.StartAsync();
        await using (var process = await StartAsync(collector.Address, Nothing))
        {
            using var client = new ProgramClient(_folder);
            var tokens = await client.SignInAsync();
            await client.AskForKeysAsync((string)tokens["access_token"]!);
            await client.AskForKeysAsync("x.y.z");
            await client.RefreshAsync((string)tokens["refresh_token"]!);
            await client.IsActiveAsync((string)tokens["access_token"]!);
            await process.SignalAsync("TERM");
            Assert.Equal(0, await process.ExitAsync());
        }
        var last = collector.Points.GroupBy(p => (p.Name, Tags: string.Join(',', p.Tags.OrderBy(t => t.Key, StringComparer.Ordinal).Select(t => t.Value)))).ToDictionary(g => g.Key, g => g.Last().Value);
        Assert.Equal(1, last[("keyreeve.tokens.issued", "authorization_code")]);
        Assert.Equal(1, last[("keyreeve.tokens.issued", "refresh_token")]);
        Assert.Equal(1, last[("keyreeve.km.requests", "none")]);
        Assert.Equal(1, last[("keyreeve.km.requests", "03")]);
        Assert.Equal(1, last[("keyreeve.refusals", "km.request,TokenInvalid")]);
        Assert.Equal(1, last[("keyreeve.logins", "succeeded")]);
        Assert.Equal(1, last[("keyreeve.introspections", "true")]);
        Assert.InRange(last[("keyreeve.certificate.remaining", "server")], 80, 91);
        foreach (var name in (string[])["http.server.request.duration", "kestrel.tls_handshake.duration", "dotnet.process.cpu.time", "keyreeve.store.batch.duration", "keyreeve.store.read.duration", "keyreeve.snapshot.age"])
            Assert.Contains(last.Keys, k => k.Name == name);
        Assert.Equal(["/v1/metrics", "/v1/traces"], collector.Posts.Select(p => p.Path).Distinct().Order(StringComparer.Ordinal));

        var spans = collector.Spans;
        Assert.Subset(spans.Select(s => s.Name).ToHashSet(), new HashSet<string>([.. Core.Telemetry.Spans.Names.Except([Core.Telemetry.Spans.DecideClientCredentials, Core.Telemetry.Spans.DecideExchange, Core.Telemetry.Spans.DecideAssertion]), "POST /token", "POST /seal/km/v1/requests", "GET /authorize", "POST /login"]));
        var redeem = spans.First(s => s.Name == "decide.authorization_code");
        var request = spans.Single(s => s.SpanId == redeem.ParentId);
        Assert.Equal(("POST /token", redeem.TraceId), (request.Name, request.TraceId));
        Assert.Equal(("200", "https"), (request.Tags["http.response.status_code"], request.Tags["keyreeve.listener"]));
        Assert.All(collector.Resources, r => Assert.Equal(("keyreeve", "node-1"), (r["service.name"], r["service.instance.id"])));
    }

    [Fact]
    public async Task Grpc_works_too()
    {
        await using var collector = await OtlpReceiver.StartAsync(grpc: true);
        await using var process = await StartAsync(collector.Address, Nothing, "--set", "Telemetry:Otlp:Protocol=grpc");
        using var client = new ProgramClient(_folder);
        await client.Http.GetAsync("/jwks", TestContext.Current.CancellationToken);
        await collector.UntilAsync(c => c.Points.Exists(p => p.Name == "http.server.request.duration") && c.Spans.Exists(s => s.Name == "GET /jwks"));
    }

    [Fact]
    public async Task Headers_reach_the_collector_and_the_environment_of_the_library_is_not_heard()
    {
        await using var collector = await OtlpReceiver.StartAsync();
        await using var other = await OtlpReceiver.StartAsync();
        const string secret = "Bearer one,two";
        var environment = new Dictionary<string, string>
        {
            ["KEYREEVE__Telemetry__Otlp__Headers"] = "Authorization=Bearer one%2Ctwo",
            ["OTEL_EXPORTER_OTLP_ENDPOINT"] = other.Address,
            ["OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"] = other.Address,
            ["OTEL_EXPORTER_OTLP_HEADERS"] = "x-other=1",
            ["OTEL_SERVICE_NAME"] = "somebody",
            ["OTEL_RESOURCE_ATTRIBUTES"] = "who=somebody",
            ["OTEL_SDK_DISABLED"] = "true",
            ["OTEL_TRACES_SAMPLER"] = "always_off",
            ["HTTP_PROXY"] = other.Address,
            ["ALL_PROXY"] = other.Address,
        };
        await using var process = await StartAsync(collector.Address, environment, "--set", "Log:Level=Trace");
        using var client = new ProgramClient(_folder);
        await client.Http.GetAsync("/jwks", TestContext.Current.CancellationToken);
        await collector.UntilAsync(c => c.Points.Count > 0 && c.Spans.Count > 0);
        Assert.Empty(other.Posts);
        Assert.All(collector.Posts, p => Assert.Equal((secret, false), (p.Headers["Authorization"], p.Headers.ContainsKey("x-other"))));
        Assert.DoesNotContain("somebody", collector.AllText, StringComparison.Ordinal);
        Assert.DoesNotContain("Bearer one", process.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_an_endpoint_nothing_is_sent_whatever_the_environment_says()
    {
        await using var collector = await OtlpReceiver.StartAsync();
        var environment = new Dictionary<string, string> { ["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.Address };
        await using (var process = await _folder.StartAsync(environment, "--demo", "--set", "Telemetry:MetricSeconds=1", "--set", "Telemetry:TraceSampleRatio=1"))
        {
            using var client = new ProgramClient(_folder);
            await client.SignInAsync();
            await process.SignalAsync("TERM");
            Assert.Equal(0, await process.ExitAsync());
        }
        Assert.Empty(collector.Posts);
    }

    [Fact]
    public async Task A_dead_collector_is_told_once_and_holds_nothing_up()
    {
        // Bound and not listening: a connection is refused, and nobody else gets the port meanwhile.
        using var closed = new Socket(SocketType.Stream, ProtocolType.Tcp);
        closed.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        var address = "http://" + closed.LocalEndPoint;
        await using var process = await StartAsync(address, Nothing);
        await ServesAndStopsAsync(process);
        Assert.Equal(2, process.Output.Split("does not take what it is sent").Length - 1); // metrics and traces have a way each
        Assert.Contains(address, process.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_collector_that_takes_a_connection_and_never_answers_holds_nothing_up()
    {
        using var deaf = new TcpListener(IPAddress.Loopback, 0);
        deaf.Start();
        await using var process = await StartAsync("http://" + deaf.LocalEndpoint, Nothing);
        // A report is on its way, and stays there.
        using var held = await deaf.AcceptTcpClientAsync(TestContext.Current.CancellationToken);
        await ServesAndStopsAsync(process);
    }

    [Fact]
    public async Task A_collector_that_comes_back_is_used_again_and_the_log_says_so()
    {
        await using var collector = await OtlpReceiver.StartAsync();
        collector.Status = 503;
        await using var process = await StartAsync(collector.Address, Nothing);
        await collector.UntilAsync(c => c.Posts.Count > 0);
        collector.Status = 200;
        var (limit, clock) = (TimeSpan.FromSeconds(60), System.Diagnostics.Stopwatch.StartNew());
        while (!process.Output.Contains("takes what it is sent again", StringComparison.Ordinal))
        {
            Assert.True(clock.Elapsed < limit, process.Output);
            await Task.Delay(50, TestContext.Current.CancellationToken);
        }
        Assert.Contains("(HTTP 503)", process.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Telemetry:Otlp:Endpoint=localhost:4318", "write http://host:port")]
    [InlineData("Telemetry:Otlp:Endpoint=http://user:hunter2@localhost:4318", "write http://host:port")]
    [InlineData("Telemetry:Otlp:Endpoint=http://localhost:4318?key=hunter2", "write http://host:port")]
    [InlineData("Telemetry:Otlp:Headers=hunter2", "write NAME=VALUE,NAME=VALUE")]
    [InlineData("Telemetry:Otlp:Headers=a b=hunter2", "write NAME=VALUE,NAME=VALUE")]
    [InlineData("Telemetry:Otlp:Headers=a=hunter2%0D%0Ab", "write NAME=VALUE,NAME=VALUE")]
    [InlineData("Telemetry:Otlp:Protocol=json", "http/protobuf or grpc")]
    [InlineData("Telemetry:TraceSampleRatio=2", "0 to 1")]
    [InlineData("Telemetry:TraceSampleRatio=-1", "0 to 1")]
    [InlineData("Telemetry:TraceSampleRatio=NaN", "0 to 1")]
    [InlineData("Telemetry:MetricSeconds=0", "1 to 3600")]
    [InlineData("Telemetry:MetricMinutes=1", "Did you mean 'Telemetry:MetricSeconds'?")]
    public void A_wrong_setting_says_what_would_be_right_and_repeats_no_secret(string setting, string says)
    {
        var error = Assert.Throws<SettingsException>(() => Read(setting));
        Assert.Contains(says, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("hunter2", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Headers_go_by_https_or_to_a_loopback_address_and_never_print()
    {
        Assert.Throws<SettingsException>(() => Read("Telemetry:Otlp:Endpoint=http://collector.example:4318", "Telemetry:Otlp:Headers=a=hunter2"));
        foreach (var endpoint in (string[])["https://collector.example:4318", "http://localhost:4318", "http://[::1]:4318"])
            Assert.DoesNotContain("hunter2", Read("Telemetry:Otlp:Endpoint=" + endpoint, "Telemetry:Otlp:Headers=a=hunter2").ToString(), StringComparison.Ordinal);
    }

    private static ServerSettings Read(params string[] settings) =>
        SettingsReader.Read(null, [], settings.Select(s => new KeyValuePair<string, string>(s[..s.IndexOf('=', StringComparison.Ordinal)], s[(s.IndexOf('=', StringComparison.Ordinal) + 1)..])));

    private Task<KeyreeveProcess> StartAsync(string collector, IReadOnlyDictionary<string, string> environment, params string[] more) => _folder.StartAsync(environment,
        ["--demo", "--set", "Telemetry:Otlp:Endpoint=" + collector, "--set", "Telemetry:MetricSeconds=1", "--set", "Telemetry:TraceSampleRatio=1", .. more]);

    /// <summary>More spans than may wait, then a stop in its ordinary limit.</summary>
    private async Task ServesAndStopsAsync(KeyreeveProcess process)
    {
        using var client = new ProgramClient(_folder);
        var tokens = await client.SignInAsync();
        for (var i = 0; i < 1000; i++)
            Assert.True(await client.IsActiveAsync((string)tokens["access_token"]!));
        await process.SignalAsync("TERM");
        // Its own limits are eight seconds together; the rest is for a slow machine, and less than a report may wait for its answer again and again.
        Assert.Equal(0, await process.ExitAsync(TimeSpan.FromSeconds(25)));
    }
}
