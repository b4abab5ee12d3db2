using System.Globalization;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Keyreeve.Engines.Tls;

namespace Keyreeve.Bench.Load;

/// <summary>What a server said; its octets are good until the next question on the same connection.</summary>
internal readonly record struct Answer(int Status, ReadOnlyMemory<byte> Head, ReadOnlyMemory<byte> Body)
{
    /// <summary>The value of a header, or null.</summary>
    public string? Header(string name)
    {
        var text = Encoding.ASCII.GetString(Head.Span);
        var start = text.IndexOf("\r\n" + name + ": ", StringComparison.OrdinalIgnoreCase);
        if (start < 0)
            return null;
        start += name.Length + 4;
        return text[start..text.IndexOf("\r\n", start, StringComparison.Ordinal)];
    }

    /// <summary>The values of a header that may come more than once.</summary>
    public IEnumerable<string> Headers(string name) =>
        Encoding.ASCII.GetString(Head.Span).Split("\r\n").Where(l => l.StartsWith(name + ": ", StringComparison.OrdinalIgnoreCase)).Select(l => l[(name.Length + 2)..]);

    /// <summary>The text member of a flat JSON body; it holds no escapes where this is used (tokens).</summary>
    /// <exception cref="BenchException">It is not there.</exception>
    public string Member(string name)
    {
        var body = Body.Span;
        var mark = Encoding.ASCII.GetBytes($"\"{name}\":\"");
        var start = body.IndexOf(mark);
        if (start < 0)
            throw new BenchException($"no {name} in {Encoding.UTF8.GetString(body)}");
        body = body[(start + mark.Length)..];
        return Encoding.ASCII.GetString(body[..body.IndexOf((byte)'"')]);
    }

    public override string ToString() => $"{Status} {Encoding.UTF8.GetString(Body.Span)}";
}

/// <summary>
/// One HTTPS/1.1 connection, kept alive: a question, its answer, the next question. Only what the benchmark's servers send is read
/// (Content-Length, no chunks): a client library would cost more than the server and take the machine from what is measured.
/// </summary>
internal sealed class Connection : IDisposable
{
    private readonly SslStream _tls;
    private readonly byte[] _out = new byte[16 * 1024];
    private byte[] _in = new byte[16 * 1024];

    private Connection(SslStream tls) => _tls = tls;

    public static async Task<Connection> OpenAsync(Uri address, X509Certificate2Collection roots)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(IPAddress.Loopback, address.Port);
        var tls = new SslStream(new NetworkStream(socket, ownsSocket: true));
        var options = new SslClientAuthenticationOptions { TargetHost = address.Host, ApplicationProtocols = [SslApplicationProtocol.Http11] };
        TlsProfile.ConfigureClient(options, roots);
        await tls.AuthenticateAsClientAsync(options);
        return new(tls);
    }

    /// <summary>Sends a request, as <see cref="Request"/> writes it, and reads the answer.</summary>
    public async ValueTask<Answer> AskAsync(string request)
    {
        await _tls.WriteAsync(_out.AsMemory(0, Encoding.ASCII.GetBytes(request, _out)));
        var (read, head) = (0, -1);
        while (head < 0)
        {
            read += await FillAsync(read);
            head = _in.AsSpan(0, read).IndexOf("\r\n\r\n"u8);
        }
        var start = head + 4;
        var length = LengthOf(_in.AsSpan(0, start));
        if (start + length > _in.Length)
            Array.Resize(ref _in, start + length);
        while (read < start + length)
            read += await FillAsync(read);
        return new(int.Parse(_in.AsSpan(9, 3), CultureInfo.InvariantCulture), _in.AsMemory(0, start), _in.AsMemory(start, length));
    }

    public void Dispose() => _tls.Dispose();

    private async ValueTask<int> FillAsync(int from)
    {
        if (from == _in.Length)
            Array.Resize(ref _in, 2 * _in.Length);
        var n = await _tls.ReadAsync(_in.AsMemory(from));
        return n > 0 ? n : throw new BenchException("the server closed a connection in the middle of a run");
    }

    private static int LengthOf(ReadOnlySpan<byte> head)
    {
        var at = head.IndexOf("ontent-Length: "u8);
        if (at < 0)
            at = head.IndexOf("ontent-length: "u8);
        if (at < 0)
            throw new BenchException($"an answer without Content-Length: {Encoding.ASCII.GetString(head)}");
        var digits = head[(at + 15)..];
        return int.Parse(digits[..digits.IndexOf((byte)'\r')], CultureInfo.InvariantCulture);
    }
}

/// <summary>Requests as text.</summary>
internal static class Request
{
    public static string Get(string target, string cookie) => $"GET {target} HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\n\r\n";

    public static string Form(string path, string authorization, string body) => Post(path, "application/x-www-form-urlencoded", authorization, body);

    public static string Post(string path, string type, string authorization, string body) =>
        string.Create(CultureInfo.InvariantCulture, $"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {authorization}\r\nContent-Type: {type}\r\nContent-Length: {body.Length}\r\n\r\n{body}");
}
