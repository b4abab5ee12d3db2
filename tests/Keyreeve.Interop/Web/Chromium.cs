using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Keyreeve.Testing;
using Microsoft.Playwright;
using Xunit;

namespace Keyreeve.Interop.Web;

/// <summary>
/// Debian's Chromium. It does not know our CA, and putting a CA into its store needs tools of its own: instead it is told the one
/// public key that may pass, so that any other certificate would still stop it.
/// </summary>
public sealed class Chromium : IAsyncDisposable
{
    private const string Program = "/usr/bin/chromium";

    private readonly SemaphoreSlim _oneAtATime = new(1, 1);
    private IPlaywright? _playwright;
    private IBrowser? _browser;

    /// <summary>The browser, started at first use; skips the test when it is not installed.</summary>
    public async Task<IBrowser> BrowserOrSkipAsync(TestServer server)
    {
        Assert.SkipUnless(File.Exists(Program), "Chromium is missing: apt-get install chromium");
        await _oneAtATime.WaitAsync();
        try
        {
            _playwright ??= await Playwright.CreateAsync();
            return _browser ??= await _playwright.Chromium.LaunchAsync(new()
            {
                ExecutablePath = Program,
                Timeout = (float)Visitor.Patience.TotalMilliseconds,
                Args =
                [
                    "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
                    "--ignore-certificate-errors-spki-list=" + await PublicKeyPinAsync(server),
                ],
            });
        }
        finally
        {
            _oneAtATime.Release();
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_browser is not null)
            await _browser.DisposeAsync();
        _playwright?.Dispose();
        _oneAtATime.Dispose();
    }

    /// <summary>Base64 SHA-256 of the SubjectPublicKeyInfo that the listener shows in its handshake.</summary>
    private static async Task<string> PublicKeyPinAsync(TestServer server)
    {
        var endPoint = server.Server.EndPoints["https"];
        using var tcp = new TcpClient();
        await tcp.ConnectAsync(endPoint);
        string? pin = null;
        await using var tls = new SslStream(tcp.GetStream());
        await tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
        {
            TargetHost = "localhost",
            // Only looked at: nothing is sent over this connection.
#pragma warning disable CA5359
            RemoteCertificateValidationCallback = (_, certificate, _, _) =>
            {
                using var leaf = X509CertificateLoader.LoadCertificate(certificate!.GetRawCertData());
                pin = Convert.ToBase64String(SHA256.HashData(leaf.PublicKey.ExportSubjectPublicKeyInfo()));
                return true;
            },
#pragma warning restore CA5359
        });
        return pin!;
    }
}
