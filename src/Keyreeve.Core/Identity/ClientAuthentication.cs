using System.Security.Cryptography;
using System.Text;
using Keyreeve.Core.Certificates;
using Keyreeve.Core.Refusals;
using Keyreeve.Wire.Jose;
using Keyreeve.Wire.OAuth;

namespace Keyreeve.Core.Identity;

/// <summary>A client that proved who it is (or a public one that said so, which is all it can). Only the check makes one.</summary>
public sealed class AuthenticatedClient
{
    internal AuthenticatedClient(Client client, ClientAuthMethod method, ShownCertificate? certificate) => (Client, Method, Certificate) = (client, method, certificate);

    /// <summary>The registration.</summary>
    public Client Client { get; }

    /// <summary>How it proved itself.</summary>
    public ClientAuthMethod Method { get; }

    /// <summary>The certificate it showed, whatever it proved itself by; null without one.</summary>
    public ShownCertificate? Certificate { get; }

    /// <summary>True when the certificate itself says who the client is.</summary>
    public bool IsProvedByCertificate => Method is ClientAuthMethod.TlsClientAuth or ClientAuthMethod.SelfSignedTls;
}

/// <summary>What a request presents as proof of the client: exactly one way.</summary>
public sealed record PresentedCredential
{
    private PresentedCredential(string clientId, ClientAuthMethod method) => (ClientId, Method) = (clientId, method);

    /// <summary>Who the client says it is.</summary>
    public string ClientId { get; }

    /// <summary>By which way; <see cref="ClientAuthMethod.None"/> says its name only, and what that is worth the registration says.</summary>
    public ClientAuthMethod Method { get; }

    /// <summary>SHA-256 of the secret, for the two secret methods.</summary>
    public byte[]? SecretHash { get; private init; }

    /// <summary>The assertion, parsed and not verified, for private_key_jwt.</summary>
    public JwsCompact? Assertion { get; private init; }

    /// <summary>The assertion's claims, not verified.</summary>
    public JwtClaims? AssertionClaims { get; private init; }

    /// <summary>The certificate of the connection, or null.</summary>
    public ShownCertificate? Certificate { get; private init; }

    /// <summary>What the authorities for clients say about it; null where nobody asked.</summary>
    public PeerCheck? CertificateCheck { get; private init; }

    /// <summary>The same with the connection's certificate, which is a proof only for who says a name and nothing else.</summary>
    public PresentedCredential With(ShownCertificate certificate, PeerCheck? check) => this with { Certificate = certificate, CertificateCheck = check };

    /// <summary>
    /// Reads header and form. "The client MUST NOT use more than one authentication method in each request" (RFC 6749 2.3).
    /// A client_id in the form beside another method must be the same client's.
    /// </summary>
    [Spec("RFC 6749", "2.3")]
    public static Outcome<PresentedCredential> Read(string? authorization, ParameterList form)
    {
        foreach (var name in (ReadOnlySpan<string>)["client_id", "client_secret", "client_assertion", "client_assertion_type"])
            if (!form.TrySingle(name, out _))
                return Refusal.About(RefusalCode.RepeatedParameter, name, "a parameter was sent more than once");
        form.TrySingle("client_id", out var clientId);
        form.TrySingle("client_secret", out var secret);
        form.TrySingle("client_assertion", out var assertion);
        form.TrySingle("client_assertion_type", out var assertionType);
        var ways = (authorization is null ? 0 : 1) + (secret is null ? 0 : 1) + (assertion is null && assertionType is null ? 0 : 1);
        if (ways > 1)
            return Refusal.Of(RefusalCode.Malformed, "more than one client authentication method was used");

        if (authorization is not null)
        {
            if (!authorization.StartsWith("Basic ", StringComparison.OrdinalIgnoreCase) || !BasicCredentials.TryRead(authorization.AsSpan(6), out var basicId, out var basicSecret))
                return Failed("the Authorization header is not Basic, or not readable");
            if (clientId is not null && !string.Equals(clientId, basicId, StringComparison.Ordinal))
                return Failed("client_id in the form is not the one in the Authorization header");
            return new PresentedCredential(basicId, ClientAuthMethod.SecretBasic) { SecretHash = Hash(basicSecret) };
        }
        if (assertion is not null || assertionType is not null)
            return ReadAssertion(assertion, assertionType, clientId);
        if (clientId is null)
            return Failed("the request says nothing about the client");
        return secret is null
            ? new PresentedCredential(clientId, ClientAuthMethod.None)
            : new PresentedCredential(clientId, ClientAuthMethod.SecretPost) { SecretHash = Hash(secret) };
    }

