using Keyreeve.Interop.Peers;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Interop.Engines.Tls;

/// <summary>
/// Each listener of a running server against two other TLS stacks: openssl s_client and gnutls-cli. What the profile class does to one
/// SslStream is shown in Keyreeve.Tests; here it is shown that every listener has it.
/// </summary>
[Collection(SharedWorld.Name)]
[Proves("TS 33.210", "6.2")]
[Proves("TS 33.434", "5.1.1.5")]
[Proves("TS 33.434", "5.1.2.1")]
public sealed class PeerTests(InteropWorld world) : IDisposable
{
    private const string Request = "GET /.well-known/openid-configuration HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

    private readonly OpenSslTool _openssl = new();

    public static TheoryData<string, string, string> OpenSslRefused => new MatrixTheoryData<string, string, string>(["https", "mtls"], [""],
    [
        "-tls1 -cipher ALL:@SECLEVEL=0", "-tls1_1 -cipher ALL:@SECLEVEL=0",
        "-tls1_2 -cipher AES128-GCM-SHA256:@SECLEVEL=0", "-tls1_2 -cipher AES256-SHA256:@SECLEVEL=0", "-tls1_2 -cipher NULL-SHA256:@SECLEVEL=0",
        "-tls1_2 -cipher ECDHE-ECDSA-AES128-SHA256:@SECLEVEL=0", "-tls1_2 -cipher ECDHE-ECDSA-AES256-SHA384:@SECLEVEL=0",
        "-tls1_2 -cipher ECDHE-ECDSA-CHACHA20-POLY1305", "-tls1_2 -cipher ECDHE-ECDSA-AES128-CCM8:@SECLEVEL=0", "-tls1_2 -cipher AECDH-AES128-SHA:@SECLEVEL=0",
        "-tls1_3 -ciphersuites TLS_AES_128_CCM_SHA256", "-tls1_3 -ciphersuites TLS_AES_128_CCM_8_SHA256",
    ]);

    public static TheoryData<string, string, bool> GnuTls => new()
    {
        { "https", "NORMAL:-VERS-ALL:+VERS-TLS1.3", true },
        { "https", "NORMAL:-VERS-ALL:+VERS-TLS1.2", true },
        { "mtls", "NORMAL:-VERS-ALL:+VERS-TLS1.3", true },
        { "mtls", "NORMAL:-VERS-ALL:+VERS-TLS1.2", true },
        { "https", "NORMAL:-VERS-ALL:+VERS-TLS1.1:%VERIFY_ALLOW_SIGN_WITH_SHA1", false },
        { "https", "NORMAL:-VERS-ALL:+VERS-TLS1.0:%VERIFY_ALLOW_SIGN_WITH_SHA1", false },
        { "mtls", "NORMAL:-VERS-ALL:+VERS-TLS1.1:%VERIFY_ALLOW_SIGN_WITH_SHA1", false },
        { "mtls", "NORMAL:-VERS-ALL:+VERS-TLS1.0:%VERIFY_ALLOW_SIGN_WITH_SHA1", false },
        { "https", "NORMAL:-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+AES-128-CBC:+AES-256-CBC", false },
        { "mtls", "NORMAL:-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+AES-128-CCM:+AES-128-CCM-8", false },
        { "https", "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+RSA:+DHE-RSA", false },
        { "mtls", "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-128-CCM", false },
    };

    public void Dispose() => _openssl.Dispose();

