using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Keyreeve.Core.Refusals;
using Keyreeve.Core.Telemetry;
using Keyreeve.Engines.Tls;
using Keyreeve.Server.Telemetry;
using Keyreeve.Wire.OAuth;
using Xunit;

namespace Keyreeve.Server.Tests.Telemetry;

/// <summary>
/// A whole server is driven through logins, tokens, key requests, administration and refusals, with names that would be seen again. Not
/// one of them may reach the collector, and nothing else may that the document does not list.
/// </summary>
public sealed partial class NoIdentityTests : IDisposable
{
    private const string Mallory = "mallory-4711", Service = "service-of-mallory", EvilClient = "client-of-mallory", Stranger = "stranger-0815";

    private readonly TempFolder _folder = new();
    private readonly List<string> _identities = [Mallory, Service, EvilClient, Stranger, "127.0.0.1", "alice", "seal-client", "pump-control", "val.example", "demo"];
    private readonly HashSet<string> _traces = [];

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Whatever_names_come_in_none_goes_out_and_every_tag_is_of_the_documented_list()
    {
        await using var collector = await OtlpReceiver.StartAsync();
        await using (var process = await _folder.StartAsync(null, "--demo", "--set", "Telemetry:Otlp:Endpoint=" + collector.Address, "--set", "Telemetry:MetricSeconds=1", "--set", "Telemetry:TraceSampleRatio=1"))
        {
            using var client = new ProgramClient(_folder);
            await AdministerAsync();
            await LogInAsync(client);
            await RefuseAsync(client.Http);
            await SendHostAsync();
            await SendGarbageAsync();
            // The spans of all this: the last of them wait no longer than the stop.
            await process.SignalAsync("TERM");
            Assert.Equal(0, await process.ExitAsync());
        }
        var (text, points, spans) = (collector.AllText, collector.Points, collector.Spans);
        Assert.True(_identities.Count > 30, "too few names were collected to prove anything");
        Assert.All(_identities, i => Assert.DoesNotContain(i, text, StringComparison.OrdinalIgnoreCase));
        // What was looked into holds what it should: the flow was measured.
        Assert.Contains(points, p => p.Name == "keyreeve.logins" && p.Tags["keyreeve.outcome"] == "failed");
        Assert.Contains(points, p => p.Name == "keyreeve.login.locks");
        Assert.Contains(points, p => p.Name == "keyreeve.refusals" && p.Tags["keyreeve.endpoint"] == "admin.authenticate");
        Assert.Contains(spans, s => s.Name == "GET /admin/v1/users/{subject}");
        CheckPoints(points);
        CheckSpans(spans);
    }

    private static void CheckPoints(List<OtlpPoint> points)
    {
        var document = new TelemetryDocument();
        var metrics = document.Metrics.ToDictionary(m => m.Name, StringComparer.Ordinal);
        Assert.All(points, p =>
        {
            Assert.True(metrics.TryGetValue(p.Name, out var row), p.Name);
            Assert.Equal(row.Unit, p.Unit);
            Assert.Empty(p.Tags.Keys.Except(row.Tags));
            Assert.Equal(0, p.Exemplars);
            Assert.All(p.Tags, t => Assert.True(IsKnown(document, t.Key, t.Value), $"{p.Name}: {t.Key} = {t.Value}"));
        });
    }

    private void CheckSpans(List<OtlpSpan> spans)
    {
        Assert.All(spans, s =>
        {
            var isRequest = s.Source == RequestSpans.Source;
            Assert.Empty(s.Tags.Keys.Except(isRequest ? RequestSpans.Tags : []));
            Assert.Equal((0, ""), (s.EventsAndLinks, s.TraceState));
            Assert.True(isRequest ? RequestName().IsMatch(s.Name) : Spans.Names.Contains(s.Name), s.Name);
            Assert.True(!isRequest || s.ParentId.Length == 0, "a request has a parent");
            Assert.DoesNotContain(s.TraceId, _traces);
        });
        // Asked to be left out by a header, and traced all the same.
        Assert.Contains(spans, s => s.Name == "POST /introspect");
    }

    private static bool IsKnown(TelemetryDocument document, string key, string value) => key switch
    {
        "keyreeve.refusal" => Enum.TryParse<RefusalCode>(value, out _),
        _ when document.TagValues.TryGetValue(key, out var values) => values.Contains(value),
        "http.request.method" => value is "GET" or "HEAD" or "POST" or "PUT" or "PATCH" or "DELETE" or "_OTHER",
        "http.response.status_code" or "server.port" => int.TryParse(value, out _),
        "http.route" => value.StartsWith('/') && Route().IsMatch(value),
        "url.scheme" => value is "http" or "https",
        "network.protocol.version" => value is "1.0" or "1.1" or "2" or "3",
        "tls.protocol.version" => value is "1.2" or "1.3",
        "error.type" => ErrorType().IsMatch(value),
        "cpu.mode" => value is "user" or "system",
        "gc.heap.generation" => value is "gen0" or "gen1" or "gen2" or "loh" or "poh",
        _ => false,
    };

