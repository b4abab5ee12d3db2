using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Keyreeve.Client;

/// <summary>
/// The redirect URI of a native client: a listener on the loopback address for as long as one sign-in lasts (RFC 8252 section 7.3).
/// Every program and every web page on the machine can call it, so what is not the answer is dropped without a word and the
/// wait goes on.
/// </summary>
[Spec("RFC 8252", "7.3")]
internal sealed class LoopbackRedirect : IDisposable
{
    // Our choice. Browsers open connections ahead and leave them silent: these must not keep the real one out.
    private const int MaxConnections = 32;
    private const int MaxHead = 32 * 1024;
    private static readonly TimeSpan MaxSilence = TimeSpan.FromSeconds(10);

    private const string Headers = "Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\nContent-Security-Policy: default-src 'none'\r\nConnection: close\r\n";
    private const string Page = "<!doctype html><meta charset=\"utf-8\"><title>Done</title><p>The application has its answer. You can close this window.</p>";

    private static readonly byte[] Arrived = Encoding.ASCII.GetBytes(
        $"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {Page.Length}\r\n{Headers}\r\n{Page}");

    private static readonly byte[] Dropped = Encoding.ASCII.GetBytes($"HTTP/1.1 204 No Content\r\n{Headers}\r\n");

    private readonly TcpListener _listener;
    private readonly SemaphoreSlim _room = new(MaxConnections);
    private readonly string _origin;

    private LoopbackRedirect(TcpListener listener, string origin, string address) => (_listener, _origin, Address) = (listener, origin, address);

    /// <summary>The redirect URI with the port that is really listened on.</summary>
    internal string Address { get; }

    /// <summary>Listens.</summary>
    /// <param name="registered">
    /// <c>http://127.0.0.1/callback</c>: on a free port, which the server takes for the registered one; with a port: on that. The address is
    /// a literal: <c>localhost</c> may lead elsewhere.
    /// </param>
    /// <exception cref="ArgumentException">Not such a URI.</exception>
    /// <exception cref="SocketException">The port is taken.</exception>
    internal static LoopbackRedirect Listen(string registered)
    {
        if (!Uri.TryCreate(registered, UriKind.Absolute, out var uri) || uri.Scheme != Uri.UriSchemeHttp || uri.Query.Length > 0 || uri.Fragment.Length > 0
            || !(registered.StartsWith("http://127.0.0.1", StringComparison.Ordinal) || registered.StartsWith("http://[::1]", StringComparison.Ordinal))
            || !IPAddress.TryParse(uri.Host, out var host) || !IPAddress.IsLoopback(host))
            throw new ArgumentException("The redirect URI of a native client is http://127.0.0.1/path or http://[::1]/path, with or without a port.", nameof(registered));
        var listener = new TcpListener(host, uri.IsDefaultPort ? 0 : uri.Port);
        listener.Start();
        var origin = $"http://{(host.AddressFamily == AddressFamily.InterNetworkV6 ? $"[{host}]" : host)}:{((IPEndPoint)listener.LocalEndpoint).Port}";
        return new(listener, origin, origin + uri.AbsolutePath);
    }

    /// <summary>The first call that <paramref name="read"/> does not ignore.</summary>
    internal async Task<AuthenticationResponse> WaitAsync(Func<string, AuthenticationResponse> read, CancellationToken cancel)
    {
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        var answer = new TaskCompletionSource<AuthenticationResponse>(TaskCreationOptions.RunContinuationsAsynchronously);
        var accepting = AcceptAsync(read, answer, over.Token);
        try
        {
            return await await Task.WhenAny(answer.Task, accepting);
        }
        finally
        {
            await over.CancelAsync();
            await ((Task)accepting).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <inheritdoc />
    public void Dispose()
    {
        _listener.Dispose();
        _room.Dispose();
    }

    private async Task<AuthenticationResponse> AcceptAsync(
        Func<string, AuthenticationResponse> read, TaskCompletionSource<AuthenticationResponse> answer, CancellationToken over)
    {
        var open = new List<Task>();
        try
        {
            while (true)
            {
                await _room.WaitAsync(over);
                var connection = await _listener.AcceptTcpClientAsync(over);
                open.RemoveAll(t => t.IsCompleted);
                open.Add(ServeAsync(connection, read, answer, over));
            }
        }
        finally
        {
            await Task.WhenAll(open);
        }
    }

    private async Task ServeAsync(
        TcpClient connection, Func<string, AuthenticationResponse> read, TaskCompletionSource<AuthenticationResponse> answer, CancellationToken over)
    {
        AuthenticationResponse? response = null;
        try
        {
            using (connection)
            using (var late = CancellationTokenSource.CreateLinkedTokenSource(over))
            {
                late.CancelAfter(MaxSilence);
                var stream = connection.GetStream();
                if (await CallbackAsync(stream, late.Token) is { } callback && read(callback) is var found and not AuthenticationResponse.Ignored)
                    response = found;
                await stream.WriteAsync(response is null ? Dropped : Arrived, late.Token);
            }
        }
        catch (Exception gone) when (gone is IOException or SocketException or OperationCanceledException)
        {
            // The caller went away or said nothing; what it did say still counts.
        }
        finally
        {
            _room.Release();
            if (response is not null)
                answer.TrySetResult(response);
        }
    }

    /// <summary>The address called, or null: no GET, or not by our own name (a page elsewhere whose name was made to lead here).</summary>
    private async Task<string?> CallbackAsync(NetworkStream stream, CancellationToken late)
    {
        var buffer = new byte[MaxHead];
        var length = 0;
        while (buffer.AsSpan(0, length).IndexOf("\r\n\r\n"u8) < 0)
        {
            var count = length == MaxHead ? 0 : await stream.ReadAsync(buffer.AsMemory(length), late);
            if (count == 0)
                return null;
            length += count;
        }
        var lines = Encoding.Latin1.GetString(buffer, 0, length).Split("\r\n");
        var start = lines[0].Split(' ');
        if (start is not ["GET", ['/', ..] target, "HTTP/1.1"])
            return null;
        var hosts = lines.Skip(1).Where(l => l.StartsWith("Host:", StringComparison.OrdinalIgnoreCase)).ToList();
        return hosts is [var host] && string.Equals("http://" + host[5..].Trim(), _origin, StringComparison.OrdinalIgnoreCase) ? _origin + target : null;
    }
}
