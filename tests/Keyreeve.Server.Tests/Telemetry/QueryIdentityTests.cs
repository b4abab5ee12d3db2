using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Keyreeve.Testing;
using Keyreeve.Wire.OAuth;
using Xunit;

namespace Keyreeve.Server.Tests.Telemetry;

/// <summary>
/// <c>val-tgt-ue</c> of TS 29.549 names a VAL user or VAL UE in a request URI. Whatever becomes of the request, at the chattiest log level and
/// with every request traced: no line, no span and no metric names who was asked about.
/// </summary>
public sealed class QueryIdentityTests : IDisposable
{
    private const string Person = "sip:in-a-query-4711@val.example", Ue = "ue-in-a-query-4711";

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    [Proves("TS 33.434", "4.1")]
    public async Task Who_is_asked_about_in_a_query_stands_in_no_log_line_no_span_and_no_metric()
    {
        await using var collector = await OtlpReceiver.StartAsync();
        string log;
        var statuses = new HashSet<HttpStatusCode>();
        await using (var process = await _folder.StartDemoAsync("--set", "Log:Level=Trace", "--set", "Telemetry:Otlp:Endpoint=" + collector.Address, "--set", "Telemetry:MetricSeconds=1", "--set", "Telemetry:TraceSampleRatio=1"))
        {
            using (var operators = _folder.Operator())
                await MakeRecordsAsync(operators);
            using var user = new ProgramClient(_folder);
            var users = (string)(await user.SignInAsync())["access_token"]!;
            var tokens = new[] { await TokenAsync(user.Http, "seal:key_management"), await TokenAsync(user.Http, "seal:user_profile"), users, "not-a-token", null };
            foreach (var token in tokens)
                foreach (var query in Queries())
                    foreach (var path in (string[])["/ss-kir/v1/key-records", "/ss-upr/v1/val-services", "/ss-ipp/v1/configurations", "/ss-kir/v1/nothing", "/userinfo"])
                        foreach (var method in (HttpMethod[])[HttpMethod.Get, HttpMethod.Delete])
                            statuses.Add(await SendAsync(user.Http, method, path + "?" + query, token));
            await process.SignalAsync("TERM");
            Assert.Equal(0, await process.ExitAsync());
            log = process.Output;
        }
        // Found, not there, refused for the token, for the caller, for the form, for the method, and no such path.
        Assert.Superset(new HashSet<HttpStatusCode> { HttpStatusCode.OK, HttpStatusCode.BadRequest, HttpStatusCode.Unauthorized, HttpStatusCode.Forbidden, HttpStatusCode.NotFound, HttpStatusCode.MethodNotAllowed }, statuses);
        Assert.Contains("refused", log, StringComparison.Ordinal);
        Assert.Contains(collector.Spans, s => s.Name == "GET /ss-kir/v1/key-records");
        foreach (var text in (string[])[log, collector.AllText])
            Assert.DoesNotContain("in-a-query-4711", text, StringComparison.OrdinalIgnoreCase);
    }

    private static IEnumerable<string> Queries()
    {
        foreach (var service in (string[])["pump-control", "fleet-tracking", "nothing"])
        {
            yield return $"val-service-id={service}&val-tgt-ue={Uri.EscapeDataString($$"""{"valUserId":"{{Person}}"}""")}";
            yield return $"val-service-id={service}&valUserId={Uri.EscapeDataString(Person)}";
            yield return $"val-service-id={service}&valUeId={Ue}";
        }
        // Not understood: both at once, no JSON, an unknown member, too long.
        yield return $"val-service-id=pump-control&valUserId={Person}&valUeId={Ue}";
        yield return $"val-service-id=pump-control&val-tgt-ue={Person}";
        yield return $"val-service-id=pump-control&val-tgt-ue={Uri.EscapeDataString($$"""{"{{Person}}":1}""")}";
        yield return $"val-service-id=pump-control&{Ue}={Person}";
        yield return $"val-service-id=pump-control&valUserId={Person}{new string('x', 5000)}";
    }

    private static async Task MakeRecordsAsync(HttpClient operators)
    {
        foreach (var (path, document) in ((string, JsonObject)[])
            [
                ("key-records", new() { ["serviceId"] = "pump-control", ["userId"] = Person, ["payload"] = "the key material" }),
                ("profiles", new() { ["serviceId"] = "pump-control", ["valUserId"] = Person, ["document"] = new JsonObject { ["group"] = "north" } }),
            ])
            Assert.Equal(HttpStatusCode.Created, (await operators.PostAsJsonAsync(path, document, TestContext.Current.CancellationToken)).StatusCode);
    }

    private async Task<string> TokenAsync(HttpClient http, string scope)
    {
        var secret = (string)_folder.Demo["clients"]!.AsArray().Single(c => (string)c!["clientId"]! == "val-server")!["clientSecret"]!;
        using var request = new HttpRequestMessage(HttpMethod.Post, "/token") { Content = new FormUrlEncodedContent([new("grant_type", "client_credentials"), new("scope", scope)]) };
        request.Headers.Authorization = AuthenticationHeaderValue.Parse(BasicCredentials.Write("val-server", secret));
        using var response = await http.SendAsync(request, TestContext.Current.CancellationToken);
        return (string)JsonNode.Parse(await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken))!["access_token"]!;
    }

    private static async Task<HttpStatusCode> SendAsync(HttpClient http, HttpMethod method, string address, string? token)
    {
        using var request = new HttpRequestMessage(method, address);
        if (token is not null)
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        using var response = await http.SendAsync(request, TestContext.Current.CancellationToken);
        return response.StatusCode;
    }
}
