using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json.Nodes;
using Keyreeve.Interop.Peers;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Interop.Engines.Tls;

/// <summary>curl with OpenSSL against both listeners, trusting ca.pem and nothing else.</summary>
[Collection(SharedWorld.Name)]
public sealed class CurlTests(InteropWorld world)
{
    // Debian's OpenSSL would not even offer TLS 1.1; at level 0 it does, so that it is our server that refuses.
    private static readonly string[] OldTls = ["--tlsv1.0", "--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0"];

    public static TheoryData<string, string, string> Listeners => new MatrixTheoryData<string, string, string>(["https", "mtls"], ["1.2", "1.3"], ["--http1.1", "--http2"]);

    [Theory]
    [MemberData(nameof(Listeners))]
    [Proves("TS 33.210", "6.2")]
    public async Task Both_versions_of_TLS_and_of_HTTP_work_with_our_CA_alone(string listener, string tls, string http)
    {
        var run = await CurlAsync(listener, "/.well-known/openid-configuration", "-v", $"--tlsv{tls}", "--tls-max", tls, http, "-w", "\n%{http_code} %{http_version} %{ssl_verify_result}");
        Assert.True(run.ExitCode == 0, run.Error);
        Assert.Contains($"SSL connection using TLSv{tls} / ", run.Error, StringComparison.Ordinal);
        var lines = run.Output.Split('\n');
        Assert.Equal($"200 {(http == "--http2" ? "2" : "1.1")} 0", lines[^1]);
        Assert.Equal(world.Server.Issuer, (string)JsonNode.Parse(lines[0])!["issuer"]!);
    }

