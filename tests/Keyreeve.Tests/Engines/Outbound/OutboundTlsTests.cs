using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using Keyreeve.Engines.Outbound;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Tests.Engines.Outbound;

/// <summary>The way out of the server (outbox, jwks_uri, logos) against peers that openssl plays: with old versions, weak suites and certificates nobody vouches for.</summary>
[Proves("TS 33.210", "6.2")]
public sealed class OutboundTlsTests : IDisposable
{
    private readonly OpenSslTool _openssl = new();

    private static CancellationToken None => TestContext.Current.CancellationToken;

    public void Dispose() => _openssl.Dispose();

    [Theory]
    [InlineData("-tls1_2")]
    [InlineData("-tls1_3")]
    public async Task A_peer_by_the_profile_is_spoken_to(string version)
    {
        var root = await CertificateAsync("good");
        await AskAsync("good", [version], root, (result, _) => Assert.Equal(200, result.Answer?.Status));
    }

    [Theory]
    [InlineData("-tls1")]
    [InlineData("-tls1_1")]
    public async Task A_peer_with_older_versions_alone_is_not(string version)
    {
        var root = await CertificateAsync("old");
        await AskAsync("old", [version, "-cipher", "ALL:@SECLEVEL=0"], root, (result, said) =>
        {
            Assert.Equal(OutboundFailure.TlsFailed, result.Failure);
            Assert.Contains("unsupported protocol", said, StringComparison.Ordinal); // ours offered 1.2 and 1.3, and the peer has neither
        });
    }

    [Theory]
    [InlineData("ECDHE-ECDSA-AES128-SHA256")]
    [InlineData("ECDHE-ECDSA-CHACHA20-POLY1305")]
    public async Task A_peer_with_other_suites_alone_is_not(string suite)
    {
        var root = await CertificateAsync("suites");
        await AskAsync("suites", ["-tls1_2", "-cipher", suite + ":@SECLEVEL=0"], root, (result, said) =>
        {
            Assert.Equal(OutboundFailure.TlsFailed, result.Failure);
            Assert.Contains("no shared cipher", said, StringComparison.Ordinal);
        });
    }

    [Fact]
    public async Task A_peer_whose_certificate_nobody_vouches_for_is_not()
    {
        var root = await CertificateAsync("pinned");
        await CertificateAsync("stranger");
        await AskAsync("stranger", [], root, (result, _) => Assert.Equal(OutboundFailure.TlsFailed, result.Failure));
    }

    /// <summary>A self-signed certificate for localhost.</summary>
    private async Task<X509Certificate2> CertificateAsync(string name)
    {
        var made = await _openssl.Run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", name + ".key", "-out", name + ".pem", "-days", "2", "-subj", "/CN=" + name,
            "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-addext", "extendedKeyUsage=serverAuth");
        Assert.True(made.ExitCode == 0, made.All);
        return X509CertificateLoader.LoadCertificateFromFile(_openssl.File(name + ".pem"));
    }

    /// <summary>One request to an openssl s_server that was started for it; what came of it, and what the peer said.</summary>
    private async Task AskAsync(string name, string[] more, X509Certificate2 root, Action<OutboundResult, string> look)
    {
        var port = FreePort();
        using var peer = Process.Start(new ProcessStartInfo("openssl",
            ["s_server", "-accept", $"127.0.0.1:{port}", "-cert", _openssl.File(name + ".pem"), "-key", _openssl.File(name + ".key"), "-www", .. more])
        { UseShellExecute = false, RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true })!;
        var (output, errors) = (peer.StandardOutput.ReadToEndAsync(None), peer.StandardError.ReadToEndAsync(None));
        OutboundResult result;
        try
        {
            await UntilListeningAsync(port);
            using var http = new OutboundHttp(new OutboundSettings { AllowedNetworks = [IPNetwork.Parse("127.0.0.0/8")], TrustAnchors = [root], TotalTimeout = TimeSpan.FromSeconds(60) }, TimeProvider.System);
            result = await http.GetAsync($"https://127.0.0.1:{port}/", "*/*", None);
        }
        finally
        {
            if (!peer.HasExited)
                peer.Kill();
        }
        look(result, await output + await errors);
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private static async Task UntilListeningAsync(int port)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(None);
        patience.CancelAfter(TimeSpan.FromSeconds(30));
        while (true)
        {
            using var socket = new TcpClient();
            try
            {
                await socket.ConnectAsync(IPAddress.Loopback, port, patience.Token);
                return;
            }
            catch (SocketException)
            {
                await Task.Delay(50, patience.Token);
            }
        }
    }
}
