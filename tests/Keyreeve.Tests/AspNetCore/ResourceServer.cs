using System.Net;
using System.Security.Claims;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Keyreeve.AspNetCore;
using Keyreeve.Engines.Tls;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Keyreeve.Tests.AspNetCore;

/// <summary>Somebody's API server with AddKeyreeveTokens, on a free loopback port, over TLS that asks for a client certificate.</summary>
public sealed class ResourceServer : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly X509Certificate2 _certificate = NewCertificate("localhost");

    private ResourceServer(Action<KeyreeveTokenOptions> configure)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelHttpsConfiguration().ConfigureKestrel(k => k.Listen(IPAddress.Loopback, 0, l => l.UseHttps(h =>
        {
            h.ServerCertificate = _certificate;
            h.OnAuthenticate = (_, tls) => TlsProfile.ConfigureServer(tls, askForClientCertificate: true);
        })));
        builder.Services.AddAuthentication().AddKeyreeveTokens(configure);
        _app = builder.Build();
        _app.MapGet("/pumps", (ClaimsPrincipal user) => string.Join('\n', user.Claims.Select(c => $"{c.Type}={c.Value}"))).RequireScope("val:pump-control");
        _app.MapPost("/pumps", () => "posted").RequireScope("val:pump-control");
        _app.MapGet("/admin", () => "admin").RequireScope("val:pump-control", "val:pump-admin").RequireAcr("phr");
        _app.MapGet("/strong", () => "strong").RequireScope("val:pump-control").RequireAcr("urn:keyreeve:acr:two-factor");
        _app.MapGet("/recent", () => "recent").RequireLoginWithin(TimeSpan.FromSeconds(60));
        _app.MapGet("/open", (ClaimsPrincipal user) => user.AccessToken()?.Subject ?? "nobody").AllowAnonymous();
    }

    public string Address => _app.Urls.Single();

    public static async Task<ResourceServer> StartAsync(TokenIssuer issuer, Action<KeyreeveTokenOptions>? more = null)
    {
        var server = new ResourceServer(o =>
        {
            (o.Issuer, o.Audience, o.RootsPem, o.TimeProvider) = (issuer.Issuer, TokenIssuer.Audience, issuer.RootsPem, issuer.Clock);
            more?.Invoke(o);
        });
        try
        {
            await server._app.StartAsync();
            return server;
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    /// <summary>GET with one Authorization header, or the headers given.</summary>
    public async Task<(HttpStatusCode Status, string Challenge, string Body)> GetAsync(string path, X509Certificate2? certificate, params string[] authorization)
    {
        using var http = Client(certificate);
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        foreach (var header in authorization)
            request.Headers.TryAddWithoutValidation("Authorization", header);
        using var response = await http.SendAsync(request);
        return (response.StatusCode, string.Join(" | ", response.Headers.WwwAuthenticate), await response.Content.ReadAsStringAsync());
    }

    public Task<(HttpStatusCode Status, string Challenge, string Body)> GetAsync(string path, params string[] authorization) => GetAsync(path, null, authorization);

    public HttpClient Client(X509Certificate2? certificate = null) =>
        new(TlsProfile.CreateHandler([_certificate], certificate)) { BaseAddress = new Uri("https://localhost:" + new Uri(Address).Port) };

    public static X509Certificate2 NewCertificate(string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}, O={Convert.ToHexString(SHA256.HashData(key.ExportSubjectPublicKeyInfo())[..4])}", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName(name);
        request.CertificateExtensions.Add(names.Build());
        var now = TimeProvider.System.GetUtcNow();
        using var made = request.CreateSelfSigned(now.AddDays(-1), now.AddDays(1));
        return X509CertificateLoader.LoadPkcs12(made.Export(X509ContentType.Pkcs12), null);
    }

    public async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync();
        _certificate.Dispose();
    }
}
