using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Threading.Channels;

namespace Keyreeve.Testing;

/// <summary>What a peer was sent.</summary>
public sealed record PeerRequest(string Method, string Path, IReadOnlyDictionary<string, string> Headers, byte[] Body)
{
    public string Text => Encoding.UTF8.GetString(Body);
}

/// <summary>
/// A server on a free loopback port that does with each request what its script says: answer well, badly, slowly, without an end or
/// never. It closes the connection after each answer.
/// </summary>
public sealed class ScriptedPeer : IAsyncDisposable
{
    private readonly TcpListener _listener;
    private readonly CancellationTokenSource _stop = new();
    private readonly List<Task> _connections = [];
    private readonly Task _accepting;
    private readonly bool _tls;
    private int _accepted;

    public ScriptedPeer(bool tls = true, string name = "localhost", IPAddress? address = null)
    {
        _tls = tls;
        Certificate = SelfSigned(name);
        _listener = new(address ?? IPAddress.Loopback, 0);
        _listener.Start();
        _accepting = AcceptAsync();
    }

    /// <summary>Its certificate, its own root.</summary>
    public X509Certificate2 Certificate { get; }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary>Connections so far, also those without a request.</summary>
    public int Accepted => Volatile.Read(ref _accepted);

    /// <summary>Everything it was sent, in the order in which it was read.</summary>
    public Channel<PeerRequest> Requests { get; } = Channel.CreateUnbounded<PeerRequest>();

    /// <summary>What it does with a request.</summary>
    public Func<PeerRequest, Stream, CancellationToken, Task> Script { get; set; } = (_, stream, cancel) => AnswerAsync(stream, "202 Accepted", "", "", cancel);

    public string Address(string path = "/") => $"{(_tls ? "https" : "http")}://localhost:{Port}{path}";

    /// <summary>Answers every request with a status from here on.</summary>
    public void Always(string status, string headers = "", string body = "") => Script = (_, stream, cancel) => AnswerAsync(stream, status, headers, body, cancel);

    public static async Task AnswerAsync(Stream stream, string status, string headers, string body, CancellationToken cancel, int more = 0) =>
        await stream.WriteAsync(Encoding.UTF8.GetBytes($"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {Encoding.UTF8.GetByteCount(body) + more}\r\n{headers}\r\n{body}"), cancel);

    /// <summary>The next request, within a minute.</summary>
    public async Task<PeerRequest> NextAsync()
    {
        using var late = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        return await Requests.Reader.ReadAsync(late.Token);
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Stop();
        await _accepting;
        await Task.WhenAll(_connections);
        _stop.Dispose();
        Certificate.Dispose();
    }

    /// <summary>Each has a name of its own: of two roots with one name a chain builder may look at the wrong one only.</summary>
    private static X509Certificate2 SelfSigned(string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}, O={Convert.ToHexString(SHA256.HashData(key.ExportSubjectPublicKeyInfo())[..4])}", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName(name);
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.1")], true));
        var now = TimeProvider.System.GetUtcNow();
        using var made = request.CreateSelfSigned(now.AddDays(-1), now.AddDays(1));
        return X509CertificateLoader.LoadPkcs12(made.Export(X509ContentType.Pkcs12), null);
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var connection = await _listener.AcceptTcpClientAsync(_stop.Token);
                Interlocked.Increment(ref _accepted);
                _connections.Add(Task.Run(() => ServeAsync(connection)));
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // the test is over
        }
    }

    private async Task ServeAsync(TcpClient connection)
    {
        try
        {
            using (connection)
            {
                if (!_tls)
                {
                    await TalkAsync(connection.GetStream());
                    return;
                }
                await using var stream = new SslStream(connection.GetStream());
                await stream.AuthenticateAsServerAsync(new SslServerAuthenticationOptions { ServerCertificate = Certificate }, _stop.Token);
                await TalkAsync(stream);
            }
        }
        catch (Exception e) when (e is IOException or AuthenticationException or OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // the other side went away, or did not trust us: that is what some tests are about
        }
    }

    private async Task TalkAsync(Stream stream)
    {
        if (await ReadAsync(stream) is not { } request)
            return;
        Requests.Writer.TryWrite(request);
        await Script(request, stream, _stop.Token);
        await stream.FlushAsync(_stop.Token);
    }

    private async Task<PeerRequest?> ReadAsync(Stream stream)
    {
        var head = new List<byte>();
        var one = new byte[1];
        while (!EndsHead(head))
        {
            if (await stream.ReadAsync(one, _stop.Token) == 0)
                return null;
            head.Add(one[0]);
        }
        var lines = Encoding.ASCII.GetString([.. head]).Split("\r\n", StringSplitOptions.RemoveEmptyEntries);
        var headers = lines[1..].Select(l => l.Split(": ", 2)).ToDictionary(l => l[0], l => l[1], StringComparer.OrdinalIgnoreCase);
        var body = new byte[headers.TryGetValue("Content-Length", out var length) ? int.Parse(length, System.Globalization.CultureInfo.InvariantCulture) : 0];
        await stream.ReadExactlyAsync(body, _stop.Token);
        var start = lines[0].Split(' ');
        return new(start[0], start[1], headers, body);
    }

    private static bool EndsHead(List<byte> head) => head.Count >= 4 && head[^4] == '\r' && head[^3] == '\n' && head[^2] == '\r' && head[^1] == '\n';
}
