using System.Net;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Keyreeve.Engines.Tls;

// CipherSuitesPolicy does not exist on every platform; CreateCipherSuites refuses to go on there, which the analyzer cannot see from here.
#pragma warning disable CA1416

/// <summary>
/// The one TLS profile of every listener and client (TS 33.210 clause 6.2): TLS 1.2 and 1.3, ephemeral key agreement and
/// authenticated encryption only, no renegotiation, no compression, no early data, and trust only in what the caller pins.
/// </summary>
/// <remarks>
/// What SslStream cannot be told, and why it is safe: it has no setting for early data because it never offers nor accepts it,
/// it turns TLS compression off itself, and its groups and signature algorithms are OpenSSL's own list, which holds the groups
/// that the profile names first.
/// </remarks>
[Spec("TS 33.210", "6.2")]
[Spec("TS 33.434", "5.1.1.5")]
[Spec("TS 33.434", "5.1.2.1")]
public static class TlsProfile
{
    private const string ServerAuthentication = "1.3.6.1.5.5.7.3.1";
    private const string ClientAuthentication = "1.3.6.1.5.5.7.3.2";

    // Built at first use, not with the type: on a platform without cipher suite policies this must fail where it is asked for.
    private static readonly Lazy<CipherSuitesPolicy> Suites = new(CreateCipherSuites);

    /// <summary>TLS 1.2 and TLS 1.3; everything older "shall not be supported" (TS 33.210 clause 6.2.1).</summary>
    public static SslProtocols Versions => SslProtocols.Tls12 | SslProtocols.Tls13;

    /// <summary>The three TLS 1.3 suites of RFC 8446 section 9.1 and, for TLS 1.2, ECDHE with AES-GCM and nothing else.</summary>
    /// <exception cref="PlatformNotSupportedException">The platform cannot restrict cipher suites; we then serve nothing rather than anything.</exception>
    public static CipherSuitesPolicy CipherSuites => Suites.Value;

    /// <summary>Puts the profile on a listener. Its certificate and its ALPN list stay as the caller set them.</summary>
    /// <param name="options">The options of one listener, changed in place.</param>
    /// <param name="askForClientCertificate">
    /// True: a client certificate is asked for, and the handshake succeeds with any certificate or none. The application
    /// <em>must</em> then check it: a peer deserves a readable 401 and not a TLS alert. What the handshake does prove is
    /// that the peer holds the certificate's private key.
    /// </param>
    /// <param name="presented">
    /// Gets the certificates that the client sent with its own, before the handshake ends; they are not the callee's to keep. The options
    /// are then for one connection.
    /// </param>
    public static void ConfigureServer(SslServerAuthenticationOptions options, bool askForClientCertificate, Action<X509Certificate2Collection>? presented = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.EnabledSslProtocols = Versions;
        options.CipherSuitesPolicy = CipherSuites;
        options.EncryptionPolicy = EncryptionPolicy.RequireEncryption;
        options.AllowRenegotiation = false;
        options.CertificateRevocationCheckMode = X509RevocationMode.NoCheck;
        // The platform builds a chain for the client's certificate before anyone is asked. Without this policy it would fetch
        // the issuer from an address that stands in the certificate of a peer we do not know yet.
        options.CertificateChainPolicy = PinnedTrust([], ClientAuthentication);
        options.ClientCertificateRequired = askForClientCertificate;
        // Always true is safe here and only here: the result is "the peer holds this key", never "the peer is trusted".
#pragma warning disable CA5359 // See above: the check is the application's.
        options.RemoteCertificateValidationCallback = !askForClientCertificate ? null
            : presented is null ? static (_, _, _, _) => true
            : (_, _, chain, _) =>
            {
                if (chain is not null)
                    presented(chain.ChainPolicy.ExtraStore);
                return true;
            };
#pragma warning restore CA5359
        // A resumed session carries the client's certificate but not the intermediates sent with it, and it would outlive a
        // revocation; where certificates are the identity, every connection shows its certificate anew. (.NET 10 on OpenSSL resumes
        // nothing where a suite policy is set, so today this only says what we rely on.)
        options.AllowTlsResume = !askForClientCertificate;
    }

