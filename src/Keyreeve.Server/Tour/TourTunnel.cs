using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Keyreeve.Engines.Tls;

namespace Keyreeve.Server.Tour;

/// <summary>The clients' HTTP connections, with what was agreed in their last TLS handshake.</summary>
internal sealed class TourTunnel : IDisposable
{
    private readonly X509Certificate2Collection _roots;
    private SslStream? _last;
    private IReadOnlyList<(string, string)> _facts = [];

    internal TourTunnel(X509Certificate2Collection roots)
    {
        _roots = roots;
        var handler = TlsProfile.CreateHandler(roots);
        // The very stream that HTTP will use: what it says is what protects the tokens, not what a second connection might have got.
        handler.PlaintextStreamFilter = (context, _) =>
        {
            if (context.PlaintextStream is SslStream tls && !ReferenceEquals(_last, tls))
            {
                _last = tls;
                _facts = Describe(tls);
            }
            return ValueTask.FromResult(context.PlaintextStream);
        };
        Http = new HttpClient(handler) { Timeout = TimeSpan.FromSeconds(30) };
    }

    /// <summary>For all clients of the tour.</summary>
    internal HttpClient Http { get; }

    /// <summary>Version, suite, certificate and pinned root; empty before the first request.</summary>
    internal IReadOnlyList<(string Name, string Value)> Facts => _facts;

    /// <inheritdoc />
    public void Dispose() => Http.Dispose();

    private List<(string, string)> Describe(SslStream tls)
    {
        var facts = new List<(string, string)>
        {
            ("TLS version", tls.SslProtocol.ToString()),
            ("cipher suite", tls.NegotiatedCipherSuite.ToString()),
        };
        if (tls.RemoteCertificate is X509Certificate2 certificate)
        {
            facts.Add(("server certificate", certificate.Subject.Length == 0 ? "(no subject; names in the alternative names)" : certificate.Subject));
            if (certificate.Extensions.OfType<X509SubjectAlternativeNameExtension>().FirstOrDefault() is { } names)
                facts.Add(("for", string.Join(", ", names.EnumerateDnsNames().Concat(names.EnumerateIPAddresses().Select(a => a.ToString())))));
        }
        foreach (var root in _roots)
            facts.Add(("pinned CA", $"{root.Subject}, SHA-256 {root.GetCertHashString(HashAlgorithmName.SHA256)[..16]}..."));
        return facts;
    }
}