    /// <summary>Makes the user, the service and the client with the names, and asks for them by path.</summary>
    private async Task AdministerAsync()
    {
        using var certificate = X509Certificate2.CreateFromPemFile(_folder.File("admin.pem"), _folder.File("admin.key"));
        using var http = NewClient("mtls", certificate);
        await SendAsync("/services", $$"""{"serviceId":"{{Service}}","name":"{{Service}}","audience":"https://{{Service}}.example"}""");
        var user = await SendAsync("/users", $$"""{"username":"{{Mallory}}","password":"correct horse {{Mallory}}","valUserId":"sip:{{Mallory}}@val.example","valServiceIds":["{{Service}}"]}""");
        _identities.Add((string)user["subject"]!);
        var client = await SendAsync("/clients", $$"""{"clientId":"{{EvilClient}}","name":"{{EvilClient}}","grants":["client_credentials"],"scopes":"val:{{Service}}","ownedServices":["{{Service}}"]}""");
        _identities.Add((string)client["clientSecret"]!);
        foreach (var path in (string[])["/users/" + (string)user["subject"]!, "/users/" + Stranger, "/clients/" + EvilClient, "/services/" + Service, "/nothing/" + Stranger])
            await http.GetAsync("/admin/v1" + path, TestContext.Current.CancellationToken);
        using var nobody = NewClient("mtls", null);
        Assert.Equal(HttpStatusCode.Unauthorized, (await nobody.GetAsync("/admin/v1/users/" + Stranger, TestContext.Current.CancellationToken)).StatusCode);

        using var form = new FormUrlEncodedContent([new("grant_type", "client_credentials"), new("scope", "val:" + Service)]);
        using var request = new HttpRequestMessage(HttpMethod.Post, "/token") { Content = form };
        request.Headers.TryAddWithoutValidation("Authorization", BasicCredentials.Write(EvilClient, (string)client["clientSecret"]!));
        using var response = await http.SendAsync(request, TestContext.Current.CancellationToken);
        var body = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.True(response.StatusCode == HttpStatusCode.OK, body);
        Remember(JsonNode.Parse(body)!.AsObject());

        async Task<JsonObject> SendAsync(string path, string json)
        {
            using var content = new StringContent(json, Encoding.UTF8, "application/json");
            using var response = await http.PostAsync("/admin/v1" + path, content, TestContext.Current.CancellationToken);
            var text = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
            Assert.True(response.StatusCode == HttpStatusCode.Created, text);
            return JsonNode.Parse(text)!.AsObject();
        }
    }

    private async Task LogInAsync(ProgramClient client)
    {
        var tokens = await client.SignInAsync();
        Remember(tokens);
        var access = (string)tokens["access_token"]!;
        await client.AskForKeysAsync(access);
        await client.AskForKeysAsync(access, dateTime: 1);
        Remember(await client.RefreshAsync((string)tokens["refresh_token"]!));
        await client.IsActiveAsync(access);
        await client.RevokeAsync(access);
        await client.AskForKeysAsync(access);
        _identities.AddRange(client.Codes);
        // A wrong password until the account is locked, and somebody who is not there.
        foreach (var name in (string[])[Mallory, Stranger])
        {
            using var guesser = new ProgramClient(_folder);
            await Assert.ThrowsAsync<InvalidOperationException>(() => guesser.SignInAsync(name, "guess of " + Mallory));
        }
    }

    /// <summary>Refusals at every door, with names wherever a name can stand.</summary>
    private async Task RefuseAsync(HttpClient http)
    {
        string[] gets = ["/" + Stranger, "/jwks/" + Stranger, "/authorize?client_id=" + Stranger, $"/authorize?client_id=seal-client&redirect_uri=https://{Stranger}.example/", "/login?ticket=" + Stranger, "/userinfo?access_token=" + Stranger, "/pages/" + Stranger,
            $"/ss-kir/v1/key-records?val-service-id={Stranger}&valUserId={Stranger}", $"/ss-upr/v1/val-services?val-tgt-ue=%7B%22valUeId%22%3A%22{Stranger}%22%7D", "/ss-ipp/v1/configurations/" + Stranger, "/ss-ipp/v1/configurations?config-ids=" + Stranger];
        foreach (var path in gets)
            await SendAsync(HttpMethod.Get, path, null);
        foreach (var path in (string[])["/token", "/introspect", "/revoke", "/authorize", "/login", "/consent", "/token?client_id=" + Stranger])
        {
            await SendAsync(HttpMethod.Post, path, $"grant_type={Stranger}&client_id={Stranger}&client_secret={Stranger}&token={Stranger}&code={Stranger}&scope={Stranger}");
            await SendAsync(HttpMethod.Post, path, $"client_id=seal-client&client_secret={Stranger}&grant_type=client_credentials");
        }
        await SendAsync(HttpMethod.Post, "/seal/km/v1/requests", Stranger);
        await SendAsync(new HttpMethod("STRANGER-0815"), "/token", null);
        await SendAsync(HttpMethod.Delete, "/token", null);
        await SendAsync(HttpMethod.Patch, "/ss-ipp/v1/configurations/" + Stranger, Stranger);

        async Task SendAsync(HttpMethod method, string path, string? form)
        {
            using var request = new HttpRequestMessage(method, path);
            if (form is not null)
                request.Content = new StringContent(form, Encoding.UTF8, "application/x-www-form-urlencoded");
            // The last flag says "do not record"; a parent would have this trace.
            var trace = Convert.ToHexStringLower(System.Security.Cryptography.RandomNumberGenerator.GetBytes(16));
            _traces.Add(trace);
            request.Headers.TryAddWithoutValidation("traceparent", $"00-{trace}-{Convert.ToHexStringLower(System.Security.Cryptography.RandomNumberGenerator.GetBytes(8))}-00");
            request.Headers.TryAddWithoutValidation("tracestate", "vendor=" + Stranger);
            request.Headers.TryAddWithoutValidation("baggage", "who=" + Stranger);
            request.Headers.TryAddWithoutValidation("User-Agent", Stranger);
            request.Headers.TryAddWithoutValidation("X-Forwarded-For", Stranger);
            if (method == HttpMethod.Get)
                request.Headers.TryAddWithoutValidation("Authorization", "Bearer " + Stranger);
            using var response = await http.SendAsync(request, TestContext.Current.CancellationToken);
        }
    }