    /// <summary>
    /// Puts the profile on a client: the server's certificate must chain to one of <paramref name="pinnedRoots"/>, be valid now,
    /// be meant for servers and carry the name of <see cref="SslClientAuthenticationOptions.TargetHost"/>, which the caller sets.
    /// </summary>
    /// <param name="options">The options of one client, changed in place.</param>
    /// <param name="pinnedRoots">Self-signed roots; the machine's store is never asked. Empty trusts nobody.</param>
    /// <param name="clientCertificate">With its private key; shown when the server asks for one. It stays the caller's to dispose.</param>
    /// <exception cref="ArgumentException">The client certificate has no private key.</exception>
    public static void ConfigureClient(
        SslClientAuthenticationOptions options, X509Certificate2Collection pinnedRoots, X509Certificate2? clientCertificate = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(pinnedRoots);
        options.EnabledSslProtocols = Versions;
        options.CipherSuitesPolicy = CipherSuites;
        options.EncryptionPolicy = EncryptionPolicy.RequireEncryption;
        options.AllowRenegotiation = false;
        options.CertificateRevocationCheckMode = X509RevocationMode.NoCheck;
        options.CertificateChainPolicy = PinnedTrust(pinnedRoots, ServerAuthentication);
        // No callback: a callback could only weaken what the platform found, name check included.
        options.RemoteCertificateValidationCallback = null;
        options.ClientCertificates = null;
        options.LocalCertificateSelectionCallback = null;
        options.ClientCertificateContext = clientCertificate is null ? null : ContextOf(clientCertificate);
    }

    /// <summary>
    /// An HTTP handler with the profile, for the SDK, the command line and tests. It follows no redirect (credentials would follow
    /// too), keeps no cookies and asks no proxy from the environment; a caller that wants one of these says so before first use.
    /// </summary>
    /// <param name="pinnedRoots">As in <see cref="ConfigureClient"/>.</param>
    /// <param name="clientCertificate">As in <see cref="ConfigureClient"/>.</param>
    public static SocketsHttpHandler CreateHandler(X509Certificate2Collection pinnedRoots, X509Certificate2? clientCertificate = null)
    {
        var handler = new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseCookies = false,
            UseProxy = false,
            AutomaticDecompression = DecompressionMethods.None,
            PooledConnectionLifetime = TimeSpan.FromMinutes(10), // our choice: a renewed or withdrawn server certificate is seen
        };
        ConfigureClient(handler.SslOptions, pinnedRoots, clientCertificate);
        return handler;
    }

    /// <summary>A chain policy that touches neither the network nor the machine's roots. A copy of the anchors: later changes do not matter.</summary>
    private static X509ChainPolicy PinnedTrust(X509Certificate2Collection anchors, string extendedKeyUsage)
    {
        var policy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            RevocationMode = X509RevocationMode.NoCheck,
            DisableCertificateDownloads = true,
            VerificationFlags = X509VerificationFlags.NoFlag,
        };
        policy.CustomTrustStore.AddRange(anchors);
        policy.ApplicationPolicy.Add(new Oid(extendedKeyUsage));
        return policy;
    }

    private static SslStreamCertificateContext ContextOf(X509Certificate2 clientCertificate)
    {
        if (!clientCertificate.HasPrivateKey)
            throw new ArgumentException("A client certificate is of no use without its private key.", nameof(clientCertificate));
        return SslStreamCertificateContext.Create(clientCertificate, additionalCertificates: null, offline: true);
    }

    private static CipherSuitesPolicy CreateCipherSuites()
    {
        if (OperatingSystem.IsWindows() || OperatingSystem.IsAndroid())
            throw new PlatformNotSupportedException("This platform cannot restrict TLS cipher suites, and the profile demands it.");
        return new CipherSuitesPolicy(
        [
            TlsCipherSuite.TLS_AES_128_GCM_SHA256,
            TlsCipherSuite.TLS_AES_256_GCM_SHA384,
            TlsCipherSuite.TLS_CHACHA20_POLY1305_SHA256,
            TlsCipherSuite.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
            TlsCipherSuite.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
            TlsCipherSuite.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
            TlsCipherSuite.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        ]);
    }
}
