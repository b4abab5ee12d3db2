using System.Net;

namespace Keyreeve.Bench.Sides;

/// <summary>
/// Takes the telemetry of all sides that send any and keeps none: what a server pays for measuring itself is part of what is compared
/// (docs/architecture.md, "Time budgets").
/// </summary>
internal sealed class Collector : IDisposable
{
    private readonly HttpListener _listener = new();
    private int _reports;

    private Collector(Uri address)
    {
        Address = address;
        _listener.Prefixes.Add(address.AbsoluteUri);
        _listener.Start();
        _ = TakeAsync();
    }

    /// <summary>For OTLP over HTTP, without <c>/v1/...</c>.</summary>
    public Uri Address { get; }

    /// <summary>Reports taken so far.</summary>
    public int Reports => Volatile.Read(ref _reports);

    /// <summary>Starts on a port that is free.</summary>
    public static Collector Start()
    {
        for (var attempt = 1; ; attempt++)
        {
            // HttpListener takes no port 0.
            using var probe = new System.Net.Sockets.TcpListener(IPAddress.Loopback, 0);
            probe.Start();
            var port = ((IPEndPoint)probe.LocalEndpoint).Port;
            probe.Stop();
            try
            {
                return new(new Uri(FormattableString.Invariant($"http://127.0.0.1:{port}/")));
            }
            catch (HttpListenerException) when (attempt < 10)
            {
                // Somebody took it in between.
            }
        }
    }

    /// <inheritdoc />
    public void Dispose() => _listener.Close();

    private async Task TakeAsync()
    {
        while (_listener.IsListening)
        {
            try
            {
                var context = await _listener.GetContextAsync();
                await context.Request.InputStream.CopyToAsync(Stream.Null);
                context.Response.ContentType = "application/x-protobuf"; // an empty message: everything was taken
                context.Response.Close();
                Interlocked.Increment(ref _reports);
            }
            catch (Exception e) when (e is HttpListenerException or ObjectDisposedException or IOException)
            {
                // Closed here, or broken off there.
            }
        }
    }
}
