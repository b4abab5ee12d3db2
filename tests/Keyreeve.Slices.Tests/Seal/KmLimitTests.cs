using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using Keyreeve.Engines.Tls;
using Keyreeve.Slices.Tests.OpenId;
using Keyreeve.Testing;
using Keyreeve.Wire.OAuth;
using Xunit;

namespace Keyreeve.Slices.Tests.Seal;

/// <summary>"detect and mitigate DoS" (4.1) at the doors to key material: who asks too much waits, and only he; and a store that is away is said so.</summary>
[Proves("TS 33.434", "4.1")]
public sealed class KmLimitTests
{
    /// <summary>One that both doors to which messages are posted read and echo, as far as they look at it.</summary>
    private const string Body =
        $$"""{"version":"1.0.0","sKmsUri":"https://localhost/seal/km","serviceId":"{{KmDoor.Pump}}","userId":"{{KmDoor.Alice}}","dateTime":1767225600,"payload":"material"}""";
    /// <summary>No whole message: who may send one hears 400.</summary>
    private const string Short = """{"version":"1.0.0","serviceId":"pump-control"}""";

    private const string Records = "/seal/km/v1/services/pump-control/records";

    [Fact]
    public async Task A_client_that_asks_too_often_gets_429_and_others_go_on()
    {
        await using var door = await KmDoor.OfAsync(await TestServer.StartAsync("Limits:PerClient=1/min burst 4"));
        // The token requests of the fixture count too; whatever is left is used up here.
        KmAnswer answer;
        do
            answer = await door.AskAsync(door.Request(), door.ValServerToken);
        while (answer.Status == HttpStatusCode.OK);
        answer.Refused("01", 429);
        Assert.InRange(answer.RetryAfter!.Value, TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(5));
        // As asked, so that a SKM-C knows which of its requests it was.
        Assert.Equal((KmDoor.Pump, KmDoor.Alice), ((string?)answer.Json["serviceId"], (string?)answer.Json["userId"]));
        Assert.Equal("TooManyRequests", door.Log.LastRefusal);
        (await door.AskAsync(door.Request(), door.AliceToken)).Granted(door.PayloadOf(KmDoor.Pump, "userId", KmDoor.Alice));
        // A refusal for the rate has not used the request up, and leaves no line in the audit: a flood must not fill the disk.
        var refused = (await door.StopAndReadAuditAsync()).Where(l => (string?)l["kind"] == "km.request" && (string?)l["outcome"] == "Refused");
        Assert.Empty(refused);
    }

    [Fact]
    public async Task A_user_who_asks_too_often_does_not_take_the_rate_of_the_others_of_the_same_application()
    {
        await using var door = await KmDoor.OfAsync(await TestServer.StartAsync("Limits:PerClient=1/min burst 4"));
        KmAnswer answer;
        do
            answer = await door.AskAsync(door.Request(), door.AliceToken);
        while (answer.Status == HttpStatusCode.OK);
        answer.Refused("01", 429);
        using var elsewhere = From(door.Server, IPAddress.Parse("127.0.0.9"));
        using var request = new HttpRequestMessage(HttpMethod.Post, "/seal/km/v1/requests")
        {
            Content = new StringContent(door.Request(KmDoor.Pump, "userId", KmDoor.Bob).ToJsonString(), Encoding.UTF8, "application/json"),
            Headers = { { "Authorization", "Bearer " + door.BobToken } },
        };
        using var bobs = await elsewhere.SendAsync(request, TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.OK, bobs.StatusCode);
        // The client itself goes on asking for tokens.
        Assert.NotNull((await new SealFlow(door.Server).TokensAsync())["access_token"]);
    }

    [Theory]
    [InlineData("POST", KeyOwner.Door, "seal:key_provisioning")]
    [InlineData("GET", Records, "seal:key_provisioning")]
    [InlineData("GET", SealCaller.Profiles + "?val-service-id=pump-control&valUserId=x", "seal:user_profile")]
    [InlineData("GET", SealCaller.Configurations + "?val-server-id=val-server", "seal:identity_provisioning")]
    public async Task A_VAL_server_that_asks_too_often_gets_429_at_each_of_its_doors_and_others_go_on(string method, string path, string scope)
    {
        await using var caller = await SealCaller.StartAsync("Limits:PerClient=1/min burst 6");
        await caller.Host.AddClientAsync(SealCaller.ValServer("other-server", SealCaller.Fleet) with { Scopes = ScopeList.Of([scope]) });
        var (token, others) = (await caller.TokenAsync(scope), await caller.TokenAsync(scope, "other-server"));
        HttpResponseMessage answer;
        var asked = 0;
        do
        {
            answer = await AskAsync(caller.Host.Http, method, path, token);
            Assert.False(answer.StatusCode is HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden or HttpStatusCode.NotFound, $"{answer.StatusCode}");
        }
        while (answer.StatusCode != HttpStatusCode.TooManyRequests && ++asked < 100);
        Assert.NotEqual(0, asked);
        await IsTooManyAsync(answer, method);
        // Same source, another client: whatever it may do there, it need not wait.
        answer = await AskAsync(caller.Host.Http, method, path, others);
        Assert.False(answer.StatusCode is HttpStatusCode.Unauthorized or HttpStatusCode.TooManyRequests, $"{answer.StatusCode}");
    }

