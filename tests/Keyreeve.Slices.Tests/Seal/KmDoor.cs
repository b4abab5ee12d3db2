using System.Collections.Concurrent;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Keyreeve.Core.Audit;
using Keyreeve.Testing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Keyreeve.Slices.Tests.Seal;

/// <summary>A server whose clock stands still, callers with tokens, and the door of the SKM-S as an outsider sees it.</summary>
public sealed class KmDoor : IAsyncLifetime
{
    public const string Pump = "pump-control";
    public const string Fleet = "fleet-tracking";
    public const string Alice = "sip:alice@val.example";
    public const string Bob = "sip:bob@val.example";

    // Of all doors: two nodes of one store share the memory of what was asked, and their clocks may stand at the same second.
    private static int _requests;

    private HttpClient _http = null!;

    public TestServer Server { get; private set; } = null!;

    public LogLines Log { get; } = new();

    public long Now => Server.Time.GetUtcNow().ToUnixTimeSeconds();

    public string SKmsUri => (string)Server.Demo["skmsUri"]!;

    public string AliceToken { get; private set; } = "";

    public string BobToken { get; private set; } = "";

    public string ValServerToken { get; private set; } = "";

    public async ValueTask InitializeAsync() => await OpenAsync(await TestServer.StartAsync());

    /// <summary>A door of its own, for tests that move the clock, stop the server or change its store.</summary>
    public static async Task<KmDoor> OfAsync(TestServer server)
    {
        var door = new KmDoor();
        await door.OpenAsync(server);
        return door;
    }

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        await Server.DisposeAsync();
    }

    /// <summary>A request that is right for alice's own record; tests spoil it.</summary>
    public JsonObject Request(string serviceId = Pump, string? member = "userId", string? identity = Alice)
    {
        var request = new JsonObject { ["version"] = "1.0.0", ["sKmsUri"] = SKmsUri, ["serviceId"] = serviceId };
        if (member is not null)
            request[member] = identity;
        request["dateTime"] = Now;
        request["requestId"] = NewRequestId();
        return request;
    }

    /// <summary>A token with another signature: its first character is another one. The last ones may be, by chance, what would be put in their place.</summary>
    public static string Changed(string token)
    {
        var at = token.LastIndexOf('.') + 1;
        return token[..at] + (token[at] == 'A' ? 'B' : 'A') + token[(at + 1)..];
    }

    public string NewRequestId() => $"request-{Interlocked.Increment(ref _requests)}";

    public Task<KmAnswer> AskAsync(JsonObject request, string? token) => AskAsync(request.ToJsonString(), token);

    public Task<KmAnswer> AskAsync(string body, string? token, string contentType = "application/json") =>
        SendAsync(new ByteArrayContent(Encoding.UTF8.GetBytes(body)), token is null ? null : "Bearer " + token, contentType);

    public async Task<KmAnswer> SendAsync(HttpContent content, string? authorization, string? contentType, string path = "/seal/km/v1/requests", params string[] signatures)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = content };
        if (contentType is not null)
            content.Headers.TryAddWithoutValidation("Content-Type", contentType);
        if (authorization is not null)
            request.Headers.TryAddWithoutValidation("Authorization", authorization);
        foreach (var signature in signatures)
            request.Headers.TryAddWithoutValidation("X-JWS-Signature", signature);
        using var response = await _http.SendAsync(request, TestContext.Current.CancellationToken);
        var body = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        return new(response.StatusCode, body, response.Headers.WwwAuthenticate.Count == 0 ? null : response.Headers.GetValues("WWW-Authenticate").Single(),
            response.Headers.CacheControl?.NoStore == true, response.Content.Headers.ContentType?.MediaType)
        { RetryAfter = response.Headers.RetryAfter?.Delta };
    }

    /// <summary>The payload that demo.json names for a record.</summary>
    public string PayloadOf(string serviceId, string? member = null, string? identity = null) => (string)Server.Demo["keyRecords"]!.AsArray()
        .Single(r => (string)r!["serviceId"]! == serviceId && (member is null ? r.AsObject().Count == 2 : (string?)r[member] == identity))!["payload"]!;

    /// <summary>Stops the server, which writes what waits, and reads every line.</summary>
    public async Task<List<JsonObject>> StopAndReadAuditAsync()
    {
        await Server.Server.Application.StopAsync();
        var store = Server.Server.Application.Services.GetRequiredService<IAuditStore>();
        var lines = new List<JsonObject>();
        foreach (var (node, _, _) in await store.HeadsAsync(CancellationToken.None))
            lines.AddRange((await store.ReadAsync(node, 0, 100_000, CancellationToken.None)).Select(l => JsonNode.Parse(l.Json)!.AsObject()));
        return lines;
    }

    public async Task<string> ClientTokenAsync(string clientId, string scope)
    {
        var (status, body, _) = await new SealFlow(Server, clientId).TokenAsync(new() { ["grant_type"] = "client_credentials", ["scope"] = scope });
        Assert.Equal(HttpStatusCode.OK, status);
        return (string)body["access_token"]!;
    }

    private async Task OpenAsync(TestServer server)
    {
        Server = server;
        server.Time.StandStill();
        server.Server.Application.Services.GetRequiredService<ILoggerFactory>().AddProvider(Log);
        _http = server.NewClient();
        AliceToken = (string)(await new SealFlow(server) { Parameters = { ["scope"] = "openid seal:key_management" } }.TokensAsync(new SimUser(server)))["access_token"]!;
        BobToken = (string)(await new SealFlow(server) { Parameters = { ["scope"] = "openid seal:key_management" } }.TokensAsync(new SimUser(server, "bob")))["access_token"]!;
        ValServerToken = await ClientTokenAsync("val-server", "seal:key_management");
    }
}

