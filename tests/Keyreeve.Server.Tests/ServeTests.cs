using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using Keyreeve.Storage;
using Xunit;

namespace Keyreeve.Server.Tests;

/// <summary>keyreeve serve: what it writes, how it stops, what survives.</summary>
public sealed class ServeTests : IDisposable
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_demo_server_writes_down_what_it_bound_and_all_that_a_script_needs()
    {
        await using var process = await _folder.StartDemoAsync();
        var listeners = _folder.Listeners["listeners"]!.AsObject();
        Assert.Equal(["health", "https", "mtls"], listeners.Select(l => l.Key).Order(StringComparer.Ordinal));
        Assert.All(listeners, l => Assert.NotEqual(0, IPEndPoint.Parse((string)l.Value!).Port));
        Assert.Equal($"https://localhost:{IPEndPoint.Parse((string)listeners["https"]!).Port}", (string?)_folder.Listeners["issuer"]);

        foreach (var secret in (string[])["demo.json", "admin.pem", "admin.key", "kek", "val-server.key"])
            Assert.Equal(OwnerOnly, File.GetUnixFileMode(_folder.File(secret)));
        CheckDemo(_folder.Demo);

        using var http = new HttpClient();
        foreach (var path in (string[])["healthz", "readyz"])
            Assert.Equal(HttpStatusCode.OK, (await http.GetAsync($"http://{(string)listeners["health"]!}/{path}", TestContext.Current.CancellationToken)).StatusCode);
        using var client = new ProgramClient(_folder);
        var tokens = await client.SignInAsync();
        var (status, body) = await client.AskForKeysAsync((string)tokens["access_token"]!);
        Assert.Equal(HttpStatusCode.OK, status);
        Assert.Equal(PayloadOfAlice(), (string?)JsonNode.Parse(body)!["payload"]);
    }

    private void CheckDemo(JsonObject demo)
    {
        Assert.Equal((string?)_folder.Listeners["issuer"], (string?)demo["issuer"]);
        Assert.True(File.Exists(_folder.File((string)demo["ca"]!)));
        Assert.Equal((string)demo["issuer"]! + "/seal/km", (string?)demo["skmsUri"]);
        var users = demo["users"]!.AsArray();
        Assert.True(users.Count >= 2);
        Assert.All(users, u =>
        {
            foreach (var member in (string[])["username", "password", "valUserId", "valUeId"])
                Assert.NotEmpty((string)u![member]!);
            Assert.NotEmpty(u!["valServiceIds"]!.AsArray());
            Assert.Contains(demo["keyRecords"]!.AsArray(), r => (string?)r!["userId"] == (string?)u["valUserId"]);
        });
        var clients = demo["clients"]!.AsArray();
        Assert.All(clients, c =>
        {
            Assert.NotEmpty((string)c!["clientId"]!);
            Assert.NotEmpty((string)c["scopes"]!);
            Assert.NotEmpty(c["grants"]!.AsArray());
            Assert.NotNull(c["redirectUris"]!.AsArray());
            Assert.Contains((string)c["profile"]!, (string[])["seal", "openid"]);
        });
        Assert.Contains(clients, c => (string)c!["profile"]! == "seal" && c["clientSecret"] is not null && c["redirectUris"]!.AsArray().Any(u => (string)u! == "http://127.0.0.1:8400/callback"));
        Assert.Contains(clients, c => (string)c!["profile"]! == "openid" && c["grants"]!.AsArray().Any(g => (string)g! == "authorization_code"));
        Assert.Contains(clients, c => c!["grants"]!.AsArray() is [var only] && (string)only! == "client_credentials");
        var certified = clients.Where(c => c!["cert"] is not null).ToList();
        Assert.Contains(certified, c => (string)c!["clientId"]! == "val-server");
        Assert.All(certified, c => Assert.True(File.Exists(_folder.File((string)c!["cert"]!)) && File.Exists(_folder.File((string)c["key"]!))));
        Assert.All(demo["keyRecords"]!.AsArray(), r => Assert.NotEmpty((string)r!["payload"]! + (string)r["serviceId"]!));
    }

    [Theory]
    [InlineData("INT")]
    [InlineData("TERM")]
    public async Task A_signal_ends_it_in_order_while_connections_are_kept_alive(string signal)
    {
        await using var process = await _folder.StartDemoAsync();
        using var client = new ProgramClient(_folder);
        await client.Http.GetAsync("/jwks", TestContext.Current.CancellationToken);
        using var health = new TcpClient();
        var (host, port) = EndPoint("health");
        await health.ConnectAsync(host, port, TestContext.Current.CancellationToken);
        await health.GetStream().WriteAsync("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"u8.ToArray(), TestContext.Current.CancellationToken);
        await health.GetStream().ReadExactlyAsync(new byte[20], TestContext.Current.CancellationToken);
        await process.SignalAsync(signal);
        Assert.Equal(0, await process.ExitAsync());
    }

    [Theory]
    [InlineData("INT")]
    [InlineData("TERM")]
    public async Task A_signal_ends_it_in_order_and_in_time_while_a_request_does_not_end(string signal)
    {
        await using var process = await _folder.StartDemoAsync();
        var (host, port) = EndPoint("https");
        using var tcp = new TcpClient();
        await tcp.ConnectAsync(host, port, TestContext.Current.CancellationToken);
        await using var tls = new SslStream(tcp.GetStream(), false, (_, _, _, _) => true);
        await tls.AuthenticateAsClientAsync("localhost");
        await tls.WriteAsync(Encoding.ASCII.GetBytes("POST /token HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n\r\ngrant"), TestContext.Current.CancellationToken);
        // Another connection's answer: the server has read the first by then, or reads it while stopping.
        using var client = new ProgramClient(_folder);
        await client.AskForKeysAsync("x.y.z");
        await process.SignalAsync(signal);
        // Its own limits are eight seconds together, without them it would be thirty and more; the rest is for a slow machine.
        Assert.Equal(0, await process.ExitAsync(TimeSpan.FromSeconds(25)));
        // What was counted is written on the way out, however long the way was.
        Assert.Contains("1 x TokenInvalid within a minute", await AuditOf(_folder), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_second_start_on_the_folder_keeps_users_secrets_CA_and_operator()
    {
        await _folder.StartAndStopAsync("--demo");
        var demo = _folder.Demo;
        string[] kept = ["ca.pem", "admin.pem", "admin.key", "kek", "val-server.pem"];
        var before = kept.Select(f => File.ReadAllText(_folder.File(f))).ToList();
        await using var process = await _folder.StartDemoAsync();
        Assert.Equal(before, kept.Select(f => File.ReadAllText(_folder.File(f))));
        foreach (var member in (string[])["users", "clients", "keyRecords"])
            Assert.Equal(demo[member]!.ToJsonString(), _folder.Demo[member]!.ToJsonString());
        Assert.Equal((string?)_folder.Listeners["issuer"], (string?)_folder.Demo["issuer"]);
        using var client = new ProgramClient(_folder);
        Assert.NotNull((await client.SignInAsync())["id_token"]);
    }

    [Fact]
    public async Task A_token_that_was_revoked_before_a_crash_stays_revoked()
    {
        const string issuer = "Issuer=https://localhost:4711";
        string access, other;
        await using (var process = await _folder.StartDemoAsync("--set", issuer))
        {
            using var client = new ProgramClient(_folder);
            access = (string)(await client.SignInAsync())["access_token"]!;
            other = (string)(await client.SignInAsync())["access_token"]!;
            Assert.True(await client.IsActiveAsync(access));
            await client.RevokeAsync(access);
            await process.SignalAsync("KILL");
            await process.ExitAsync();
        }
        await using var again = await _folder.StartDemoAsync("--set", issuer);
        using var after = new ProgramClient(_folder);
        Assert.False(await after.IsActiveAsync(access));
        Assert.True(await after.IsActiveAsync(other));
        Assert.Equal(HttpStatusCode.Unauthorized, (await after.AskForKeysAsync(access)).Status);
    }

    [Fact]
    public async Task After_a_crash_the_successor_of_a_refresh_works_and_the_audit_holds()
    {
        string first, second;
        await using (var process = await _folder.StartDemoAsync())
        {
            using var client = new ProgramClient(_folder);
            first = (string)(await client.SignInAsync())["refresh_token"]!;
            second = (string)(await client.RefreshAsync(first))["refresh_token"]!;
            await process.SignalAsync("KILL");
            await process.ExitAsync();
        }
        Assert.NotEqual(first, second);
        var (code, output) = await KeyreeveProcess.RunAsync("audit", "verify", "--data", _folder.Data);
        Assert.Equal((0, true), (code, output.Contains("the chain holds", StringComparison.Ordinal)));
        await using (var again = await _folder.StartDemoAsync())
        {
            using var after = new ProgramClient(_folder);
            var third = (string)(await after.RefreshAsync(second))["refresh_token"]!;
            Assert.NotEqual(second, third);
        }
        Assert.Equal(0, (await KeyreeveProcess.RunAsync("audit", "verify", "--data", _folder.Data)).Code);
    }

    [Fact]
    public async Task No_secret_is_in_the_output_of_a_whole_flow_at_the_finest_log_level()
    {
        var secrets = new List<string>();
        string output;
        await using (var process = await _folder.StartDemoAsync("--set", "Log:Level=Trace"))
        {
            using var client = new ProgramClient(_folder);
            var tokens = await client.SignInAsync();
            var access = (string)tokens["access_token"]!;
            await client.AskForKeysAsync(access);
            await client.AskForKeysAsync(access, dateTime: 1);
            var renewed = await client.RefreshAsync((string)tokens["refresh_token"]!);
            await client.RevokeAsync(access);
            await client.IsActiveAsync(access);
            await client.AskForKeysAsync(access);
            await client.RevokeAsync((string)renewed["refresh_token"]!);
            foreach (var answer in (JsonObject[])[tokens, renewed])
                foreach (var member in (string[])["access_token", "id_token", "refresh_token"])
                    if ((string?)answer[member] is { } token)
                        secrets.Add(token.Split('.')[^1]);
            secrets.AddRange(client.Codes);
            await process.SignalAsync("TERM");
            Assert.Equal(0, await process.ExitAsync());
            output = process.Output;
        }
        secrets.Add(File.ReadAllText(_folder.File("kek")).Trim());
        secrets.AddRange(_folder.Demo["users"]!.AsArray().Select(u => (string)u!["password"]!));
        secrets.AddRange(_folder.Demo["clients"]!.AsArray().Select(c => (string)c!["clientSecret"]!));
        secrets.AddRange(_folder.Demo["keyRecords"]!.AsArray().Select(r => (string)r!["payload"]!));
        Assert.True(secrets.Count >= 18, secrets.Count.ToString(System.Globalization.CultureInfo.InvariantCulture));
        Assert.Contains("KM request refused: OutsideTimeWindow", output, StringComparison.Ordinal);
        Assert.Contains("KM request refused: TokenRevoked", output, StringComparison.Ordinal);
        Assert.All(secrets, s => Assert.DoesNotContain(s, output, StringComparison.Ordinal));
    }

    /// <summary>All lines of the audit of a stopped folder.</summary>
    private static async Task<string> AuditOf(TempFolder folder)
    {
        await using var database = await SqliteEngine.OpenAsync(folder.File("keyreeve.db"), TimeProvider.System, "test", TestContext.Current.CancellationToken);
        var lines = await new Stores(database).Audit.ReadAsync("node-1", 0, 10_000, TestContext.Current.CancellationToken);
        return string.Join('\n', lines.Select(l => Encoding.UTF8.GetString(l.Json)));
    }

    private (string Host, int Port) EndPoint(string listener)
    {
        var endPoint = IPEndPoint.Parse((string)_folder.Listeners["listeners"]![listener]!);
        return (endPoint.Address.ToString(), endPoint.Port);
    }

    private string PayloadOfAlice() => (string)_folder.Demo["keyRecords"]!.AsArray()
        .Single(r => (string)r!["serviceId"]! == "pump-control" && (string?)r["userId"] == "sip:alice@val.example")!["payload"]!;
}
