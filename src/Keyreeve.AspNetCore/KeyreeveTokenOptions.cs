using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Keyreeve.Client;
using Microsoft.AspNetCore.Authentication;

namespace Keyreeve.AspNetCore;

/// <summary>What this server expects of access tokens. A mistake in it stops the start, not a request.</summary>
public sealed class KeyreeveTokenOptions : AuthenticationSchemeOptions
{
    /// <summary>The issuer, byte for byte as it names itself: <c>https://id.example</c>.</summary>
    public string Issuer { get; set; } = "";

    /// <summary>This server, as <c>aud</c> names it.</summary>
    public string Audience { get; set; } = "";

    /// <summary>
    /// PEM of the roots that the issuer's TLS certificate must chain to (<c>ca.pem</c> of its data folder). They alone are trusted for it; the
    /// machine's store is not asked.
    /// </summary>
    public string RootsPem { get; set; } = "";

    /// <summary>For clocks that differ: 0 to 30 s.</summary>
    public TimeSpan Leeway { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>
    /// False: a token is good until it expires, whatever became of it meanwhile. True: the issuer is asked about each (RFC 7662), with
    /// <see cref="ClientId"/> and a credential, and the answer stands for <see cref="IntrospectionSeconds"/>.
    /// </summary>
    public bool Introspect { get; set; }

    /// <summary>This server's own client, registered with <see cref="Audience"/>; for <see cref="Introspect"/>.</summary>
    public string ClientId { get; set; } = "";

    /// <summary>Its secret, from wherever secrets are kept; or see <see cref="Credential"/>.</summary>
    public string? ClientSecret { get; set; }

    /// <summary>Another credential than a secret: <see cref="ClientCredential.OfKey"/>.</summary>
    public ClientCredential? Credential { get; set; }

    /// <summary>How long an introspection answer stands, 0 to 300: a revocation is seen so much later, and the issuer is asked so much less.</summary>
    public int IntrospectionSeconds { get; set; } = 10;

    /// <inheritdoc />
    public override void Validate()
    {
        base.Validate();
        using var http = new HttpClient();
        _ = CreateVerifier(http, System.TimeProvider.System);
        foreach (var root in Roots())
            root.Dispose();
    }

    /// <summary>The roots, at least one.</summary>
    internal X509Certificate2Collection Roots()
    {
        var roots = new X509Certificate2Collection();
        try
        {
            roots.ImportFromPem(RootsPem);
        }
        catch (CryptographicException broken)
        {
            throw new InvalidOperationException($"{nameof(RootsPem)} is no PEM of certificates.", broken);
        }
        return roots.Count > 0 ? roots : throw new InvalidOperationException($"{nameof(RootsPem)} names the roots that the issuer's certificate chains to; without one nobody is trusted.");
    }

    internal AccessTokenVerifier CreateVerifier(HttpClient http, TimeProvider clock) => new(
        http,
        new AccessTokenVerifierOptions { Issuer = Issuer, Audience = Audience, Leeway = Leeway, Introspection = Introspection() },
        clock);

    private TokenIntrospection? Introspection()
    {
        if (!Introspect)
            return null;
        if (string.IsNullOrEmpty(ClientId) || Credential is null && string.IsNullOrEmpty(ClientSecret))
            throw new InvalidOperationException($"{nameof(Introspect)} needs {nameof(ClientId)} and {nameof(ClientSecret)} or {nameof(Credential)}.");
        return new(ClientId, Credential ?? ClientCredential.OfSecret(new(ClientSecret!)), TimeSpan.FromSeconds(IntrospectionSeconds));
    }
}
