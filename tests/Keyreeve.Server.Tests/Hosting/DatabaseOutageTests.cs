using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json.Nodes;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Server.Tests.Hosting;

/// <summary>The database goes away under a serving node: every surface says 503 and nothing else, and all is well when it is back.</summary>
public sealed class DatabaseOutageTests : IAsyncLifetime
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private TestPostgres _postgres = null!;
    private TestServer _server = null!;
    private int _requests;

    private static CancellationToken None => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _postgres = await TestPostgres.OwnAsync();
        _server = await TestServer.StartAsync("Storage:Connection=" + await _postgres.NewDatabaseAsync(), "Node=one");
    }

    public async ValueTask DisposeAsync()
    {
        if (_server is not null)
            await _server.DisposeAsync();
        if (_postgres is not null)
            await _postgres.DisposeAsync();
    }

    private async Task<HttpStatusCode> HealthAsync(string path)
    {
        using var http = _server.NewClient("health");
        using var answer = await http.GetAsync(path, None);
        return answer.StatusCode;
    }

    private async Task UntilReadyIsAsync(HttpStatusCode status)
    {
        using var deadline = new CancellationTokenSource(Patience);
        while (await HealthAsync("/readyz") != status)
        {
            Assert.False(deadline.IsCancellationRequested, $"/readyz does not become {status}");
            await Task.Delay(20, None);
        }
    }

    private HttpRequestMessage KeyRequest(string token) => new(HttpMethod.Post, "/seal/km/v1/requests")
    {
        Headers = { Authorization = new AuthenticationHeaderValue("Bearer", token) },
        Content = new StringContent(new JsonObject
        {
            ["version"] = "1.0.0",
            ["sKmsUri"] = (string)_server.Demo["skmsUri"]!,
            ["serviceId"] = "pump-control",
            ["userId"] = "sip:alice@val.example",
            ["dateTime"] = _server.Time.GetUtcNow().ToUnixTimeSeconds(),
            ["requestId"] = $"request-{_requests++}",
        }.ToJsonString(), Encoding.UTF8, "application/json"),
    };

    private static async Task DemandAwayAsync(string what, HttpResponseMessage answer)
    {
        var text = await answer.Content.ReadAsStringAsync(None);
        Assert.True(answer.StatusCode == HttpStatusCode.ServiceUnavailable, $"{what}: {(int)answer.StatusCode} {text}");
        Assert.True(answer.Headers.RetryAfter is not null, what + " says no Retry-After");
        foreach (var word in (string[])["Npgsql", "database", "Exception", "socket", "connect"])
            Assert.DoesNotContain(word, text, StringComparison.OrdinalIgnoreCase);
        answer.Dispose();
    }

    [Fact]
    public async Task Every_surface_says_503_while_the_database_is_away_and_serves_again_without_a_restart()
    {
        var flow = new SealFlow(_server);
        var tokens = await flow.TokensAsync();
        var code = await flow.CodeAsync();
        using var operatorCertificate = X509Certificate2.CreateFromPemFile(_server.Folder.AdminPem, _server.Folder.AdminKey);
        using var admin = _server.NewClient("mtls", operatorCertificate);
        using var https = _server.NewClient();
        var stranger = new SimUser(_server);
        Assert.Equal(HttpStatusCode.OK, await HealthAsync("/readyz"));

        await _postgres.StopAsync();
        await UntilReadyIsAsync(HttpStatusCode.ServiceUnavailable);
        Assert.Equal(HttpStatusCode.OK, await HealthAsync("/healthz"));
        await DemandAwayAsync("code", (await flow.RedeemAsync(code)).Response);
        await DemandAwayAsync("refresh", (await flow.RefreshAsync((string)tokens["refresh_token"]!)).Response);
        await DemandAwayAsync("revoke", (await flow.PostAsync("/revoke", new() { ["token"] = (string)tokens["access_token"]! })).Response);
        await DemandAwayAsync("key request", await https.SendAsync(KeyRequest((string)tokens["access_token"]!), None));
        await DemandAwayAsync("admin", await admin.GetAsync("/admin/v1/users", None));
        await DemandAwayAsync("login", (await stranger.GoAsync(flow.AuthorizeAddress)).Response);

        await _postgres.StartAsync();
        await UntilReadyIsAsync(HttpStatusCode.OK);
        // Nothing of what was refused was done in secret: code and refresh token are as good as before.
        Assert.Equal(HttpStatusCode.OK, (await flow.RefreshAsync((string)tokens["refresh_token"]!)).Status);
        using (var keys = await https.SendAsync(KeyRequest((string)tokens["access_token"]!), None))
            Assert.Equal(HttpStatusCode.OK, keys.StatusCode);
        using (var users = await admin.GetAsync("/admin/v1/users", None))
            Assert.Equal(HttpStatusCode.OK, users.StatusCode);
        Assert.NotNull((await new SimUser(_server).GoAsync(flow.AuthorizeAddress))["code"]);
    }
}
