using System.Net;
using System.Numerics;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Keyreeve.Core.Certificates;
using Keyreeve.Core.Identity;
using Keyreeve.Testing;
using Keyreeve.Wire.OAuth;
using Xunit;

namespace Keyreeve.Slices.Tests.OpenId;

// Inside Keyreeve.*, "Client" alone is the namespace of the SDK.
using Client = Keyreeve.Core.Identity.Client;

/// <summary>A certificate authority outside the server, made by the platform's own tools and not by ours.</summary>
public sealed class OutsideAuthority : IDisposable
{
    private readonly ECDsa _key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly OutsideAuthority? _above;

    public OutsideAuthority(string name, OutsideAuthority? above = null)
    {
        _above = above;
        var request = new CertificateRequest(name, _key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(X509BasicConstraintsExtension.CreateForCertificateAuthority());
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, critical: true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, critical: false));
        var now = TimeProvider.System.GetUtcNow();
        Certificate = above is null
            ? X509CertificateLoader.LoadCertificate(request.CreateSelfSigned(now.AddDays(-2), now.AddDays(2)).RawData)
            : request.Create(above.Certificate.SubjectName, X509SignatureGenerator.CreateForECDsa(above._key), now.AddDays(-2), now.AddDays(2), [9]);
    }

    public X509Certificate2 Certificate { get; }

    /// <summary>Issues a client certificate; what a test spoils is a parameter.</summary>
    public X509Certificate2 Issue(string subject, Action<SubjectAlternativeNameBuilder>? names = null, double fromDays = -1, double toDays = 1, string use = "1.3.6.1.5.5.7.3.2",
        bool isAuthority = false, X500DistinguishedName? encodedSubject = null)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest(encodedSubject ?? new X500DistinguishedName(subject), key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(isAuthority, false, 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature | (isAuthority ? X509KeyUsageFlags.KeyCertSign : X509KeyUsageFlags.None), critical: true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(use)], critical: false));
        if (names is not null)
        {
            var san = new SubjectAlternativeNameBuilder();
            names(san);
            request.CertificateExtensions.Add(san.Build());
        }
        var now = TimeProvider.System.GetUtcNow();
        using var issued = request.Create(Certificate.SubjectName, X509SignatureGenerator.CreateForECDsa(_key), now.AddDays(fromDays), now.AddDays(toDays), RandomNumberGenerator.GetBytes(15).Prepend((byte)1).ToArray());
        return issued.CopyWithPrivateKey(key);
    }

    /// <summary>A list of revoked certificates in PEM.</summary>
    public string Crl(params X509Certificate2[] revoked) => Crl(TimeProvider.System.GetUtcNow().AddDays(1), revoked);

    public string Crl(DateTimeOffset nextUpdate, params X509Certificate2[] revoked)
    {
        var builder = new CertificateRevocationListBuilder();
        foreach (var certificate in revoked)
            builder.AddEntry(certificate);
        var now = TimeProvider.System.GetUtcNow();
        var der = builder.Build(Certificate.SubjectName, X509SignatureGenerator.CreateForECDsa(_key), BigInteger.One, nextUpdate, HashAlgorithmName.SHA256,
            X509AuthorityKeyIdentifierExtension.CreateFromCertificate(Certificate, true, false), now.AddDays(-1));
        return PemEncoding.WriteString("X509 CRL", der) + "\n";
    }

    public static X509Certificate2 SelfSigned(string subject, double toDays = 1)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var now = TimeProvider.System.GetUtcNow();
        return new CertificateRequest(subject, key, HashAlgorithmName.SHA256).CreateSelfSigned(now.AddDays(-20), now.AddDays(toDays));
    }

    public void Dispose()
    {
        Certificate.Dispose();
        _key.Dispose();
        _above?.Dispose();
    }
}

