using System.Collections.Immutable;
using Keyreeve.Core.Certificates;
using Keyreeve.Wire.Jose;
using Keyreeve.Wire.OAuth;

namespace Keyreeve.Core.Identity;

/// <summary>Which rules a client lives under.</summary>
public enum ClientProfile
{
    /// <summary>The OpenID Connect profile for VAL, strict (TS 33.434 Annex A): the default for SEAL clients.</summary>
    Seal,

    /// <summary>Plain OpenID Connect and OAuth 2.0 with RFC 9700.</summary>
    OpenId,
}

/// <summary>How a client proves itself at the token endpoint; names as RFC 8414's registry writes them.</summary>
public enum ClientAuthMethod
{
    /// <summary>Public client: <c>none</c>.</summary>
    None,

    /// <summary><c>client_secret_basic</c></summary>
    SecretBasic,

    /// <summary><c>client_secret_post</c></summary>
    SecretPost,

    /// <summary><c>private_key_jwt</c> (RFC 7523 section 2.2)</summary>
    PrivateKeyJwt,

    /// <summary><c>tls_client_auth</c> (RFC 8705 section 2.1): a certificate of a pinned authority that holds the registered name.</summary>
    TlsClientAuth,

    /// <summary><c>self_signed_tls_client_auth</c> (RFC 8705 section 2.2): a certificate that is registered itself.</summary>
    SelfSignedTls,
}

/// <summary>The grants this server has.</summary>
public enum GrantType
{
    /// <summary><c>authorization_code</c></summary>
    AuthorizationCode,

    /// <summary><c>refresh_token</c></summary>
    RefreshToken,

    /// <summary><c>client_credentials</c></summary>
    ClientCredentials,

    /// <summary><c>urn:ietf:params:oauth:grant-type:token-exchange</c> (RFC 8693)</summary>
    TokenExchange,

    /// <summary><c>urn:ietf:params:oauth:grant-type:jwt-bearer</c> (RFC 7523 2.1)</summary>
    JwtBearer,
}

/// <summary>When the user is asked.</summary>
public enum ConsentRule
{
    /// <summary>Once per set of scopes; remembered.</summary>
    Remember,

    /// <summary>Every time: public clients cannot prove who they are (RFC 6819 4.4.1.10).</summary>
    Always,

    /// <summary>Never: the operator has agreed for the users (first-party clients).</summary>
    Implied,
}

/// <summary>What a client shows users of itself, as absolute https URIs (RFC 7591 section 2).</summary>
/// <param name="Website"><c>client_uri</c></param>
/// <param name="Logo"><c>logo_uri</c></param>
/// <param name="Policy"><c>policy_uri</c>: how it uses their data.</param>
/// <param name="Terms"><c>tos_uri</c></param>
public sealed record ClientPages(string? Website, string? Logo, string? Policy, string? Terms)
{
    /// <summary>Nothing registered.</summary>
    public static ClientPages None { get; } = new(null, null, null, null);
}

/// <summary>A registered client: SIM-C, VAL server, or any OAuth client (TS 33.434 A.3).</summary>
[Spec("TS 33.434", "A.3")]
public sealed record Client
{
    /// <summary>1 to 255 printable ASCII characters; never of the form of a user's subject.</summary>
    public required string ClientId { get; init; }

    /// <summary>Shown to users.</summary>
    public required string Name { get; init; }

    /// <summary>The rules it lives under.</summary>
    public ClientProfile Profile { get; init; } = ClientProfile.Seal;

    /// <summary>The methods it may authenticate by; <see cref="ClientAuthMethod.None"/> stands alone.</summary>
    public ImmutableArray<ClientAuthMethod> AuthMethods { get; init; } = [ClientAuthMethod.SecretBasic];

    /// <summary>At most two live secrets, for rotation.</summary>
    public ImmutableArray<ClientSecret> Secrets { get; init; } = [];

    /// <summary>Public keys: for private_key_jwt and signed key requests, with <c>use</c> "enc" to encrypt its key material and its tokens as a resource server, and in their x5c the certificates for self_signed_tls_client_auth.</summary>
    public JsonWebKeySet? Keys { get; init; }

    /// <summary>Compared as strings (<see cref="RedirectUri"/>).</summary>
    public ImmutableArray<string> RedirectUris { get; init; } = [];

    /// <summary>The grants it may use.</summary>
    public ImmutableArray<GrantType> Grants { get; init; } = [GrantType.AuthorizationCode, GrantType.RefreshToken];

    /// <summary>The scopes it may ask for.</summary>
    public ScopeList Scopes { get; init; } = ScopeList.Empty;