    [Theory]
    [MemberData(nameof(OpenSslRefused))]
    public async Task Openssl_is_refused_every_other_version_and_suite_by_an_alert(string listener, string _, string arguments)
    {
        var result = await _openssl.Run([.. Arguments(listener), .. arguments.Split(' ')]);
        Assert.Contains(arguments.StartsWith("-tls1 ", StringComparison.Ordinal) || arguments.StartsWith("-tls1_1", StringComparison.Ordinal) ? "SSL alert number 70" : "SSL alert number 40", result.Errors, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("https", "-tls1_2", "ECDHE-ECDSA-AES128-GCM-SHA256")]
    [InlineData("https", "-tls1_3", "TLS_AES_256_GCM_SHA384")]
    [InlineData("mtls", "-tls1_2", "ECDHE-ECDSA-AES128-GCM-SHA256")]
    [InlineData("mtls", "-tls1_3", "TLS_AES_256_GCM_SHA384")]
    public async Task Openssl_gets_an_answer_by_the_profile_and_resumes_nothing(string listener, string version, string suite)
    {
        string[] arguments = [.. Arguments(listener), version, version == "-tls1_3" ? "-ciphersuites" : "-cipher", suite];
        var first = await _openssl.Converse(null, Request, closeInput: false, [.. arguments, "-sess_out", "session.pem", "-ign_eof"]);
        Assert.Contains("HTTP/1.1 200 OK", first.Output, StringComparison.Ordinal);
        Assert.Contains("Verify return code: 0 (ok)", first.Output, StringComparison.Ordinal);
        if (!File.Exists(_openssl.File("session.pem")))
            return; // nothing was given to come back with
        Assert.Contains("Max Early Data: 0", (await _openssl.Run("sess_id", "-in", "session.pem", "-noout", "-text")).Output, StringComparison.Ordinal);
        var again = await _openssl.Converse(null, Request, closeInput: false, [.. arguments, "-sess_in", "session.pem", "-ign_eof"]);
        Assert.Contains("HTTP/1.1 200 OK", again.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("Reused", again.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("https")]
    [InlineData("mtls")]
    public async Task Early_data_has_no_ticket_that_allows_it(string listener)
    {
        await File.WriteAllTextAsync(_openssl.File("early.txt"), Request, TestContext.Current.CancellationToken);
        await _openssl.Converse(null, Request, closeInput: false, [.. Arguments(listener), "-tls1_3", "-sess_out", "ticket.pem", "-ign_eof"]);
        Assert.SkipUnless(File.Exists(_openssl.File("ticket.pem")), "no ticket was given: there is nothing to send early data with");
        var result = await _openssl.Converse(null, Request, closeInput: false, [.. Arguments(listener), "-tls1_3", "-sess_in", "ticket.pem", "-early_data", "early.txt", "-ign_eof"]);
        Assert.Contains("HTTP/1.1 200 OK", result.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("Early data was accepted", result.Output, StringComparison.Ordinal);
        Assert.Single(result.Output.Split("HTTP/1.1 ")[1..]);
    }

    [Theory]
    [InlineData("https")]
    [InlineData("mtls")]
    public async Task Renegotiation_ends_the_connection(string listener)
    {
        var result = await _openssl.Converse("Verify return code", "R\n", closeInput: false, [.. Arguments(listener), "-tls1_2"]);
        Assert.Contains("RENEGOTIATING", result.All, StringComparison.Ordinal);
        Assert.Single(result.Errors.Split("depth=0")[1..]); // one handshake, and no second one
    }

    [Theory]
    [InlineData("https")]
    [InlineData("mtls")]
    public async Task There_is_no_upgrade_to_TLS_inside_of_HTTP(string listener)
    {
        using var plain = new System.Net.Sockets.TcpClient();
        await plain.ConnectAsync(System.Net.IPAddress.Loopback, world.Server.Server.EndPoints[listener].Port, TestContext.Current.CancellationToken);
        await using var stream = plain.GetStream();
        await stream.WriteAsync("OPTIONS * HTTP/1.1\r\nHost: localhost\r\nUpgrade: TLS/1.2\r\nConnection: Upgrade\r\n\r\n"u8.ToArray(), TestContext.Current.CancellationToken);
        var buffer = new byte[1024];
        var read = 0;
        try
        {
            read = await stream.ReadAsync(buffer, TestContext.Current.CancellationToken);
        }
        catch (IOException)
        {
            // Cut off without a word.
        }
        Assert.DoesNotContain("HTTP/", System.Text.Encoding.ASCII.GetString(buffer, 0, read), StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(GnuTls))]
    public async Task Gnutls_agrees_on_the_profile_and_on_nothing_else(string listener, string priority, bool agrees)
    {
        var gnutls = ProgramRun.Find("gnutls-cli");
        Assert.SkipWhen(gnutls is null, "gnutls-cli is missing: apt-get install gnutls-bin");
        var port = world.Server.Server.EndPoints[listener].Port.ToString(System.Globalization.CultureInfo.InvariantCulture);
        var run = await ProgramRun.OfAsync(gnutls!, ["--x509cafile", world.Server.Folder.CaPem, "--priority", priority, "-p", port, "localhost"], null, TimeSpan.FromSeconds(60));
        if (agrees)
        {
            Assert.True(run.ExitCode == 0, run.Output + run.Error);
            Assert.Contains("Handshake was completed", run.Output, StringComparison.Ordinal);
            Assert.Contains("The certificate is trusted", run.Output, StringComparison.Ordinal);
        }
        else
        {
            Assert.NotEqual(0, run.ExitCode);
            Assert.DoesNotContain("Handshake was completed", run.Output, StringComparison.Ordinal);
            // Refused by the server, and not by the tool before it asked.
            Assert.Contains("alert", run.Output + run.Error, StringComparison.OrdinalIgnoreCase);
        }
    }

    private string[] Arguments(string listener) =>
    [
        "s_client", "-connect", "127.0.0.1:" + world.Server.Server.EndPoints[listener].Port.ToString(System.Globalization.CultureInfo.InvariantCulture), "-servername", "localhost",
        "-CAfile", world.Server.Folder.CaPem, "-alpn", "http/1.1",
    ];
}