/// <summary>A server with an outside authority pinned for clients, and its list of revoked certificates.</summary>
public sealed class CertificateWorld : IAsyncLifetime
{
    private readonly DirectoryInfo _files = Directory.CreateTempSubdirectory("keyreeve-test-");

    /// <summary>Settings beside those of the certificates.</summary>
    public IReadOnlyList<string> Settings { get; init; } = [];

    public OpenIdServer Server { get; private set; } = null!;

    public OutsideAuthority Pinned { get; } = new("CN=Pinned, O=Outside");

    public OutsideAuthority Stranger { get; } = new("CN=Stranger, O=Outside");

    public X509Certificate2 Revoked { get; private set; } = null!;

    public string AnchorsFile => Path.Combine(_files.FullName, "clients.pem");

    public string CrlFile => Path.Combine(_files.FullName, "clients.crl");

    public async ValueTask InitializeAsync()
    {
        Revoked = Pinned.Issue("CN=val", n => n.AddDnsName("val.example"));
        await File.WriteAllTextAsync(AnchorsFile, Pinned.Certificate.ExportCertificatePem());
        await File.WriteAllTextAsync(CrlFile, Pinned.Crl(Revoked));
        Server = await OpenIdServer.StartAsync([.. Settings, "Clients:TrustAnchors=" + AnchorsFile, "Clients:RevocationLists=" + CrlFile]);
    }

    public async ValueTask DisposeAsync()
    {
        await Server.DisposeAsync();
        Pinned.Dispose();
        Stranger.Dispose();
        _files.Delete(recursive: true);
    }

    public Task AddAsync(string id, ClientAuthMethod method, Func<Client, Client>? more = null)
    {
        var client = new Client { ClientId = id, Name = id, Profile = ClientProfile.OpenId, AuthMethods = [method], Grants = [GrantType.ClientCredentials], Scopes = ScopeList.Of(["val:fleet-tracking"]) };
        return Server.AddClientAsync(more is null ? client : more(client));
    }

    public Task AddNamedAsync(string id, string name) => AddAsync(id, ClientAuthMethod.TlsClientAuth, c => c with { TlsName = Named(name) });

    public static RegisteredName Named(string text) => RegisteredName.TryRead(text, out var name, out var reason) ? name : throw new ArgumentException(reason);

    /// <summary>Asks for a token in the client's own name, on listener mtls.</summary>
    public Task<Answer> TokenAsync(X509Certificate2? certificate, string? clientId, params (string, string)[] more) =>
        PostAsync("mtls", certificate, "/token", null, [("grant_type", "client_credentials"), .. clientId is null ? [] : new[] { ("client_id", clientId) }, .. more]);

    public async Task<Answer> PostAsync(string listener, X509Certificate2? certificate, string path, string? authorization, params (string Name, string Value)[] form)
    {
        using var http = Server.Server.NewClient(listener, certificate);
        using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = new FormUrlEncodedContent(form.Select(f => KeyValuePair.Create(f.Name, f.Value))) };
        if (authorization is not null)
            request.Headers.TryAddWithoutValidation("Authorization", authorization);
        var response = await http.SendAsync(request);
        return new(response, await response.Content.ReadAsStringAsync());
    }

    public async Task<(HttpStatusCode Status, string? Challenge)> GetAsync(string listener, X509Certificate2? certificate, string path, string bearer)
    {
        using var http = Server.Server.NewClient(listener, certificate);
        http.DefaultRequestHeaders.Authorization = new("Bearer", bearer);
        using var response = await http.GetAsync(path);
        return (response.StatusCode, response.Headers.WwwAuthenticate.ToString() is { Length: > 0 } challenge ? challenge : null);
    }

    public static string ConfirmationOf(X509Certificate2 certificate) => System.Buffers.Text.Base64Url.EncodeToString(SHA256.HashData(certificate.RawData));

    public static string ThumbprintOf(X509Certificate2 certificate) => Convert.ToHexStringLower(SHA256.HashData(certificate.RawData));
}
