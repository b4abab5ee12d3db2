using Keyreeve.Client;
using Keyreeve.Engines.Tls;
using Microsoft.Extensions.Options;

namespace Keyreeve.AspNetCore;

/// <summary>The one way to the issuer, and the verifier that uses it; made with the first token, gone with the application.</summary>
internal sealed class IssuerConnection : IDisposable
{
    // Our choice: a request that waits for a key does not wait for longer than its caller's patience.
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(10);

    private readonly HttpClient _http;

    public IssuerConnection(IOptionsMonitor<KeyreeveTokenOptions> monitor)
    {
        var options = monitor.Get(KeyreeveTokens.Scheme);
        _http = new HttpClient(TlsProfile.CreateHandler(options.Roots())) { Timeout = Timeout };
        Verifier = options.CreateVerifier(_http, options.TimeProvider!);
    }

    public AccessTokenVerifier Verifier { get; }

    public void Dispose() => _http.Dispose();
}
