using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Keyreeve.Core.Identity;
using Keyreeve.Engines.Tls;
using Keyreeve.Server.Hosting;
using Keyreeve.Server.Settings;
using Keyreeve.Slices.Tests.OpenId;
using Keyreeve.Slices.Tests.Seal;
using Keyreeve.Testing;
using Keyreeve.Wire.OAuth;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Keyreeve.Slices.Tests.Certificates;

/// <summary>An authority outside in place of the built-in one: for the listeners and for clients, replaced while the server runs.</summary>
public sealed class OutsideCertificateTests : IDisposable
{
    private const string ServerUse = "1.3.6.1.5.5.7.3.1";

    private readonly DirectoryInfo _files = Directory.CreateTempSubdirectory("keyreeve-test-");
    private readonly OutsideAuthority _authority = new("CN=Site CA, O=Outside");

    private string CertificateFile => Path.Combine(_files.FullName, "server.pem");

    private string KeyFile => Path.Combine(_files.FullName, "server.key");

    private string[] Settings => ["Certificates:ServerCertificate=" + CertificateFile, "Certificates:ServerKey=" + KeyFile];

    public void Dispose()
    {
        _authority.Dispose();
        _files.Delete(recursive: true);
    }

    [Fact]
    [Proves("TS 33.310", "6.1.3a")]
    public async Task The_listeners_show_the_files_certificate_and_the_newer_one_when_the_files_change()
    {
        using var first = Issue();
        Write(first);
        await using var server = await TestServer.StartAsync(Settings);
        Assert.Equal(first.Thumbprint, await ShownAsync(server, "https"));
        Assert.Equal(first.Thumbprint, await ShownAsync(server, "mtls"));
        using var second = Issue();
        Write(second);
        // Nobody is told to look: the files are watched.
        await server.WaitForAsync(async () => await ShownAsync(server, "https") == second.Thumbprint);
        Assert.Equal(second.Thumbprint, await ShownAsync(server, "mtls"));
    }