    [Theory]
    [InlineData("POST", "/seal/km/v1/requests")]
    [InlineData("POST", KeyOwner.Door)]
    [InlineData("GET", Records)]
    [InlineData("GET", "/ss-kir/v1/key-records?val-service-id=pump-control")]
    [InlineData("GET", "/ss-upr/v1/val-services?valUserId=x")]
    [InlineData("GET", "/ss-ipp/v1/configurations?val-server-id=val-server")]
    public async Task A_source_that_asks_too_often_gets_429_with_or_without_a_token_and_another_goes_on(string method, string path)
    {
        await using var server = await OpenIdServer.StartAsync("Limits:PerSource=1/min burst 6");
        using var elsewhere = From(server.Server, IPAddress.Parse("127.0.0.9"));
        HttpResponseMessage answer;
        var asked = 0;
        do
            answer = await AskAsync(server.Http, method, path);
        while (answer.StatusCode == HttpStatusCode.Unauthorized && ++asked < 100);
        var body = await IsTooManyAsync(answer, method);
        // What was not read, or not understood, is not echoed.
        Assert.False(body.ContainsKey("serviceId"));
        Assert.Equal(HttpStatusCode.Unauthorized, (await AskAsync(elsewhere, method, path)).StatusCode);
    }

    [Theory]
    [InlineData("DROP TABLE key_records")]
    [InlineData("ALTER TABLE key_records RENAME COLUMN sealed_payload TO away")]
    [Proves("TS 29.549", "SS_KeyInfoRetrieval")]
    [Proves("TS 33.434", "5.3.3")]
    public async Task A_store_that_is_gone_is_503_with_01_at_both_doors(string sql)
    {
        await using var caller = await SealCaller.StartAsync();
        var token = await caller.TokenAsync("seal:key_management");
        var asked = $"{SealCaller.KeyRecords}?val-service-id=pump-control";
        (await caller.SendAsync(HttpMethod.Get, asked, token)).Is(HttpStatusCode.OK);
        await using (var connection = new Microsoft.Data.Sqlite.SqliteConnection($"Data Source={caller.Server.Folder.Database};Pooling=False"))
        {
            await connection.OpenAsync(TestContext.Current.CancellationToken);
            await using var command = connection.CreateCommand();
            command.CommandText = sql;
            await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
        }
        // What another program did to the file is known within a second; until then the record is in memory.
        var answer = await caller.SendAsync(HttpMethod.Get, asked, token);
        for (var since = TimeProvider.System.GetTimestamp(); answer.Status == HttpStatusCode.OK && TimeProvider.System.GetElapsedTime(since) < TimeSpan.FromSeconds(20); answer = await caller.SendAsync(HttpMethod.Get, asked, token))
            await Task.Delay(50, TestContext.Current.CancellationToken);
        answer.Refused(HttpStatusCode.ServiceUnavailable);
        Assert.Equal(("01", "UNSPECIFIED", "5"), ((string?)answer.Json["errorCode"], answer.Cause, answer.Headers["Retry-After"]));
        Assert.DoesNotContain("key_records", answer.Text.Replace("/key-records", "", StringComparison.Ordinal), StringComparison.Ordinal);
        Assert.DoesNotContain("payload", answer.Text, StringComparison.Ordinal);
    }

    /// <summary>429, in the words of the door: the messages have their error code, the resources a problem document.</summary>
    private static async Task<JsonObject> IsTooManyAsync(HttpResponseMessage answer, string method)
    {
        Assert.Equal(HttpStatusCode.TooManyRequests, answer.StatusCode);
        Assert.InRange(answer.Headers.RetryAfter!.Delta!.Value, TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(6));
        var body = JsonNode.Parse(await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken))!.AsObject();
        Assert.Equal(method == "POST" ? "application/json" : "application/problem+json", answer.Content.Headers.ContentType!.MediaType);
        if (method == "POST")
        {
            Assert.Equal("01", (string?)body["errorCode"]);
            Assert.True(body.ContainsKey("dateTime") && !body.ContainsKey("payload") && !body.ContainsKey("result"));
        }
        return body;
    }

    private static async Task<HttpResponseMessage> AskAsync(HttpClient http, string method, string path, string? token = null)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        request.Headers.Authorization = token is null ? null : new("Bearer", token);
        if (method == "POST")
            request.Content = new StringContent(token is null ? Body : Short, Encoding.UTF8, "application/json");
        return await http.SendAsync(request, TestContext.Current.CancellationToken);
    }

    /// <summary>A client whose connections come from another address.</summary>
    private static HttpClient From(TestServer server, IPAddress source)
    {
        var roots = new System.Security.Cryptography.X509Certificates.X509Certificate2Collection();
        roots.ImportFromPemFile(server.Folder.CaPem);
        var handler = TlsProfile.CreateHandler(roots);
        handler.ConnectCallback = async (context, cancel) =>
        {
            var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            socket.Bind(new IPEndPoint(source, 0));
            await socket.ConnectAsync(new IPEndPoint(IPAddress.Loopback, context.DnsEndPoint.Port), cancel);
            return new NetworkStream(socket, ownsSocket: true);
        };
        return new HttpClient(handler) { BaseAddress = new Uri($"https://localhost:{server.Server.EndPoints["https"].Port}") };
    }
}
