using System.Diagnostics;
using System.Text.Json.Nodes;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Server.Tests.Cli;

/// <summary>The built command line as its own process, against a server.</summary>
public sealed class AdminCommandTests
{
    [Fact]
    public async Task Users_clients_and_keys_are_managed_from_the_command_line()
    {
        await using var server = await TestServer.StartAsync();
        var data = server.Folder.Root;

        var added = await RunAsync(null, "admin", "user", "add", "carol", "--service", "pump-control", "--data", data);
        Assert.Equal((0, ""), (added.Code, added.Error));
        Assert.Matches("added user carol\npassword \\(shown this once, it cannot be read again\\):\n[A-Za-z0-9_-]{20}\n", added.Output);

        var listed = await RunAsync(null, "admin", "user", "list", "--json", "--data", data);
        Assert.Contains("carol", JsonNode.Parse(listed.Output)!.AsArray().Select(u => (string)u!["username"]!));

        var edited = await RunAsync(null, "admin", "user", "edit", "carol", "--display-name", "Carol", "--json", "--data", data);
        Assert.Equal(("Carol", "pump-control"), ((string)JsonNode.Parse(edited.Output)!["displayName"]!, (string)JsonNode.Parse(edited.Output)!["valServiceIds"]![0]!));

        var wrong = await RunAsync(null, "admin", "client", "add", "app", "--name", "App", "--redirect-uri", "https://a.example/*", "--data", data);
        Assert.Equal((1, ""), (wrong.Code, wrong.Output));
        Assert.Equal("keyreeve: --redirect-uri: https://a.example/*: wildcards are not supported: register each redirect URI\n", wrong.Error);

        var whole = await RunAsync("""{"clientId":"app","name":"App","redirectUris":["https://a.example/cb"],"scopes":"openid"}""", "admin", "client", "add", "--json-in", "-", "--json", "--data", data);
        Assert.Equal(43, ((string)JsonNode.Parse(whole.Output)!["clientSecret"]!).Length);

        var key = await RunAsync("the-payload\n", "admin", "key", "add", "--service", "fleet-tracking", "--device", "ue-9", "--payload-file", "-", "--data", data);
        Assert.Equal((0, "added the key record of fleet-tracking ue-9\n"), (key.Code, key.Output));
        var shown = await RunAsync(null, "admin", "key", "list", "--json", "--data", data);
        Assert.Contains("ue-9", shown.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("the-payload", shown.Output, StringComparison.Ordinal);

        string[] of = ["--service", "fleet-tracking", "--device", "ue-9", "--data", data];
        Assert.Equal(0, (await RunAsync("next", ["admin", "key", "edit", "--payload-file", "-", "--activates-at", "2100-01-01T00:00:00Z", .. of])).Code);
        Assert.StartsWith("keyreeve: --expires-at: ", (await RunAsync("next", ["admin", "key", "edit", "--payload-file", "-", "--expires-at", "never", .. of])).Error, StringComparison.Ordinal);
        var versions = JsonNode.Parse((await RunAsync(null, ["admin", "key", "versions", "--json", .. of])).Output)!.AsArray();
        Assert.Equal([(1L, true), (2L, false)], versions.Select(v => ((long)v!["number"]!, (bool)v["active"]!)));
        Assert.Equal(1, (await RunAsync(null, ["admin", "key", "shred", .. of])).Code);
        foreach (var (verb, said) in ((string, string)[])[("remove", "removed"), ("recover", "recovered"), ("remove", "removed"), ("shred", "shredded")])
            Assert.Equal((0, $"{said} the key record of fleet-tracking ue-9\n"), (await RunAsync(null, ["admin", "key", verb, .. of])) is var done ? (done.Code, done.Output) : default);
        Assert.Equal("[]\n", (await RunAsync(null, "admin", "key", "list", "--removed", "--json", "--data", data)).Output);
    }

    [Fact]
    public async Task A_VAL_service_is_removed_by_who_has_read_what_goes_with_it()
    {
        await using var server = await TestServer.StartAsync();
        string[] remove = ["admin", "service", "remove", "fleet-tracking", "--data", server.Folder.Root];
        var records = server.Demo["keyRecords"]!.AsArray().Count(r => (string)r!["serviceId"]! == "fleet-tracking");
        // No answer, a careless one, one in another spelling.
        foreach (var answer in (string?[])["", "y\n", "yes\n", "Fleet-Tracking\n"])
        {
            var (code, output, error) = await RunAsync(answer, remove);
            Assert.Equal((2, ""), (code, output));
            Assert.StartsWith($"Nobody gets a token for VAL service fleet-tracking any more: its users and its VAL server lose it, and its {records} key records ", error, StringComparison.Ordinal);
            Assert.EndsWith("that is not the same: service fleet-tracking was not removed\n", error, StringComparison.Ordinal);
        }
        Assert.Equal(0, (await RunAsync(null, "admin", "service", "show", "fleet-tracking", "--data", server.Folder.Root)).Code);
        // What is not there is not asked about.
        var unknown = await RunAsync("", "admin", "service", "remove", "fleet-trackin", "--data", server.Folder.Root);
        Assert.Equal((1, "keyreeve: there is no such VAL service\n"), (unknown.Code, unknown.Error));
        var removed = await RunAsync("fleet-tracking\n", remove);
        Assert.Equal((0, "removed service fleet-tracking\n"), (removed.Code, removed.Output));
        var (yes, said, _) = await RunAsync(null, "admin", "service", "remove", "pump-control", "--yes", "--data", server.Folder.Root);
        Assert.Equal((0, "removed service pump-control\n"), (yes, said));
    }

    [Fact]
    public async Task A_key_for_a_VAL_service_that_is_not_registered_is_refused_by_the_flag()
    {
        await using var server = await TestServer.StartAsync();
        var (code, output, error) = await RunAsync("key", "admin", "key", "add", "--service", "pump-contrl", "--user", "a", "--payload-file", "-", "--data", server.Folder.Root);
        Assert.Equal((1, ""), (code, output));
        Assert.Equal("keyreeve: --service: there is no VAL service pump-contrl (did you mean pump-control?); registered are fleet-tracking, pump-control. Register it first: keyreeve admin service add\n", error);
    }

    [Fact]
    public async Task What_is_no_text_in_UTF_8_becomes_no_key_material_and_no_secret()
    {
        await using var server = await TestServer.StartAsync();
        var (data, file) = (server.Folder.Root, Path.GetTempFileName());
        string[] key = ["admin", "key", "add", "--service", "fleet-tracking", "--user", "binary", "--payload-file", file, "--data", data];
        try
        {
            foreach (var octets in (byte[][])[[0x6B, 0xFF, 0x6B], [0xFF, 0xFE, 0x6B, 0x00], [0xC0, 0xAF], [0xED, 0xA0, 0x80]])
            {
                await File.WriteAllBytesAsync(file, octets, TestContext.Current.CancellationToken);
                var (code, output, error) = await RunAsync(null, key);
                Assert.Equal((2, ""), (code, output));
                Assert.Equal($"keyreeve: --payload-file {file}: this is not text in UTF-8; binary key material is written as base64url or hexadecimal digits\n", error);
            }
            Assert.DoesNotContain("binary", (await RunAsync(null, "admin", "key", "list", "--json", "--data", data)).Output, StringComparison.Ordinal);
            await File.WriteAllBytesAsync(file, [0xEF, 0xBB, 0xBF, .. "kéy\r\n"u8], TestContext.Current.CancellationToken);
            Assert.Equal(0, (await RunAsync(null, key)).Code);
            // The same without the editor's mark and line end is the same key.
            await RunAsync("kéy", ["admin", "key", "edit", "--service", "fleet-tracking", "--user", "binary", "--payload-file", "-", "--data", data]);
            Assert.Single(JsonNode.Parse((await RunAsync(null, "admin", "key", "versions", "--service", "fleet-tracking", "--user", "binary", "--json", "--data", data)).Output)!.AsArray());

            var wrong = await RunAsync(null, "admin", "client", "add", "app", "--name", "App", "--jwks", file, "--data", data);
            Assert.Equal(2, wrong.Code);
            Assert.StartsWith($"keyreeve: --jwks {file}: this is not JSON: ", wrong.Error, StringComparison.Ordinal);
            Assert.StartsWith($"keyreeve: --jwks {file}x: ", (await RunAsync(null, "admin", "client", "add", "app", "--name", "App", "--jwks", file + "x", "--data", data)).Error, StringComparison.Ordinal);
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Fact]
    public async Task Certificates_are_issued_renewed_and_revoked_from_the_command_line_and_their_keys_stay_there()
    {
        await using var server = await TestServer.StartAsync();
        using var openssl = new OpenSslTool();
        var (data, prefix) = (server.Folder.Root, openssl.File("val-9"));
        await RunAsync(null, "admin", "client", "add", "val-9", "--name", "VAL 9", "--auth-method", "tls_client_auth", "--tls-name", "san_uri:urn:val:9", "--require-certificate", "true",
            "--grant", "client_credentials", "--scopes", "val:fleet-tracking", "--data", data);

        var issued = await RunAsync(null, "admin", "certificate", "issue", "--client", "val-9", "--days", "10", "--new", prefix, "--data", data);
        Assert.Equal((0, ""), (issued.Code, issued.Error));
        Assert.Matches("^issued certificate [0-9a-f]{32} until [0-9TZ:-]+ \\(.*val-9.pem, .*val-9.key\\)\n$", issued.Output);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(prefix + ".key"));
        var serial = issued.Output.Split(' ')[2];
        Assert.Equal(0, (await openssl.Run("verify", "-CAfile", server.Folder.CaPem, "-untrusted", "val-9.pem", "val-9.pem")).ExitCode);
        Assert.Contains("URI:urn:val:9", (await openssl.Run("x509", "-in", "val-9.pem", "-noout", "-ext", "subjectAltName")).Output, StringComparison.Ordinal);

        await openssl.Run("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "other.key", "-out", "other.csr", "-subj", "/CN=x");
        var renewed = await RunAsync(null, "admin", "certificate", "renew", serial, "--csr", openssl.File("other.csr"), "--json", "--data", data);
        var second = (string)JsonNode.Parse(renewed.Output)!["serial"]!;
        var listed = JsonNode.Parse((await RunAsync(null, "admin", "certificate", "list", "--client", "val-9", "--json", "--data", data)).Output)!.AsArray();
        Assert.Equal(new[] { serial, second }.Order(StringComparer.Ordinal), listed.Select(c => (string)c!["serial"]!));

        var revoked = await RunAsync(null, "admin", "certificate", "revoke", serial, "--reason", "superseded", "--data", data);
        Assert.Equal((0, $"revoked certificate {serial} of val-9\n"), (revoked.Code, revoked.Output));
        Assert.Contains("superseded", (await RunAsync(null, "admin", "certificate", "show", serial, "--data", data)).Output, StringComparison.Ordinal);
        var again = await RunAsync(null, "admin", "certificate", "revoke", serial, "--data", data);
        Assert.Equal((1, "keyreeve: the certificate was revoked already\n"), (again.Code, again.Error));
        var wrong = await RunAsync(null, "admin", "certificate", "revoke", second, "--reason", "boredom", "--data", data);
        Assert.StartsWith("keyreeve: --reason: reason is one of ", wrong.Error, StringComparison.Ordinal);
        Assert.Equal(2, (await RunAsync(null, "admin", "certificate", "issue", "--client", "val-9", "--data", data)).Code);
        Assert.Equal(2, (await RunAsync(null, "admin", "certificate", "issue", "--client", "val-9", "--new", prefix, "--data", data)).Code);
    }

    [Fact]
    public async Task A_server_that_does_not_run_is_told_with_its_cure()
    {
        var path = Directory.CreateTempSubdirectory("keyreeve-test-").FullName;
        try
        {
            var never = await RunAsync(null, "admin", "user", "list", "--data", path);
            Assert.Equal(1, never.Code);
            Assert.Contains("start the server: keyreeve serve --data " + path, never.Error, StringComparison.Ordinal);
            await (await TestServer.StartAsync(path, keep: true)).DisposeAsync();
            var stopped = await RunAsync(null, "admin", "user", "list", "--data", path);
            Assert.Equal((1, ""), (stopped.Code, stopped.Output));
            Assert.Contains("no server answers", stopped.Error, StringComparison.Ordinal);
            Assert.Contains("start the server: keyreeve serve --data " + path + " --demo", stopped.Error, StringComparison.Ordinal);
        }
        finally
        {
            Directory.Delete(path, recursive: true);
        }
    }

    [Theory]
    [InlineData("--server needs --ca FILE", "admin", "user", "list", "--server", "https://localhost:1")]
    [InlineData("--cert goes with --server", "admin", "user", "list", "--cert", "x")]
    [InlineData("--nonsense", "admin", "user", "list", "--nonsense")]
    [InlineData("there is no data folder", "admin", "user", "list", "--data", "./there-is-none")]
    public async Task Wrong_usage_is_exit_code_2_and_says_what(string expected, params string[] arguments)
    {
        var result = await RunAsync(null, arguments);
        Assert.Equal(2, result.Code);
        Assert.Contains(expected, result.Error, StringComparison.Ordinal);
    }

    private static async Task<(int Code, string Output, string Error)> RunAsync(string? input, params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet") { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, "Keyreeve.Server.dll"));
        foreach (var argument in arguments)
            start.ArgumentList.Add(argument);
        using var process = Process.Start(start)!;
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        try
        {
            try
            {
                if (input is not null)
                    await process.StandardInput.WriteAsync(input);
                process.StandardInput.Close();
            }
            catch (IOException)
            {
                // It ended without reading: its exit code and what it printed are the result.
            }
            var (output, error) = (process.StandardOutput.ReadToEndAsync(limit.Token), process.StandardError.ReadToEndAsync(limit.Token));
            await process.WaitForExitAsync(limit.Token);
            return (process.ExitCode, await output, await error);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException("keyreeve " + string.Join(' ', arguments) + " did not end");
        }
    }
}
