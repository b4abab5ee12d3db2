using System.Net;
using System.Net.Http.Headers;
using System.Text;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Server.Tests.Samples;

/// <summary>The samples as their readers run them: a VAL server and a native client, beside a server of the demo. The test plays the browser.</summary>
public sealed class SampleTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    [Proves("TS 33.434", "5.2.5")]
    public async Task A_user_signs_in_calls_the_VAL_server_and_fetches_key_material()
    {
        await using var server = await _folder.StartDemoAsync();
        var issuer = (string)_folder.Demo["issuer"]!;
        await using var valServer = new SampleProgram("ValServer", [], "--issuer", issuer, "--ca", _folder.File("ca.pem"), "--urls", "http://127.0.0.1:0");
        var address = (await valServer.LineAsync("Now listening on: ")) + "/pumps";
        var secret = (string)_folder.Demo["clients"]!.AsArray().Single(c => (string)c!["clientId"]! == "seal-client")!["clientSecret"]!;
        await using var client = new SampleProgram("SimClient", [("KEYREEVE_CLIENT_SECRET", secret)], issuer, _folder.File("ca.pem"), address);
        var browser = new ProgramClient(_folder);
        using (browser.Http)
        {
            var callback = await browser.BrowseAsync(issuer + await client.LineAsync(issuer));
            using var loopback = new HttpClient();
            Assert.Equal(HttpStatusCode.OK, (await loopback.GetAsync(callback, TestContext.Current.CancellationToken)).StatusCode);
        }
        Assert.Equal(0, await client.ExitAsync());
        Assert.Contains("signed in: sip:alice@val.example", client.Output, StringComparison.Ordinal);
        Assert.Contains("VAL server: 200 sip:alice@val.example sees pump 1, which runs", client.Output, StringComparison.Ordinal);
        Assert.Contains("key material: ", client.Output, StringComparison.Ordinal);
        Assert.Contains("signed out", client.Output, StringComparison.Ordinal);
        Assert.DoesNotContain(secret, client.Output + valServer.Output, StringComparison.Ordinal);
        await RefusedAsync(address);
    }

    [Fact]
    [Proves("TS 33.434", "5.2.2")]
    [Proves("TS 33.434", "5.2.6")]
    public async Task A_SEAL_server_takes_tokens_for_its_service_alone_and_fetches_key_material_of_groups()
    {
        await using var server = await _folder.StartDemoAsync();
        var issuer = (string)_folder.Demo["issuer"]!;
        await using var sealServer = new SampleProgram("SealServer", [], "--issuer", issuer, "--ca", _folder.File("ca.pem"),
            "--cert", _folder.File("group-server.pem"), "--key", _folder.File("group-server.key"), "--urls", "http://127.0.0.1:0");
        var groups = await sealServer.LineAsync("Now listening on: ") + "/ss-gm/v1/group-documents";
        await using var valServer = new SampleProgram("ValServer", [], "--issuer", issuer, "--ca", _folder.File("ca.pem"), "--urls", "http://127.0.0.1:0");
        var pumps = await valServer.LineAsync("Now listening on: ") + "/pumps";
        using var user = new ProgramClient(_folder);
        var refresh = (string)(await user.SignInAsync(scope: "openid val:pump-control seal:key_management seal:group_management"))["refresh_token"]!;
        using var http = new HttpClient();

        // One token each, and each opens one server.
        foreach (var (scope, group, pump) in ((string, HttpStatusCode, HttpStatusCode)[])
            [
                ("openid seal:group_management", HttpStatusCode.OK, HttpStatusCode.Unauthorized),
                ("openid val:pump-control", HttpStatusCode.Unauthorized, HttpStatusCode.OK),
                ("openid seal:key_management", HttpStatusCode.Unauthorized, HttpStatusCode.Unauthorized),
            ])
        {
            var token = await TokenAsync(scope);
            Assert.Equal(group, (await SendAsync(HttpMethod.Get, groups, token, null)).StatusCode);
            Assert.Equal(pump, (await SendAsync(HttpMethod.Get, pumps, token, null)).StatusCode);
        }
        Assert.Equal(HttpStatusCode.Unauthorized, (await http.GetAsync(groups, TestContext.Current.CancellationToken)).StatusCode);

        var caller = await TokenAsync("openid seal:group_management");
        // Within group management, whose groups: those of the VAL services that the token names.
        Assert.Equal(HttpStatusCode.Forbidden, (await SendAsync(HttpMethod.Post, groups, caller, Document("night-watch"))).StatusCode);
        var made = await SendAsync(HttpMethod.Post, groups, caller, Document("pump-control"));
        Assert.Equal(HttpStatusCode.Created, made.StatusCode);
        Assert.Contains("pumps-north", await (await SendAsync(HttpMethod.Get, made.Headers.Location!.OriginalString, caller, null)).Content.ReadAsStringAsync(TestContext.Current.CancellationToken), StringComparison.Ordinal);
        // As a SKM-C with its certificate it had the key material that the demo provisioned for the group.
        Assert.Equal("43 characters, not shown", await sealServer.LineAsync("key material of group pumps-north: "));
        Assert.DoesNotContain((string)_folder.Demo["keyRecords"]!.AsArray().Single(r => (string?)r!["clientId"] == "pumps-north")!["payload"]!, sealServer.Output, StringComparison.Ordinal);

        async Task<string> TokenAsync(string scope)
        {
            var tokens = await user.TokenAsync(new() { ["grant_type"] = "refresh_token", ["refresh_token"] = refresh, ["scope"] = scope });
            refresh = (string)tokens["refresh_token"]!;
            return (string)tokens["access_token"]!;
        }

        async Task<HttpResponseMessage> SendAsync(HttpMethod method, string address, string token, string? json)
        {
            using var request = new HttpRequestMessage(method, address) { Content = json is null ? null : new StringContent(json, Encoding.UTF8, "application/json") };
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
            return await http.SendAsync(request, TestContext.Current.CancellationToken);
        }

        static string Document(string service) => $$"""{"valGroupId":"pumps-north","members":[{"valUserId":"sip:alice@val.example"}],"valServiceIds":["{{service}}"]}""";
    }

    [Fact]
    [Proves("TS 33.434", "5.1.1.4")]
    public async Task With_a_folder_for_keys_key_requests_are_signed_and_key_material_comes_encrypted()
    {
        await using var server = await _folder.StartDemoAsync();
        var issuer = (string)_folder.Demo["issuer"]!;
        var secret = (string)_folder.Demo["clients"]!.AsArray().Single(c => (string)c!["clientId"]! == "seal-client")!["clientSecret"]!;
        var keys = Path.Combine(_folder.Root, "keys");
        string[] arguments = [issuer, _folder.File("ca.pem"), issuer + "/healthz", keys];
        await using (var first = new SampleProgram("SimClient", [("KEYREEVE_CLIENT_SECRET", secret)], arguments))
        {
            Assert.Equal(0, await first.ExitAsync());
            var register = first.Output.Split('\n').Single(l => l.StartsWith("keyreeve admin ", StringComparison.Ordinal)).Trim().Split(' ')[2..];
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path.Combine(keys, "signing.pem")));
            await using var admin = KeyreeveProcess.Start(["admin", .. register, "--data", _folder.Data]);
            Assert.Equal(0, await admin.ExitAsync(TimeSpan.FromSeconds(60)));
        }
        await using var client = new SampleProgram("SimClient", [("KEYREEVE_CLIENT_SECRET", secret)], arguments);
        var browser = new ProgramClient(_folder);
        using (browser.Http)
        {
            var callback = await browser.BrowseAsync(issuer + "/authorize" + await client.LineAsync(issuer + "/authorize"));
            using var loopback = new HttpClient();
            Assert.Equal(HttpStatusCode.OK, (await loopback.GetAsync(callback, TestContext.Current.CancellationToken)).StatusCode);
            Assert.Equal(0, await client.ExitAsync());
            Assert.Contains("key material, asked for signed and received encrypted: ", client.Output, StringComparison.Ordinal);
            // Who has the user's token and not the key asks in vain.
            var tokens = await browser.SignInAsync();
            using var request = new HttpRequestMessage(HttpMethod.Post, issuer + "/seal/km/v1/requests") { Content = new StringContent("{}", Encoding.UTF8, "application/json") };
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", (string)tokens["access_token"]!);
            using var refused = await browser.Http.SendAsync(request, TestContext.Current.CancellationToken);
            Assert.Equal(HttpStatusCode.Forbidden, refused.StatusCode);
        }
    }

    /// <summary>Without a token, and with one for something else.</summary>
    private async Task RefusedAsync(string address)
    {
        using var user = new ProgramClient(_folder);
        using var http = new HttpClient();
        var nobody = await http.GetAsync(address, TestContext.Current.CancellationToken);
        Assert.Equal((HttpStatusCode.Unauthorized, "Bearer"), (nobody.StatusCode, nobody.Headers.WwwAuthenticate.Single().Scheme));
        var narrow = await user.TokenAsync(new() { ["grant_type"] = "refresh_token", ["refresh_token"] = (string)(await user.SignInAsync())["refresh_token"]!, ["scope"] = "openid seal:key_management" });
        using var request = new HttpRequestMessage(HttpMethod.Get, address);
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", (string)narrow["access_token"]!);
        var other = await http.SendAsync(request, TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.Unauthorized, other.StatusCode);
        Assert.Contains("error=\"invalid_token\"", other.Headers.WwwAuthenticate.ToString(), StringComparison.Ordinal);
    }
}
