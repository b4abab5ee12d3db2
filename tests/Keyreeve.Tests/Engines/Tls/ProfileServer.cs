using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Keyreeve.Core.Certificates;
using Keyreeve.Engines.Tls;
using Keyreeve.Tests.Core.Certificates;

namespace Keyreeve.Tests.Engines.Tls;

/// <summary>A TLS server on a free loopback port with our profile. It says one HTTP answer after each handshake, then reads until the peer ends.</summary>
public sealed class ProfileServer : IAsyncDisposable
{
    public const string Answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly SslServerAuthenticationOptions _options = new();
    private readonly List<Task> _connections = [];
    private readonly Task _accepting;

    /// <param name="withProfile">False: the platform's own choices, for what a test needs to compare with.</param>
    public ProfileServer(
        X509Certificate2 certificate, X509Certificate2Collection intermediates, bool askForClientCertificate = false, bool withProfile = true)
    {
        _options.ServerCertificateContext = SslStreamCertificateContext.Create(certificate, intermediates, offline: true);
        if (withProfile) TlsProfile.ConfigureServer(_options, askForClientCertificate);
        _listener.Start();
        _accepting = Accept();
    }

    /// <summary>What became of one connection, as the server saw it.</summary>
    public sealed record Seen(SslProtocols Version, TlsCipherSuite? Suite, string? ClientThumbprint, string Read, Exception? Failure);

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    public System.Threading.Channels.Channel<Seen> Connections { get; } = System.Threading.Channels.Channel.CreateUnbounded<Seen>();

    /// <summary>A server of the authorities' own, for localhost.</summary>
    public static ProfileServer Of(TestAuthorities authorities, AsymmetricAlgorithm key, bool askForClientCertificate = false, EntityRequest? request = null, bool withProfile = true) =>
        new(
            CertificateOf(authorities.Servers, key, request ?? TestAuthorities.Server("localhost")),
            [authorities.Servers.Certificate],
            askForClientCertificate,
            withProfile);

    public static X509Certificate2 CertificateOf(CertificateAuthority issuer, AsymmetricAlgorithm key, EntityRequest request)
    {
        var now = TimeProvider.System.GetUtcNow();
        using var issued = issuer.Issue(request, new PublicKey(key), now);
        return key switch
        {
            RSA rsa => issued.CopyWithPrivateKey(rsa),
            ECDsa ec => issued.CopyWithPrivateKey(ec),
            _ => throw new ArgumentException("RSA or EC", nameof(key)),
        };
    }

    public ValueTask<Seen> Next(CancellationToken cancellation) => Connections.Reader.ReadAsync(cancellation);

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _accepting;
        _listener.Stop();
        await Task.WhenAll(_connections);
        _stop.Dispose();
    }

    private async Task Accept()
    {
        try
        {
            while (true)
            {
                _connections.Add(Serve(await _listener.AcceptTcpClientAsync(_stop.Token)));
            }
        }
        catch (OperationCanceledException)
        {
            // the test is over
        }
    }

    private async Task Serve(TcpClient connection)
    {
        using (connection)
        await using (var stream = new SslStream(connection.GetStream()))
        {
            var read = new StringBuilder();
            Exception? failure = null;
            try
            {
                await stream.AuthenticateAsServerAsync(_options, _stop.Token);
                await stream.WriteAsync(Encoding.ASCII.GetBytes(Answer), _stop.Token);
                var buffer = new byte[4096];
                for (int count; (count = await stream.ReadAsync(buffer, _stop.Token)) > 0;)
                    read.Append(Encoding.ASCII.GetString(buffer, 0, count));
            }
            catch (Exception e) when (e is IOException or AuthenticationException or OperationCanceledException)
            {
                failure = e;
            }

            var done = stream.IsAuthenticated;
            Connections.Writer.TryWrite(new(
                done ? stream.SslProtocol : SslProtocols.None,
                done ? stream.NegotiatedCipherSuite : null,
                done && stream.RemoteCertificate is { } peer ? peer.GetCertHashString() : null,
                read.ToString(),
                failure));
        }
    }
}
