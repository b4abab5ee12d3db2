using System.Formats.Asn1;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Keyreeve.Core.Certificates;
using Keyreeve.Engines.Tls;
using Keyreeve.Testing;
using Keyreeve.Tests.Core.Certificates;
using Xunit;

namespace Keyreeve.Tests.Engines.Tls;

[Proves("TS 33.210", "6.2")]
public sealed class TlsProfileClientTests : IDisposable
{
    private static readonly DateTimeOffset Now = TimeProvider.System.GetUtcNow();
    private readonly TestAuthorities _authorities = new(Now.AddYears(-2));
    private readonly ECDsa _key = ECDsa.Create(ECCurve.NamedCurves.nistP256);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        _key.Dispose();
        _authorities.Dispose();
    }

    [Fact]
    public async Task A_server_of_the_pinned_root_with_the_right_name_is_accepted()
    {
        await using var server = ProfileServer.Of(_authorities, _key);
        var options = Options([_authorities.Root.Certificate]);
        Assert.Equal("hello", (await Connect(server, options))[^5..]);
        Assert.Equal(SslProtocols.Tls13, (await server.Next(Cancel)).Version);
    }

    [Fact]
    public async Task A_server_of_another_root_is_refused()
    {
        using var others = new TestAuthorities(Now);
        await using var server = ProfileServer.Of(_authorities, _key);
        await IsRefused(server, Options([others.Root.Certificate]), "PartialChain", "UntrustedRoot");
        await IsRefused(server, Options([]), "PartialChain", "UntrustedRoot");
    }

    [Fact]
    public async Task A_server_with_another_name_is_refused()
    {
        await using var server = ProfileServer.Of(_authorities, _key, request: TestAuthorities.Server("other.localhost"));
        await IsRefused(server, Options([_authorities.Root.Certificate]), "RemoteCertificateNameMismatch");
    }

    [Fact]
    public async Task A_certificate_that_is_for_clients_only_is_no_server()
    {
        var certificate = ProfileServer.CertificateOf(
            _authorities.ValMc, _key, TestAuthorities.Client("localhost") with { DnsNames = ["localhost"] });
        await using var server = new ProfileServer(certificate, [_authorities.ValMc.Certificate]);
        await IsRefused(server, Options([_authorities.Root.Certificate]), "NotValidForUsage");
    }

    [Fact]
    public async Task An_expired_server_is_refused()
    {
        using var issued = _authorities.Servers.Issue(TestAuthorities.Server("localhost"), new PublicKey(_key), Now.AddYears(-1));
        await using var server = new ProfileServer(issued.CopyWithPrivateKey(_key), [_authorities.Servers.Certificate]);
        await IsRefused(server, Options([_authorities.Root.Certificate]), "NotTimeValid");
    }

    [Fact]
    public async Task A_server_outside_the_roots_name_constraints_is_refused()
    {
        using var forged = TestAuthorities.Forge(
            _authorities.Servers, _key, uses: [TestAuthorities.ServerUse], more: [TestAuthorities.DnsName("example.org")], notAfter: Now.AddDays(1));
        await using var server = new ProfileServer(forged.CopyWithPrivateKey(_key), [_authorities.Servers.Certificate]);
        var options = Options([_authorities.Root.Certificate]);
        options.TargetHost = "example.org";
        await IsRefused(server, options, "HasNotPermittedNameConstraint");
    }

    [Fact]
    public async Task The_handler_speaks_HTTP_shows_its_certificate_and_follows_nothing()
    {
        using var clientKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var certificate = ProfileServer.CertificateOf(_authorities.Operators, clientKey, TestAuthorities.Client());
        await using var server = ProfileServer.Of(_authorities, _key, askForClientCertificate: true);
        using (var handler = TlsProfile.CreateHandler([_authorities.Root.Certificate], certificate))
        using (var http = new HttpClient(handler))
        {
            Assert.False(handler.AllowAutoRedirect);
            Assert.False(handler.UseCookies);
            Assert.False(handler.UseProxy);
            Assert.Equal("hello", await http.GetStringAsync(new Uri($"https://localhost:{server.Port}/"), Cancel));
        }

        Assert.Equal(certificate.GetCertHashString(), (await server.Next(Cancel)).ClientThumbprint);
    }

    [Fact]
    public void A_client_certificate_without_its_key_is_refused_at_once()
    {
        using var certificate = _authorities.Operators.Issue(TestAuthorities.Client(), new PublicKey(_key), Now);
        Assert.Throws<ArgumentException>(() => TlsProfile.CreateHandler([], certificate));
    }

    [Theory]
    [InlineData(SslProtocols.Tls12)]
    [InlineData(SslProtocols.Tls13)]
    public async Task Where_a_certificate_is_asked_for_the_handshake_succeeds_with_none_and_with_an_unknown_one(SslProtocols version)
    {
        await using var server = ProfileServer.Of(_authorities, _key, askForClientCertificate: true);
        var none = Options([_authorities.Root.Certificate]);
        none.EnabledSslProtocols = version;
        Assert.EndsWith("hello", await Connect(server, none));
        Assert.Null((await server.Next(Cancel)).ClientThumbprint);

        using var stranger = Stranger([]);
        var unknown = Options([_authorities.Root.Certificate], stranger);
        unknown.EnabledSslProtocols = version;
        Assert.EndsWith("hello", await Connect(server, unknown));
        var seen = await server.Next(Cancel);
        Assert.Equal(stranger.GetCertHashString(), seen.ClientThumbprint);
        Assert.Equal(version, seen.Version);
    }

    [Fact]
    public async Task Where_no_certificate_is_asked_for_none_is_shown()
    {
        await using var server = ProfileServer.Of(_authorities, _key);
        using var stranger = Stranger([]);
        Assert.EndsWith("hello", await Connect(server, Options([_authorities.Root.Certificate], stranger)));
        Assert.Null((await server.Next(Cancel)).ClientThumbprint);
    }

    [Fact]
    public async Task An_address_inside_a_strangers_certificate_is_never_fetched()
    {
        using var trap = new TcpListener(IPAddress.Loopback, 0);
        trap.Start();
        var address = $"http://127.0.0.1:{((IPEndPoint)trap.LocalEndpoint).Port}/ca.crt";
        // Issued by nobody the server knows, so that a platform that may fetch would want to.
        using var stranger = Stranger([new X509AuthorityInformationAccessExtension(ocspUris: null, caIssuersUris: [address])], selfSigned: false);
        await using var server = ProfileServer.Of(_authorities, _key, askForClientCertificate: true);
        Assert.EndsWith("hello", await Connect(server, Options([_authorities.Root.Certificate], stranger)));
        Assert.Equal(stranger.GetCertHashString(), (await server.Next(Cancel)).ClientThumbprint);
        Assert.False(trap.Pending());
    }

    private static SslClientAuthenticationOptions Options(X509Certificate2Collection roots, X509Certificate2? certificate = null)
    {
        // Everything a careless caller may have left behind is overwritten.
        var options = new SslClientAuthenticationOptions
        {
            TargetHost = "localhost",
            RemoteCertificateValidationCallback = (_, _, _, _) => true,
            EnabledSslProtocols = SslProtocols.None,
            AllowRenegotiation = true,
        };
        TlsProfile.ConfigureClient(options, roots, certificate);
        return options;
    }

    private static async Task<string> Connect(ProfileServer server, SslClientAuthenticationOptions options)
    {
        using var connection = new TcpClient();
        await connection.ConnectAsync(IPAddress.Loopback, server.Port, Cancel);
        await using var stream = new SslStream(connection.GetStream());
        await stream.AuthenticateAsClientAsync(options, Cancel);
        var buffer = new byte[ProfileServer.Answer.Length];
        await stream.ReadExactlyAsync(buffer, Cancel);
        await stream.ShutdownAsync();
        return System.Text.Encoding.ASCII.GetString(buffer);
    }

    private static async Task IsRefused(ProfileServer server, SslClientAuthenticationOptions options, params string[] reasons)
    {
        var refusal = await Assert.ThrowsAsync<AuthenticationException>(() => Connect(server, options));
        Assert.Contains(reasons, refusal.Message.Contains);
    }

    private static X509Certificate2 Stranger(X509Extension[] extensions, bool selfSigned = true)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=stranger", key, HashAlgorithmName.SHA256);
        foreach (var extension in extensions) request.CertificateExtensions.Add(extension);
        if (selfSigned) return request.CreateSelfSigned(Now.AddDays(-1), Now.AddDays(1));
        using var issuerKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var issued = request.Create(
            new X500DistinguishedName("CN=nobody"), X509SignatureGenerator.CreateForECDsa(issuerKey), Now.AddDays(-1), Now.AddDays(1), [1, 2, 3]);
        return issued.CopyWithPrivateKey(key);
    }
}