    /// <summary>Another host in the Host header than in the handshake.</summary>
    private async Task SendHostAsync()
    {
        using var tcp = new TcpClient();
        await tcp.ConnectAsync(IPEndPoint.Parse((string)_folder.Listeners["listeners"]!["https"]!), TestContext.Current.CancellationToken);
        await using var tls = new SslStream(tcp.GetStream(), false, (_, _, _, _) => true);
        await tls.AuthenticateAsClientAsync("localhost");
        await tls.WriteAsync(Encoding.ASCII.GetBytes($"GET /jwks?{Stranger} HTTP/1.1\r\nHost: {Stranger}.example\r\nConnection: close\r\n\r\n"), TestContext.Current.CancellationToken);
        using var answer = new StreamReader(tls);
        Assert.StartsWith("HTTP/1.1 200", await answer.ReadToEndAsync(TestContext.Current.CancellationToken), StringComparison.Ordinal);
    }

    /// <summary>A handshake that fails, and a request that is none.</summary>
    private async Task SendGarbageAsync()
    {
        foreach (var listener in (string[])["https", "health"])
        {
            using var tcp = new TcpClient();
            var endPoint = IPEndPoint.Parse((string)_folder.Listeners["listeners"]![listener]!);
            await tcp.ConnectAsync(endPoint, TestContext.Current.CancellationToken);
            await tcp.GetStream().WriteAsync(Encoding.ASCII.GetBytes($"{Stranger} / {Stranger}\r\n\r\n"), TestContext.Current.CancellationToken);
            // The server ends the connection, so it has measured it.
            var rest = new byte[4096];
            try
            {
                while (await tcp.GetStream().ReadAsync(rest, TestContext.Current.CancellationToken) > 0)
                {
                }
            }
            catch (IOException)
            {
                // Ended by a reset.
            }
        }
    }

    private void Remember(JsonObject tokens)
    {
        foreach (var member in (string[])["access_token", "id_token", "refresh_token"])
        {
            if ((string?)tokens[member] is not { } token)
                continue;
            _identities.Add(token);
            if (token.Split('.') is not [_, var payload, var signature])
                continue;
            _identities.Add(signature);
            var claims = JsonNode.Parse(System.Buffers.Text.Base64Url.DecodeFromChars(payload))!.AsObject();
            _identities.AddRange(((string[])["sub", "jti", "grant_id", "sid"]).Select(c => (string?)claims[c]).OfType<string>());
        }
    }

    private HttpClient NewClient(string listener, X509Certificate2? certificate)
    {
        var roots = new X509Certificate2Collection();
        roots.ImportFromPemFile(_folder.File("ca.pem"));
        var port = ((string)_folder.Listeners["listeners"]![listener]!).Split(':')[^1];
        return new HttpClient(TlsProfile.CreateHandler(roots, certificate)) { BaseAddress = new Uri("https://localhost:" + port), Timeout = TimeSpan.FromSeconds(60) };
    }

    [GeneratedRegex(@"^(GET|HEAD|POST|PUT|PATCH|DELETE|_OTHER)( /[a-z0-9/{}*._:-]*)?$", RegexOptions.IgnoreCase)]
    private static partial Regex RequestName();

    [GeneratedRegex(@"^/[a-z0-9/{}*._:-]*$", RegexOptions.IgnoreCase)]
    private static partial Regex Route();

    [GeneratedRegex(@"^([A-Za-z_.]+|[45][0-9][0-9])$")]
    private static partial Regex ErrorType();
}
