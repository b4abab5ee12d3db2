using System.Net;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json.Nodes;
using Keyreeve.Core.Audit;
using Keyreeve.Server.Hosting;
using Keyreeve.Server.Settings;
using Keyreeve.Storage;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Server.Tests.Hosting;

/// <summary>Whole servers on one PostgreSQL database.</summary>
public sealed class PostgresServerTests : IAsyncLifetime
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private TestPostgres _postgres = null!;
    private string _database = "";

    private static CancellationToken None => TestContext.Current.CancellationToken;

    private string Connection => "Storage:Connection=" + _database;

    public async ValueTask InitializeAsync()
    {
        _postgres = await TestPostgres.SharedAsync();
        _database = await _postgres.NewDatabaseAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (_database.Length > 0)
            await _postgres.DropAsync(_database);
    }

    private static async Task<(HttpStatusCode Status, JsonObject Body)> PostAsync(TestServer server, string path, string clientId, params (string Name, string Value)[] form)
    {
        using var http = server.NewClient();
        using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = new FormUrlEncodedContent(form.ToDictionary(pair => pair.Name, pair => pair.Value)) };
        request.Headers.Authorization = server.Basic(clientId);
        using var answer = await http.SendAsync(request, None);
        var text = await answer.Content.ReadAsStringAsync(None);
        return (answer.StatusCode, text.Length == 0 ? [] : JsonNode.Parse(text)!.AsObject());
    }

    private static async Task<string> TokenAsync(TestServer server)
    {
        var (status, body) = await PostAsync(server, "/token", "machine-client", ("grant_type", "client_credentials"), ("scope", "val:fleet-tracking"));
        Assert.Equal(HttpStatusCode.OK, status);
        return (string)body["access_token"]!;
    }

    private static async Task<bool> IsActiveAsync(TestServer server, string token)
    {
        var (status, body) = await PostAsync(server, "/introspect", "machine-client", ("token", token));
        Assert.Equal(HttpStatusCode.OK, status);
        return (bool)body["active"]!;
    }

    private static async Task UntilAsync(Func<Task<bool>> condition)
    {
        using var deadline = new CancellationTokenSource(Patience);
        while (!await condition())
        {
            Assert.False(deadline.IsCancellationRequested, "it did not come to be");
            await Task.Delay(20, None);
        }
    }

    [Fact]
    public async Task Two_nodes_are_one_server_to_their_clients()
    {
        await using var one = await TestServer.StartAsync(Connection, "Node=one");
        await using var two = await TestServer.StartBesideAsync(one, Connection, "Node=two");
        Assert.Equal(await File.ReadAllTextAsync(one.Folder.CaPem, None), await File.ReadAllTextAsync(two.Folder.CaPem, None));
        // Who made the first operator has its key; the other node makes none.
        Assert.True(File.Exists(one.Folder.AdminKey));
        Assert.False(File.Exists(two.Folder.AdminKey));

        // What one issues the other knows, and what one revokes the other refuses.
        var token = await TokenAsync(one);
        Assert.True(await IsActiveAsync(two, token));
        await PostAsync(two, "/revoke", "machine-client", ("token", token));
        await UntilAsync(async () => !await IsActiveAsync(one, token));
        Assert.False(await IsActiveAsync(two, token));

        await using var stores = await OpenAsync("three");
        Assert.Null((await AuditVerification.WalkAsync(new Stores(stores).Audit, None)).BrokenAt);
    }

    [Fact]
    public async Task A_certificate_that_one_node_revokes_the_other_refuses_on_a_connection_that_was_open_and_both_serve_the_same_list()
    {
        await using var one = await TestServer.StartAsync(Connection, "Node=one");
        await using var two = await TestServer.StartBesideAsync(one, Connection, "Node=two");
        using var certificate = X509Certificate2.CreateFromPemFile(one.Folder.Path("val-server.pem"), one.Folder.Path("val-server.key"));
        using var http = two.NewClient("mtls", certificate);
        Assert.Equal(HttpStatusCode.OK, await AskAsync());
        using var admin = one.NewClient("mtls", X509Certificate2.CreateFromPemFile(one.Folder.AdminPem, one.Folder.AdminKey));
        using var revoked = await admin.PostAsync($"/admin/v1/certificates/{certificate.SerialNumber.ToLowerInvariant()}/revoke", null, None);
        Assert.Equal(HttpStatusCode.OK, revoked.StatusCode);
        await UntilAsync(async () => await AskAsync() == HttpStatusCode.Unauthorized);
        using HttpClient first = one.NewClient("health"), second = two.NewClient("health");
        Assert.Equal(await first.GetByteArrayAsync("/crl/val.crl", None), await second.GetByteArrayAsync("/crl/val.crl", None));

        async Task<HttpStatusCode> AskAsync() =>
            (await http.PostAsync("/token", new FormUrlEncodedContent(new Dictionary<string, string> { ["grant_type"] = "client_credentials", ["client_id"] = "val-server" }), None)).StatusCode;
    }

    [Fact]
    public async Task First_starts_at_once_make_one_authority_one_operator_and_one_set_of_keys()
    {
        // As an operator prepares it: the same KEK in both folders.
        var kek = System.Buffers.Text.Base64Url.EncodeToString(new byte[32]);
        var folders = new[] { Directory.CreateTempSubdirectory("keyreeve-test-").FullName, Directory.CreateTempSubdirectory("keyreeve-test-").FullName };
        foreach (var folder in folders)
        {
            await File.WriteAllTextAsync(Path.Combine(folder, "kek"), kek, None);
            File.SetUnixFileMode(Path.Combine(folder, "kek"), UnixFileMode.UserRead | UnixFileMode.UserWrite);
        }
        var servers = await Task.WhenAll(folders.Select((folder, i) => Task.Run(() => TestServer.StartAsync(folder, keep: false, Connection, $"Node=node-{i}", "Issuer=https://localhost:9443"))));
        try
        {
            Assert.Equal(await File.ReadAllTextAsync(servers[0].Folder.CaPem, None), await File.ReadAllTextAsync(servers[1].Folder.CaPem, None));
            Assert.Single(servers, server => File.Exists(server.Folder.AdminKey));
            await using var database = await OpenAsync("three");
            var stores = new Stores(database);
            Assert.Single(await stores.Sealed.ListAsync("operators/", None));
            Assert.Single(await stores.Sealed.ListAsync("data_protection/", None));
            var keys = await stores.SigningKeys.LoadAsync(None);
            Assert.Equal(keys.Select(key => (key.Algorithm, key.Generation)).Distinct().Count(), keys.Count);
            foreach (var server in servers)
                await TokenAsync(server);
        }
        finally
        {
            foreach (var server in servers)
                await server.DisposeAsync();
        }
    }

    [Fact]
    public async Task A_node_with_another_KEK_does_not_start_and_writes_nothing()
    {
        string needed;
        await using (var one = await TestServer.StartAsync(Connection, "Node=one"))
            needed = one.Folder.OpenKek().Id;
        var before = await StateAsync();

        // None of its own: it is told which it needs, and makes none.
        var folder = Directory.CreateTempSubdirectory("keyreeve-test-");
        var without = await Assert.ThrowsAsync<DataFolderException>(() => TestServer.StartAsync(folder.FullName, keep: true, Connection, "Node=two"));
        Assert.Contains(needed, without.Message, StringComparison.Ordinal);
        Assert.False(File.Exists(Path.Combine(folder.FullName, "kek")));

        // Another one.
        var file = Path.Combine(folder.FullName, "kek");
        await File.WriteAllTextAsync(file, System.Buffers.Text.Base64Url.EncodeToString(new byte[32]), None);
        File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        var another = await Assert.ThrowsAsync<DataFolderException>(() => TestServer.StartAsync(folder.FullName, keep: true, Connection, "Node=two"));
        Assert.Contains(needed, another.Message, StringComparison.Ordinal);
        folder.Delete(recursive: true);
        Assert.Equal(before, await StateAsync());
    }

    /// <summary>Transactions ever begun with a write, and the audit's lines: nothing was written when both stand still.</summary>
    private async Task<string> StateAsync()
    {
        await using var connection = new Npgsql.NpgsqlConnection(_database + ";Pooling=false");
        await connection.OpenAsync(None);
        await using var command = new Npgsql.NpgsqlCommand("SELECT (SELECT count(*) FROM audit)::text || ' ' || (SELECT count(*) FROM sealed_values) || ' ' || (SELECT count(*) FROM signing_keys)", connection);
        return (string)(await command.ExecuteScalarAsync(None))!;
    }

    [Fact]
    public async Task A_second_node_of_a_name_does_not_start_and_says_what_to_do()
    {
        await using var one = await TestServer.StartAsync(Connection, "Node=same");
        var refused = await Assert.ThrowsAsync<StoreRefusedException>(() => TestServer.StartBesideAsync(one, Connection, "Node=same"));
        Assert.Contains("the setting Node", refused.Message, StringComparison.Ordinal);
        await TokenAsync(one);
    }

    [Fact]
    public async Task A_demos_database_and_a_real_one_are_not_each_others()
    {
        await using (await TestServer.StartAsync(Connection, "Node=one"))
        {
        }
        var folder = Directory.CreateTempSubdirectory("keyreeve-test-");
        try
        {
            var settings = SettingsReader.Read(null, [], [new("Storage:Connection", _database), new("Node", "two"), new("Listeners:https:Address", "127.0.0.1:0"), new("Listeners:mtls:Address", "off"), new("Listeners:health:Address", "off")]);
            await Assert.ThrowsAsync<DataFolderException>(() => KeyreeveServer.StartAsync(new ServerOptions(folder.FullName, settings, Demo: false, Quiet: true), TimeProvider.System, _ => { }, None));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task No_output_has_the_password_of_the_connection()
    {
        using var folder = new TempFolder();
        const string Secret = "tops3cret-passw0rd";
        foreach (var connection in new[]
        {
            $"Host=127.0.0.1;Port=1;Username=keyreeve;Password={Secret}", $"postgresql://keyreeve:{Secret}@127.0.0.1:1/keyreeve", $"postgresql://keyreeve:{Secret}@db.example/keyreeve?sslmode=disable",
            $"Host=127.0.0.1;Passwort={Secret}", $"mysql://{Secret}", $"Host=127.0.0.1;Port={Secret}", $"postgresql://keyreeve:{Secret}@:x/",
        })
            foreach (var command in new[] { "serve", "doctor" })
            {
                var (code, output) = await KeyreeveProcess.RunAsync([command, "--data", folder.File(command)], new Dictionary<string, string> { ["KEYREEVE__Storage__Connection"] = connection });
                Assert.NotEqual(0, code);
                Assert.DoesNotContain(Secret, output, StringComparison.Ordinal);
                Assert.DoesNotContain("   at ", output, StringComparison.Ordinal);
            }
        var (_, settings) = await KeyreeveProcess.RunAsync(["serve", "--settings"], new Dictionary<string, string> { ["KEYREEVE__Storage__Connection"] = $"Host=x;Password={Secret}" });
        Assert.DoesNotContain(Secret, settings, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_doctor_looks_at_the_database()
    {
        using var folder = new TempFolder();
        var (_, output) = await KeyreeveProcess.RunAsync(["doctor", "--data", folder.File("data")], new Dictionary<string, string> { ["KEYREEVE__Storage__Connection"] = _database });
        Assert.Contains("PostgreSQL ", output, StringComparison.Ordinal);
        Assert.Contains("UTF8", output, StringComparison.Ordinal);
    }

    private async Task<PostgresEngine> OpenAsync(string node) =>
        await PostgresEngine.OpenAsync(PostgresAddress.TryRead(_database, false, out var address, out var wrong) ? address : throw new InvalidOperationException(wrong), TimeProvider.System, node, None);
}
