using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Security.Authentication;
using Keyreeve.Engines.Tls;

namespace Keyreeve.Engines.Outbound;

/// <summary>
/// The one way out: every request to an address that a peer or client registered goes through this. The name is resolved here, every
/// address it has is checked, and the connection is made to a checked address, so that a second answer of the resolver does not
/// matter. No redirects, no proxy, no cookies, no decompression; bounded in time and size; and nothing it does throws at its caller.
/// </summary>
public sealed class OutboundHttp : IDisposable
{
    /// <summary>Addresses of one name at most. Our choice: a name with more is no host.</summary>
    private const int MaxAddresses = 16;

    private readonly OutboundSettings _settings;
    private readonly AddressGuard _guard;
    private readonly Func<string, CancellationToken, Task<IPAddress[]>> _resolve;
    private readonly TimeProvider _clock;
    private readonly HttpClient _http;

    /// <param name="settings">What is allowed.</param>
    /// <param name="clock">For Retry-After dates.</param>
    /// <param name="resolve">Name to addresses; null asks the system.</param>
    public OutboundHttp(OutboundSettings settings, TimeProvider clock, Func<string, CancellationToken, Task<IPAddress[]>>? resolve = null)
    {
        (_settings, _clock) = (settings, clock);
        _guard = new AddressGuard(settings.AllowedNetworks);
        _resolve = resolve ?? Dns.GetHostAddressesAsync;
        var handler = TlsProfile.CreateHandler(settings.TrustAnchors);
        handler.ConnectTimeout = settings.ConnectTimeout;
        handler.ConnectCallback = ConnectAsync;
        handler.MaxConnectionsPerServer = 4;
        handler.MaxResponseHeadersLength = 16; // KiB
        handler.PooledConnectionLifetime = TimeSpan.FromMinutes(2); // a name that moved is looked up and checked anew
        handler.PooledConnectionIdleTimeout = TimeSpan.FromSeconds(30);
        handler.MaxResponseDrainSize = 0;
        handler.ActivityHeadersPropagator = null; // a stranger learns nothing of our traces
        _http = new HttpClient(handler) { Timeout = Timeout.InfiniteTimeSpan, DefaultRequestVersion = HttpVersion.Version11, DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact };
    }

    /// <summary>Fetches.</summary>
    public Task<OutboundResult> GetAsync(string address, string accept, CancellationToken cancel) =>
        SendAsync(HttpMethod.Get, address, null, null, [new("Accept", accept)], cancel);

    /// <summary>Posts.</summary>
    public Task<OutboundResult> PostAsync(
        string address, string contentType, ReadOnlyMemory<byte> body, IReadOnlyList<KeyValuePair<string, string>> headers, CancellationToken cancel) =>
        SendAsync(HttpMethod.Post, address, contentType, body, headers, cancel);

    /// <inheritdoc />
    public void Dispose() => _http.Dispose();

    private async Task<OutboundResult> SendAsync(HttpMethod method, string address, string? contentType, ReadOnlyMemory<byte>? body,
        IReadOnlyList<KeyValuePair<string, string>> headers, CancellationToken cancel)
    {
        if (!OutboundTarget.TryRead(address, _settings.AllowHttp, out var target, out _))
            return new(null, OutboundFailure.TargetRefused);
        using var late = new CancellationTokenSource(_settings.TotalTimeout);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(late.Token, cancel);
        try
        {
            using var request = new HttpRequestMessage(method, target.Uri);
            if (body is { } octets)
            {
                request.Content = new ReadOnlyMemoryContent(octets);
                request.Content.Headers.ContentType = new MediaTypeHeaderValue(contentType!);
            }
            foreach (var (name, value) in headers)
                request.Headers.Add(name, value);
            using var response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, either.Token);
            return await ReadAsync(response, either.Token);
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            return new(null, OutboundFailure.TimedOut);
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            cancel.ThrowIfCancellationRequested();
            return new(null, late.IsCancellationRequested ? OutboundFailure.TimedOut : ClassOf(e));
        }
    }

    private async Task<OutboundResult> ReadAsync(HttpResponseMessage response, CancellationToken cancel)
    {
        if (response.Content.Headers.ContentLength > _settings.MaxBody)
            return new(null, OutboundFailure.TooLarge);
        await using var stream = await response.Content.ReadAsStreamAsync(cancel);
        using var body = new MemoryStream();
        var buffer = new byte[8192];
        for (int read; (read = await stream.ReadAsync(buffer, cancel)) > 0;)
        {
            if (body.Length + read > _settings.MaxBody)
                return new(null, OutboundFailure.TooLarge);
            body.Write(buffer, 0, read);
        }
        return new(new OutboundAnswer((int)response.StatusCode, response.Content.Headers.ContentType?.MediaType, body.ToArray(), RetryAfterOf(response)), null);
    }

    private TimeSpan? RetryAfterOf(HttpResponseMessage response) => response.Headers.RetryAfter switch
    {
        { Delta: { } wait } => wait < TimeSpan.Zero ? TimeSpan.Zero : wait,
        { Date: { } date } => date - _clock.GetUtcNow() is var wait && wait < TimeSpan.Zero ? TimeSpan.Zero : wait,
        _ => null,
    };

    private async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancel)
    {
        var (host, port) = (context.DnsEndPoint.Host, context.DnsEndPoint.Port);
        var addresses = IPAddress.TryParse(host, out var literal) ? [literal] : await ResolveAsync(host, cancel);
        var plain = context.InitialRequestMessage.RequestUri?.Scheme != "https";
        // One refused address refuses the name: whoever mixes public and private answers wants one of them taken by chance.
        if (addresses.Length is 0 or > MaxAddresses || !Array.TrueForAll(addresses, a => plain ? _guard.IsListed(a) : _guard.Allows(a)))
            throw new ConnectRefusedException(OutboundFailure.AddressRefused);
        foreach (var address in addresses)
        {
            var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            try
            {
                await socket.ConnectAsync(new IPEndPoint(address, port), cancel);
                return new NetworkStream(socket, ownsSocket: true);
            }
            catch (SocketException)
            {
                socket.Dispose();
            }
            catch
            {
                socket.Dispose();
                throw;
            }
        }
        throw new ConnectRefusedException(OutboundFailure.ConnectFailed);
    }

    private async Task<IPAddress[]> ResolveAsync(string host, CancellationToken cancel)
    {
        try
        {
            return await _resolve(host, cancel);
        }
        catch (Exception e) when (e is SocketException or ArgumentException)
        {
            throw new ConnectRefusedException(OutboundFailure.NameUnknown);
        }
    }

    private static OutboundFailure ClassOf(Exception failure)
    {
        for (var e = failure; e is not null; e = e.InnerException)
        {
            if (e is ConnectRefusedException refused)
                return refused.Failure;
            if (e is AuthenticationException or HttpRequestException { HttpRequestError: HttpRequestError.SecureConnectionError })
                return OutboundFailure.TlsFailed;
            if (e is HttpRequestException { HttpRequestError: HttpRequestError.ConfigurationLimitExceeded })
                return OutboundFailure.TooLarge;
        }
        return failure is HttpRequestException { HttpRequestError: HttpRequestError.ConnectionError } ? OutboundFailure.ConnectFailed : OutboundFailure.BrokenAnswer;
    }

    private sealed class ConnectRefusedException(OutboundFailure failure) : IOException
    {
        public OutboundFailure Failure { get; } = failure;
    }
}