/// <summary>What came back, as it came.</summary>
public sealed record KmAnswer(HttpStatusCode Status, string Body, string? Challenge, bool NoStore, string? MediaType)
{
    public JsonObject Json => JsonNode.Parse(Body)!.AsObject();

    public TimeSpan? RetryAfter { get; init; }

    public string? Payload => (string?)Json["payload"];

    public string? ErrorCode => (string?)Json["errorCode"];

    /// <summary>A success has a payload and no error code; nothing of it is kept by caches.</summary>
    public KmAnswer Granted(string payload)
    {
        Assert.Equal((HttpStatusCode.OK, payload), (Status, Payload));
        Assert.False(Json.ContainsKey("errorCode"));
        Assert.Null(Challenge);
        Assert.True(NoStore);
        Assert.Equal("application/json", MediaType);
        return this;
    }

    /// <summary>A refusal has its code under its status, never a payload, and a challenge exactly when it is 401.</summary>
    public KmAnswer Refused(string errorCode, int status)
    {
        Assert.Equal((errorCode, status), (ErrorCode, (int)Status));
        Assert.False(Json.ContainsKey("payload"));
        Assert.Equal(status == 401, Challenge is not null);
        Assert.True(Json.ContainsKey("dateTime"));
        Assert.True(Json.ContainsKey("sKmsUri"));
        Assert.True(NoStore);
        Assert.Equal("application/json", MediaType);
        return this;
    }
}

/// <summary>Everything the server logs from Trace on; the reason of a refusal stands only there and in the audit.</summary>
public sealed class LogLines : ILoggerProvider
{
    private readonly ConcurrentQueue<string> _lines = new();

    public IReadOnlyCollection<string> All => _lines;

    /// <summary>The code of the last refused KM request.</summary>
    public string LastRefusal => _lines.Last(l => l.StartsWith("KM request refused: ", StringComparison.Ordinal)).Split(": ")[1];

    public ILogger CreateLogger(string categoryName) => new Logger(_lines);

    public void Dispose()
    {
    }

    private sealed class Logger(ConcurrentQueue<string> lines) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            lines.Enqueue(formatter(state, exception) + (exception is null ? "" : "\n" + exception));
    }
}