    /// <summary>A confidential client of the plain profile may be registered without PKCE; all others need it.</summary>
    public bool PkceOptional { get; init; }

    /// <summary>When users are asked.</summary>
    public ConsentRule Consent { get; init; } = ConsentRule.Remember;

    /// <summary>As a resource server: the audience whose tokens it may introspect.</summary>
    public string? Audience { get; init; }

    /// <summary>As a VAL server: the VAL services it owns.</summary>
    public ImmutableArray<string> OwnedServices { get; init; } = [];

    /// <summary>SHA-256 thumbprints (lower-case hex) of certificates registered for it.</summary>
    public ImmutableArray<string> CertificateThumbprints { get; init; } = [];

    /// <summary>For tls_client_auth and <see cref="RequireCertificate"/>: the name that its certificate must hold.</summary>
    public RegisteredName? TlsName { get; init; }

    /// <summary>
    /// Its tokens are good at the SEAL APIs only on a connection with a certificate that holds <see cref="TlsName"/>: certificate and token are
    /// both demanded.
    /// </summary>
    [Spec("TS 33.434", "5.1.1.8")]
    public bool RequireCertificate { get; init; }

    /// <summary>What ID tokens are signed with.</summary>
    public JwsAlgorithm IdTokenAlgorithm { get; init; } = JwsAlgorithm.ES256;

    /// <summary>Access token lifetime in seconds, or null for the server's setting.</summary>
    public int? AccessTokenSeconds { get; init; }

    /// <summary>The weakest authentication class with which users may sign in to it, whatever they ask for; null leaves it to the VAL services.</summary>
    public string? MinimumAcr { get; init; }

    /// <summary>Shown to users under the name, or null.</summary>
    public string? Description { get; init; }

    /// <summary>Its pages for users (<c>client_uri</c>, <c>logo_uri</c>, <c>policy_uri</c>, <c>tos_uri</c> of RFC 7591); each https, or null.</summary>
    public ClientPages Pages { get; init; } = ClientPages.None;

    /// <summary>Where its public keys are fetched from (<c>jwks_uri</c>), instead of <see cref="Keys"/>.</summary>
    public string? KeysUri { get; init; }

    /// <summary>Where a browser may go after a logout; compared as strings (RP-Initiated Logout 1.0).</summary>
    public ImmutableArray<string> PostLogoutRedirectUris { get; init; } = [];

    /// <summary>Its access tokens are bound to its certificate (<c>tls_client_certificate_bound_access_tokens</c>, RFC 8705 3.4).</summary>
    public bool BoundTokens { get; init; }

    /// <summary>It sends authorization requests to the server first (<c>require_pushed_authorization_requests</c>, RFC 9126 6).</summary>
    public bool RequirePushedRequests { get; init; }

    /// <summary>Its access tokens are encrypted for the resource server they are meant for (TS 33.434 4.1-e).</summary>
    public bool EncryptAccessTokens { get; init; }

    /// <summary>Its SEAL KM Requests are signed (TS 33.434 5.3.2).</summary>
    public bool SignedKeyRequests { get; init; }

    /// <summary>Key material is encrypted for it, from end to end (TS 33.434 5.3.3).</summary>
    public bool EncryptedKeyMaterial { get; init; }

    /// <summary>
    /// By token exchange it may get tokens that do not name it as the actor (RFC 8693 1.1, impersonation). Without this every exchange
    /// is delegation.
    /// </summary>
    public bool MayImpersonate { get; init; }

    /// <summary>
    /// The sector in which its users have names of their own (<c>subject_type</c> pairwise, OpenID Connect Core 8.1); null: it knows them
    /// by their subjects, as all public ones do.
    /// </summary>
    public string? Sector { get; init; }

    /// <summary>Switched off by an operator.</summary>
    public bool Disabled { get; init; }

    /// <summary>Row version, the ETag of the admin API.</summary>
    public long Version { get; init; }

    /// <summary>True when the client cannot keep a credential.</summary>
    public bool IsPublic => AuthMethods.Contains(ClientAuthMethod.None);

    /// <summary>The method by which it authenticates with its certificate alone, if it has one; the rules allow one at most.</summary>
    public ClientAuthMethod? CertificateMethod => AuthMethods.Contains(ClientAuthMethod.TlsClientAuth) ? ClientAuthMethod.TlsClientAuth
        : AuthMethods.Contains(ClientAuthMethod.SelfSignedTls) ? ClientAuthMethod.SelfSignedTls
        : null;

    /// <summary>"code without PKCE" exists only for a confidential client of the plain profile that was registered so.</summary>
    public bool RequiresPkce => Profile == ClientProfile.Seal || IsPublic || !PkceOptional;
}