    [Spec("RFC 7523", "2.2")]
    private static Outcome<PresentedCredential> ReadAssertion(string? assertion, string? type, string? clientId)
    {
        if (type != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" || assertion is null)
            return Failed("client_assertion needs client_assertion_type urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
        if (!JwsCompact.TryRead(assertion, out var jws, out var error) || !JwtClaims.TryRead(jws.Payload, out var claims, out error))
            return Failed($"the client assertion does not read: {error}");
        if (string.IsNullOrEmpty(claims.Subject) || claims.Subject.Length > OAuthLimits.MaxIdentity || claims.Subject.Any(char.IsControl) || !string.Equals(claims.Issuer, claims.Subject, StringComparison.Ordinal))
            return Failed("iss and sub of a client assertion are the client_id");
        if (clientId is not null && !string.Equals(clientId, claims.Subject, StringComparison.Ordinal))
            return Failed("client_id in the form is not the one of the assertion");
        return new PresentedCredential(claims.Subject, ClientAuthMethod.PrivateKeyJwt) { Assertion = jws, AssertionClaims = claims };
    }

    private static byte[] Hash(string secret) => SHA256.HashData(Encoding.UTF8.GetBytes(secret));

    private static Refusal Failed(string why) => new(RefusalCode.ClientAuthenticationFailed, "client authentication failed", why);
}

/// <summary>Checks a presented credential against the registration.</summary>
[Spec("TS 33.434", "A.4.2.4")]
public static class ClientAuthentication
{
    /// <summary>Longest life of an assertion: our choice, as FAPI's clients do.</summary>
    public static readonly TimeSpan MaxAssertionLife = TimeSpan.FromMinutes(5);

    /// <summary>How far a client's clock may be ahead (FAPI asks for 8 s to pass and 60 s to fail).</summary>
    public static readonly TimeSpan MaxClockAhead = TimeSpan.FromSeconds(10);

    private static readonly byte[] NobodysHash = new byte[32];

    /// <summary>
    /// Unknown client, wrong secret and wrong method are one refusal with one text, after the same work. <paramref name="firstUse"/>
    /// remembers an assertion's jti until its exp and says whether it was new; it is asked last, of an assertion that holds.
    /// </summary>
    public static async ValueTask<Outcome<AuthenticatedClient>> DecideAsync(PresentedCredential presented, Client? client, string issuer, string tokenEndpoint,
        Func<string, string, long, ValueTask<bool>> firstUse, DateTimeOffset now)
    {
        var secretMatches = presented.SecretHash is not null
            && ClientSecret.AnyMatches(client is { Secrets.Length: > 0 } ? client.Secrets : [new ClientSecret { Hash = NobodysHash, CreatedAt = 0 }], presented.SecretHash);
        // The proof is for the name that was presented, whatever the look-up gave back.
        if (client is null || !string.Equals(client.ClientId, presented.ClientId, StringComparison.Ordinal))
            return Failed($"no client {Short(presented.ClientId)}");
        if (client.Disabled)
            return Failed($"client {client.ClientId} is disabled");
        // A name without a proof is a public client's, or that of one whose certificate is the proof.
        var method = presented.Method == ClientAuthMethod.None ? client.CertificateMethod ?? presented.Method : presented.Method;
        if (!client.AuthMethods.Contains(method))
            return Failed($"client {client.ClientId} is registered for {string.Join(", ", client.AuthMethods)} and used {method}");
        return method switch
        {
            ClientAuthMethod.None => Proved(method),
            ClientAuthMethod.SecretBasic or ClientAuthMethod.SecretPost => secretMatches ? Proved(method) : Failed($"client {client.ClientId} presented a wrong secret"),
            ClientAuthMethod.PrivateKeyJwt => await WhyNotAssertionAsync(presented, client, issuer, tokenEndpoint, firstUse, now) is { } refusal ? refusal : Proved(method),
            ClientAuthMethod.TlsClientAuth => CertificateProof.WhyNotTrusted(presented, client) is { } why ? NotProved(why) : Proved(method),
            ClientAuthMethod.SelfSignedTls => CertificateProof.WhyNotRegistered(presented, client) is { } why ? NotProved(why) : Proved(method),
        };

        Outcome<AuthenticatedClient> Proved(ClientAuthMethod by) => new AuthenticatedClient(client, by, presented.Certificate);

        // A closed set of reasons times the registered clients: small enough to be counted one by one.
        Outcome<AuthenticatedClient> NotProved(string why) => Failed($"client {client.ClientId}: {why}") with { Counted = $"client {client.ClientId}: {why}" };
    }

    [Spec("RFC 7523", "3")]
    private static async ValueTask<Refusal?> WhyNotAssertionAsync(PresentedCredential presented, Client client, string issuer, string tokenEndpoint,
        Func<string, string, long, ValueTask<bool>> firstUse, DateTimeOffset now)
    {
        var claims = presented.AssertionClaims!;
        var jws = presented.Assertion!;
        if (!VerifiesByOneOf(client.Keys, jws))
            return Failed($"no registered key of client {client.ClientId} verifies the assertion");
        // The issuer is the audience. The token endpoint's URL is what RFC 7523 clients have sent for years: accepted for the plain profile.
        var audience = claims.Audience;
        if (audience.Count != 1 || audience[0] != issuer && (client.Profile == ClientProfile.Seal || audience[0] != tokenEndpoint))
            return Failed($"aud of an assertion is {issuer}");
        var seconds = now.ToUnixTimeSeconds();
        if (claims.ExpiresAt is not { } expires || expires <= seconds)
            return Failed("the assertion has no exp or has expired");
        if (expires > seconds + (long)(MaxAssertionLife + MaxClockAhead).TotalSeconds)
            return Failed("the assertion lives longer than 5 minutes");
        if (claims.NotBefore > seconds + (long)MaxClockAhead.TotalSeconds || claims.IssuedAt > seconds + (long)MaxClockAhead.TotalSeconds)
            return Failed("the assertion is from the future: check the client's clock");
        if (claims.JwtId is not { Length: > 0 and <= 256 } jti)
            return Failed("the assertion has no jti");
        return await firstUse(client.ClientId, jti, expires) ? null : Failed("the assertion was used before");
    }

    internal static bool VerifiesByOneOf(JsonWebKeySet? keys, JwsCompact jws)
    {
        foreach (var jwk in keys?.Keys ?? [])
        {
            if (jws.Header.Kid is not null && jwk.Kid is not null && !string.Equals(jws.Header.Kid, jwk.Kid, StringComparison.Ordinal))
                continue;
            if (!JwsKey.TryFromJwk(jwk, out var key, out _))
                continue;
            using (key)
                if (jws.Verify(key))
                    return true;
        }
        return false;
    }

    private static string Short(string text) => text.Length <= 64 ? text : text[..64] + "...";

    private static Refusal Failed(string why) => new(RefusalCode.ClientAuthenticationFailed, "client authentication failed", why);
}