    [Theory]
    [InlineData("junk")]
    [InlineData("another key")]
    [InlineData("no key")]
    [InlineData("gone")]
    [InlineData("expired")]
    [InlineData("not yet valid")]
    [InlineData("for clients")]
    [InlineData("another host")]
    [InlineData("weak")]
    public async Task What_is_wrong_in_the_newer_files_is_refused_loudly_and_the_older_certificate_goes_on(string variant)
    {
        using var first = Issue();
        Write(first);
        await using var server = await TestServer.StartAsync(Settings);
        var log = new LogLines();
        server.Server.Application.Services.GetRequiredService<ILoggerFactory>().AddProvider(log);
        var expected = Spoil(variant);
        var care = server.Server.Application.Services.GetRequiredService<CertificateCare>();
        for (var i = 0; i < 3; i++)
            care.ReloadFiles();
        Assert.Equal(first.Thumbprint, await ShownAsync(server, "https"));
        Assert.Single(log.All, l => l.StartsWith("the certificate of the listeners: what is in the files now is refused", StringComparison.Ordinal) && l.Contains(expected, StringComparison.Ordinal));
        using var health = server.NewClient("health");
        var ready = await health.GetAsync("/readyz");
        Assert.Equal(HttpStatusCode.OK, ready.StatusCode);
        Assert.Contains("warning: the certificate of the listeners", await ready.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        // And it is mended without a restart.
        using var second = Issue();
        Write(second);
        care.ReloadFiles();
        Assert.Equal(second.Thumbprint, await ShownAsync(server, "https"));
        Assert.Equal("ready\n", await health.GetStringAsync("/readyz"));
    }

    [Theory]
    [InlineData("another key")]
    [InlineData("expired")]
    [InlineData("gone")]
    public async Task At_the_start_wrong_files_end_it(string variant)
    {
        using var first = Issue();
        Write(first);
        var expected = Spoil(variant);
        var refused = await Assert.ThrowsAsync<SettingsException>(() => TestServer.StartAsync(Settings));
        Assert.Contains(expected, refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Certificates:ServerCertificate=/a.pem")]
    [InlineData("Certificates:ServerKey=/a.key")]
    [InlineData("Clients:BuiltInAuthority=false")]
    [InlineData("Clients:BuiltInAuthority=maybe")]
    [InlineData("Certificates:RevocationListUrl=https://val.example")]
    [InlineData("Certificates:RevocationListUrl=http://val.example/")]
    [InlineData("NdsIp:Peers=10.7.0.0/99")]
    public async Task Settings_that_do_not_fit_are_refused(string setting) => await Assert.ThrowsAsync<SettingsException>(() => TestServer.StartAsync(setting));

    [Fact]
    public async Task An_outside_authority_replaces_the_built_in_one_for_clients_and_another_one_replaces_it_while_the_server_runs()
    {
        using var later = new OutsideAuthority("CN=Next CA, O=Outside");
        var anchors = Path.Combine(_files.FullName, "clients.pem");
        await File.WriteAllTextAsync(anchors, _authority.Certificate.ExportCertificatePem());
        await using var host = await OpenIdServer.StartAsync("Clients:TrustAnchors=" + anchors, "Clients:BuiltInAuthority=false");
        await host.AddClientAsync(new()
        {
            ClientId = "val-1",
            Name = "val-1",
            AuthMethods = [ClientAuthMethod.TlsClientAuth],
            TlsName = CertificateWorld.Named("san_uri:urn:val:1"),
            Grants = [GrantType.ClientCredentials],
            Scopes = ScopeList.Of(["val:fleet-tracking"]),
        });
        var parts = host.Service<ServerParts>();
        var (_, pem, key) = parts.Pki.IssueClient(Core.Certificates.CaRole.ValMc, new() { CommonName = "val", Use = Core.Certificates.EntityUse.Client, Uris = [new("urn:val:1")] }, parts.Clock.GetUtcNow());
        using var builtIn = X509Certificate2.CreateFromPem(pem, key);
        using var outside = _authority.Issue("CN=val", n => n.AddUri(new Uri("urn:val:1")));
        using var next = later.Issue("CN=val", n => n.AddUri(new Uri("urn:val:1")));
        Assert.Equal((HttpStatusCode.Unauthorized, HttpStatusCode.OK, HttpStatusCode.Unauthorized), (await TokenAsync(builtIn), await TokenAsync(outside), await TokenAsync(next)));
        await File.WriteAllTextAsync(anchors + ".new", later.Certificate.ExportCertificatePem());
        File.Move(anchors + ".new", anchors, overwrite: true);
        await host.Server.WaitForAsync(async () => await TokenAsync(next) == HttpStatusCode.OK);
        Assert.Equal((HttpStatusCode.Unauthorized, HttpStatusCode.Unauthorized), (await TokenAsync(builtIn), await TokenAsync(outside)));
        // A file that is wrong takes nobody's trust away.
        await File.WriteAllTextAsync(anchors, "junk");
        host.Service<CertificateCare>().ReloadFiles();
        Assert.Equal(HttpStatusCode.OK, await TokenAsync(next));

        async Task<HttpStatusCode> TokenAsync(X509Certificate2 certificate)
        {
            using var http = host.Server.NewClient("mtls", certificate);
            return (await http.PostAsync("/token", new FormUrlEncodedContent(new Dictionary<string, string> { ["grant_type"] = "client_credentials", ["client_id"] = "val-1" }))).StatusCode;
        }
    }

    [Fact]
    public async Task What_ends_soon_is_told_once_a_stage_and_said_where_readiness_is_asked()
    {
        using var certificate = Issue(toDays: 6.5);
        Write(certificate);
        await using var server = await TestServer.StartAsync(Settings);
        var log = new LogLines();
        server.Server.Application.Services.GetRequiredService<ILoggerFactory>().AddProvider(log);
        var care = server.Server.Application.Services.GetRequiredService<CertificateCare>();
        // The first look was at the start; from here on each stage is one line.
        server.Time.Advance(TimeSpan.FromDays(6));
        await care.LookAsync(CancellationToken.None);
        await care.LookAsync(CancellationToken.None);
        Assert.Single(log.All, l => l.Contains("the certificate of the listeners ends", StringComparison.Ordinal) && l.Contains("1 days or less are left", StringComparison.Ordinal));
        server.Time.Advance(TimeSpan.FromDays(1));
        await care.LookAsync(CancellationToken.None);
        Assert.Single(log.All, l => l.Contains("the certificate of the listeners has ended", StringComparison.Ordinal));
        server.Time.Advance(TimeSpan.FromDays(-7));
        using var health = server.NewClient("health");
        Assert.Contains("ready\nwarning: the certificate of the listeners ends at ", await health.GetStringAsync("/readyz"), StringComparison.Ordinal);
    }

    /// <summary>Makes the files wrong; what the operator is told.</summary>
    private string Spoil(string variant)
    {
        using var other = Issue();
        switch (variant)
        {
            case "junk":
                File.WriteAllText(CertificateFile, "junk");
                return "holds no certificate";
            case "another key":
                File.WriteAllText(KeyFile, KeyOf(other));
                return "does not hold the key";
            case "no key":
                File.WriteAllText(KeyFile, "");
                return "does not hold the key";
            case "gone":
                File.Delete(KeyFile);
                return "cannot be read";
            case "expired":
                Write(Issue(fromDays: -1.5, toDays: -0.5));
                return "has expired";
            case "not yet valid":
                Write(Issue(fromDays: 0.5));
                return "is not valid yet";
            case "for clients":
                Write(Issue(use: "1.3.6.1.5.5.7.3.2"));
                return "is not for servers";
            case "another host":
                Write(Issue(host: "elsewhere.example"));
                return "does not hold the name localhost";
            default:
                using (var weak = RSA.Create(1024))
                {
                    var request = new CertificateRequest("CN=localhost", weak, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
                    using var certificate = request.CreateSelfSigned(TimeProvider.System.GetUtcNow().AddDays(-1), TimeProvider.System.GetUtcNow().AddDays(1));
                    File.WriteAllText(KeyFile, weak.ExportPkcs8PrivateKeyPem());
                    File.WriteAllText(CertificateFile, certificate.ExportCertificatePem());
                }
                return "has a key outside the profile";
        }
    }

    private X509Certificate2 Issue(double fromDays = -1, double toDays = 90, string use = ServerUse, string host = "localhost")
    {
        return _authority.Issue("CN=" + host, n => n.AddDnsName(host), fromDays, toDays, use);
    }

    private void Write(X509Certificate2 certificate)
    {
        File.WriteAllText(CertificateFile, certificate.ExportCertificatePem() + "\n" + _authority.Certificate.ExportCertificatePem());
        File.WriteAllText(KeyFile, KeyOf(certificate));
    }

    private static string KeyOf(X509Certificate2 certificate)
    {
        using var key = certificate.GetECDsaPrivateKey()!;
        return key.ExportPkcs8PrivateKeyPem();
    }

    /// <summary>The thumbprint of what a listener shows in a handshake that only this authority can have vouched for.</summary>
    private async Task<string> ShownAsync(TestServer server, string listener)
    {
        using var connection = new TcpClient();
        await connection.ConnectAsync(IPAddress.Loopback, server.Server.EndPoints[listener].Port);
        await using var stream = new SslStream(connection.GetStream());
        var options = new SslClientAuthenticationOptions { TargetHost = "localhost" };
        TlsProfile.ConfigureClient(options, [_authority.Certificate]);
        await stream.AuthenticateAsClientAsync(options, TestContext.Current.CancellationToken);
        using var shown = new X509Certificate2(stream.RemoteCertificate!);
        return shown.Thumbprint;
    }
}