    [Theory]
    [InlineData("https")]
    [InlineData("mtls")]
    [Proves("TS 33.210", "6.2")]
    public async Task TLS_1_1_is_refused_by_an_alert_of_ours(string listener)
    {
        var run = await CurlAsync(listener, "/", ["-v", .. OldTls]);
        Assert.Equal(35, run.ExitCode);
        Assert.Contains("protocol version", run.Error, StringComparison.Ordinal);
        Assert.Contains("(OUT), TLS handshake, Client hello", run.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("AES256-GCM-SHA384")]
    [InlineData("ECDHE-ECDSA-AES128-SHA256")]
    [InlineData("ECDHE-ECDSA-CHACHA20-POLY1305")]
    [Proves("TS 33.210", "6.2")]
    public async Task A_suite_outside_the_profile_is_refused(string suite)
    {
        var run = await CurlAsync("https", "/", "--tls-max", "1.2", "--ciphers", suite);
        Assert.Equal(35, run.ExitCode);
        Assert.Contains("handshake failure", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_our_CA_curl_refuses_the_server()
    {
        var run = await ProgramRun.OfAsync(Curl(), ["-sS", Address("https", "/")], null, TimeSpan.FromSeconds(60));
        Assert.Equal(60, run.ExitCode);
    }

    [Fact]
    public async Task The_certificate_holds_for_localhost_and_the_loopback_addresses_and_for_no_other_name()
    {
        var port = world.Server.Server.EndPoints["https"].Port;
        var byAddress = await CurlAsync("https", "/", "-o", "/dev/null", "-w", "%{http_code}", "--connect-to", $"localhost:{port}:127.0.0.1:{port}");
        Assert.Equal("200", byAddress.Output);
        var run = await ProgramRun.OfAsync(Curl(), ["-sS", "--cacert", world.Server.Folder.CaPem, "--resolve", $"keyreeve.example:{port}:127.0.0.1", $"https://keyreeve.example:{port}/"], null, TimeSpan.FromSeconds(60));
        Assert.Equal(60, run.ExitCode);
        var numeric = await ProgramRun.OfAsync(Curl(), ["-sS", "--cacert", world.Server.Folder.CaPem, "-o", "/dev/null", "-w", "%{http_code}", $"https://127.0.0.1:{port}/"], null, TimeSpan.FromSeconds(60));
        Assert.True(numeric.Output == "200", numeric.Error);
    }

    [Theory]
    [InlineData("1.2")]
    [InlineData("1.3")]
    public async Task On_mtls_a_request_without_certificate_and_credential_gets_a_readable_401(string tls)
    {
        AssertInvalidClient(await TokenAsync(tls, "client_id=machine-client"));
    }

    [Theory]
    [InlineData("1.2")]
    [InlineData("1.3")]
    public async Task On_mtls_a_certificate_nobody_knows_gets_a_readable_401_too(string tls)
    {
        var (certificate, key) = SelfSigned();
        try
        {
            AssertInvalidClient(await TokenAsync(tls, "client_id=machine-client", "--cert", certificate, "--key", key));
        }
        finally
        {
            File.Delete(certificate);
            File.Delete(key);
        }
    }

    [Theory]
    [InlineData("1.2")]
    [InlineData("1.3")]
    public async Task On_mtls_a_client_secret_is_enough_with_or_without_a_certificate(string tls)
    {
        var credentials = $"machine-client:{(string)world.Server.Client("machine-client")["clientSecret"]!}";
        var folder = world.Server.Folder;
        foreach (var certificate in (string[][])[[], ["--cert", Path.Combine(folder.Root, "val-server.pem"), "--key", Path.Combine(folder.Root, "val-server.key")]])
        {
            var (status, body) = await TokenAsync(tls, "scope=val:fleet-tracking", ["-u", credentials, .. certificate]);
            Assert.True(status == 200, body.ToJsonString());
        }
    }

    [Theory]
    [InlineData("1.2", "--http1.1")]
    [InlineData("1.3", "--http2")]
    [Proves("RFC 8705", "2.1")]
    public async Task On_mtls_curl_authenticates_by_certificate_and_its_token_is_bound_to_it(string tls, string http)
    {
        var (pem, key) = (world.Server.Folder.Path("val-server.pem"), world.Server.Folder.Path("val-server.key"));
        var (status, body) = await TokenAsync(tls, "client_id=val-server", http, "--cert", pem, "--key", key);
        Assert.True(status == 200, body.ToJsonString());
        using var certificate = X509CertificateLoader.LoadCertificateFromFile(pem);
        var claims = JsonNode.Parse(System.Buffers.Text.Base64Url.DecodeFromChars(((string)body["access_token"]!).Split('.')[1]))!;
        Assert.Equal(System.Buffers.Text.Base64Url.EncodeToString(SHA256.HashData(certificate.RawData)), (string)claims["cnf"]!["x5t#S256"]!);
        // Somebody else's certificate in the same request, and the same request without one.
        var (otherPem, otherKey) = SelfSigned();
        try
        {
            AssertInvalidClient(await TokenAsync(tls, "client_id=val-server", http, "--cert", otherPem, "--key", otherKey));
            AssertInvalidClient(await TokenAsync(tls, "client_id=val-server", http, "--cert", world.Server.Folder.AdminPem, "--key", world.Server.Folder.AdminKey));
            AssertInvalidClient(await TokenAsync(tls, "client_id=val-server", http));
        }
        finally
        {
            File.Delete(otherPem);
            File.Delete(otherKey);
        }
    }

    [Theory]
    [InlineData("/")]
    [InlineData("/login")]
    [InlineData("/authorize?client_id=seal-client")]
    public async Task There_are_no_pages_on_mtls(string path)
    {
        var run = await CurlAsync("mtls", path, "-o", "/dev/null", "-w", "%{http_code}");
        Assert.Equal("404", run.Output);
    }

    [Fact]
    public async Task A_body_beyond_the_limit_is_refused_with_a_status()
    {
        var file = Path.GetTempFileName();
        try
        {
            await File.WriteAllTextAsync(file, "grant_type=client_credentials&junk=" + new string('x', 2 * 1024 * 1024));
            foreach (var http in (string[])["--http1.1", "--http2"])
            {
                var run = await CurlAsync("https", "/token", http, "-o", "/dev/null", "-w", "%{http_code}", "--data-binary", "@" + file);
                Assert.Equal("413", run.Output);
            }
        }
        finally
        {
            File.Delete(file);
        }
    }

    private static void AssertInvalidClient((int Status, JsonObject Body) answer)
    {
        Assert.Equal(401, answer.Status);
        Assert.Equal("invalid_client", (string?)answer.Body["error"]);
    }

    private async Task<(int Status, JsonObject Body)> TokenAsync(string tls, string form, params string[] more)
    {
        var run = await CurlAsync("mtls", "/token", [$"--tlsv{tls}", "--tls-max", tls, "-w", "\n%{http_code}", "-d", "grant_type=client_credentials&" + form, .. more]);
        Assert.True(run.ExitCode == 0, run.Error);
        var lines = run.Output.Split('\n');
        return (int.Parse(lines[^1]), JsonNode.Parse(lines[0])!.AsObject());
    }

    private Task<ProgramRun> CurlAsync(string listener, string path, params string[] arguments) =>
        ProgramRun.OfAsync(Curl(), ["-sS", "--cacert", world.Server.Folder.CaPem, "--capath", "/dev/null", .. arguments, Address(listener, path)], null, TimeSpan.FromSeconds(60));

    private string Address(string listener, string path) => $"https://localhost:{world.Server.Server.EndPoints[listener].Port}{path}";

    private static string Curl()
    {
        var curl = ProgramRun.Find("curl");
        Assert.SkipWhen(curl is null, "curl is missing: apt-get install curl");
        return curl!;
    }

    private static (string Certificate, string Key) SelfSigned()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var now = TimeProvider.System.GetUtcNow();
        using var certificate = new CertificateRequest("CN=machine-client", key, HashAlgorithmName.SHA256).CreateSelfSigned(now.AddDays(-1), now.AddDays(1));
        var (certificateFile, keyFile) = (Path.GetTempFileName(), Path.GetTempFileName());
        File.WriteAllText(certificateFile, certificate.ExportCertificatePem());
        File.WriteAllText(keyFile, key.ExportPkcs8PrivateKeyPem());
        return (certificateFile, keyFile);
    }
}
