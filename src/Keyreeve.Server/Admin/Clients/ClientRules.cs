using Keyreeve.Core.Certificates;
using Keyreeve.Core.Grants;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Policy;
using Keyreeve.Core.Refusals;
using Keyreeve.Core.Tokens;
using Keyreeve.Server.Settings;
using Keyreeve.Web.Pages;
using Keyreeve.Wire.Jose;
using Keyreeve.Wire.OAuth;

namespace Keyreeve.Server.Admin.Clients;

// Inside Keyreeve.*, "Client" alone is the namespace of the SDK.
using Client = Keyreeve.Core.Identity.Client;

/// <summary>What may be registered: a pure decision over the whole registration. A wrong one is refused here rather than found out at a login.</summary>
internal static class ClientRules
{
    /// <summary>The first thing that is wrong, or null.</summary>
    public static Refusal? WhyNot(Client client, ScopeCatalogue scopes, IReadOnlyList<string> services, IReadOnlyList<JwsAlgorithm> algorithms) =>
        WhyNotId(client.ClientId)
        ?? WhyNotMethods(client)
        ?? WhyNotCertificates(client)
        ?? WhyNotKeyManagement(client)
        ?? WhyNotGrants(client)
        ?? WhyNotRedirects(client)
        ?? WhyNotPostLogoutRedirects(client)
        ?? WhyNotScopes(client, scopes)
        ?? WhyNotPairwise(client, scopes)
        ?? (client.OwnedServices.FirstOrDefault(s => !services.Contains(s, StringComparer.Ordinal)) is { } unknown
            ? Wrong("ownedServices", $"there is no VAL service {JsonBody.Shown(unknown)}{Near(unknown, services)}") : null)
        ?? (client.MinimumAcr is null || AuthenticationClass.IsKnown(client.MinimumAcr) ? null
            : Wrong("minimumAcr", $"there is no authentication class {JsonBody.Shown(client.MinimumAcr)}; there are {string.Join(", ", AuthenticationClass.Ordered)}"))
        ?? (algorithms.Contains(client.IdTokenAlgorithm) ? null
            : Wrong("idTokenAlgorithm", $"ID tokens are signed with one of {string.Join(", ", algorithms.Select(a => a.Name()))}"));

    private static Refusal? WhyNotId(string id) =>
        !id.All(c => c is > ' ' and <= '~') ? Wrong("clientId", "a client_id has 1 to 255 printable ASCII characters without space")
        : User.IsSubject(id) ? Wrong("clientId", "u- and 22 characters is the form of a user's subject: a client must not pass for a user (RFC 9700 4.15)")
        : PairwiseSubjects.IsName(id) ? Wrong("clientId", "p- and 22 characters is the form of a user's name in a sector: a client must not pass for a user (RFC 9700 4.15)")
        : id is "." or ".." ? Wrong("clientId", "a client_id is not . or ..: it could not stand in a path")
        : null;

    private static Refusal? WhyNotMethods(Client client)
    {
        if (client.AuthMethods.Length == 0)
            return Wrong("authMethods", "at least one authentication method is required; a public client has none");
        if (client.IsPublic && client.AuthMethods.Length > 1)
            return Wrong("authMethods", "none stands alone: a client that may leave its credential out is public");
        // TS 33.434 A.4.2.4: the token request carries client authentication.
        if (client.IsPublic && client.Profile == ClientProfile.Seal)
            return Wrong("authMethods", "a client of profile seal authenticates (TS 33.434 A.4.2.4): not none");
        if (client.Keys is not null && client.KeysUri is not null)
            return Wrong("jwksUri", "jwks and jwksUri exclude each other (RFC 7591 2)");
        if (client.AuthMethods.Contains(ClientAuthMethod.PrivateKeyJwt) && client.Keys is null && client.KeysUri is null)
            return Wrong("jwks", "private_key_jwt needs jwks with at least one public key, or jwksUri");
        if (client.AuthMethods.Contains(ClientAuthMethod.PrivateKeyJwt) && client.Keys is { } keys && !keys.Keys.Any(Verifies))
            return Wrong("jwks", "private_key_jwt needs a key for signatures: jwks has none (use sig)");
        if (client.AuthMethods.Any(m => m is ClientAuthMethod.SecretBasic or ClientAuthMethod.SecretPost) && client.Secrets.Length == 0)
            return Wrong("authMethods", "the client has no secret: add one first (keyreeve admin client secret add)");
        if (client.PkceOptional && (client.IsPublic || client.Profile == ClientProfile.Seal))
            return Wrong("pkceOptional", "PKCE is optional only for a confidential client of profile openid");
        // RFC 6819 4.4.1.10: anybody can say that he is a public client.
        return client.IsPublic && client.Consent == ConsentRule.Implied
            ? Wrong("consent", "users of a public client are asked: always or remember")
            : null;
    }

    [Spec("RFC 8705", "2.1.2")]
    private static Refusal? WhyNotCertificates(Client client)
    {
        var (trusted, registered) = (client.AuthMethods.Contains(ClientAuthMethod.TlsClientAuth), client.AuthMethods.Contains(ClientAuthMethod.SelfSignedTls));
        if (trusted && registered)
            return Wrong("authMethods", "tls_client_auth and self_signed_tls_client_auth exclude each other: a request does not say which of them it is");
        if (trusted && client.TlsName is null)
            return Wrong("tlsName", "tls_client_auth needs the name that the certificate holds, as san_dns:val.example");
        if (client.RequireCertificate && client.TlsName is not { Kind: CertificateNameKind.SanUri or CertificateNameKind.SanDns })
            return Wrong("tlsName", "requireCertificate needs the name that the certificate holds, as san_uri:https://val.example or san_dns:val.example");
        if (!trusted && !client.RequireCertificate && client.TlsName is not null)
            return Wrong("tlsName", "tlsName is for tls_client_auth and requireCertificate alone");
        return registered && client.CertificateThumbprints.Length == 0 && client.KeysUri is null && (client.Keys is null || client.Keys.Keys.All(k => k.X5c.Count == 0))
            ? Wrong("certificates", "self_signed_tls_client_auth needs a certificate: in certificates, or in the x5c of a key in jwks or behind jwksUri")
            : null;
    }

    /// <summary>A demand that cannot be met would be found out at the first key request.</summary>
    private static Refusal? WhyNotKeyManagement(Client client) =>
        client.SignedKeyRequests && client.KeysUri is null && client.Keys?.Keys.Any(k => k.Kty != "oct" && Verifies(k)) is not true
            ? Wrong("kmRequestSignature", "signed key requests need jwks with a key for signatures (use sig), or jwksUri")
        : client.EncryptedKeyMaterial && client.KeysUri is null && TokenEncryption.KeyOf(client) is null
            ? Wrong("kmPayloadEncryption", "encrypted key material needs jwks with an EC key of use enc (alg ECDH-ES+A256KW), or jwksUri")
        : null;

    private static Refusal? WhyNotGrants(Client client) =>
        client.Grants.Length == 0 ? Wrong("grants", "at least one grant is required")
        : client.Grants.Contains(GrantType.RefreshToken) && !client.Grants.Contains(GrantType.AuthorizationCode)
            ? Wrong("grants", "refresh_token goes with authorization_code")
        : client.IsPublic && client.Grants.Contains(GrantType.ClientCredentials)
            ? Wrong("grants", "client_credentials needs client authentication (RFC 6749 4.4)")
        : client.IsPublic && client.Grants.Any(g => g is GrantType.TokenExchange or GrantType.JwtBearer)
            ? Wrong("grants", "token-exchange and jwt-bearer need client authentication: who has somebody's token could call himself a public client")
        : client.MayImpersonate && !client.Grants.Contains(GrantType.TokenExchange)
            ? Wrong("mayImpersonate", "impersonation goes with the grant token-exchange")
        : client.Grants.Contains(GrantType.AuthorizationCode) && client.RedirectUris.Length == 0
            ? Wrong("redirectUris", "authorization_code needs at least one redirect URI")
        : null;

    private static bool Verifies(JsonWebKey jwk)
    {
        if (!JwsKey.TryFromJwk(jwk, out var key, out _))
            return false;
        key.Dispose();
        return true;
    }

    private static Refusal? WhyNotRedirects(Client client)
    {
        foreach (var uri in client.RedirectUris)
        {
            if (RedirectUri.WhyNotRegistrable(uri) is { } why)
                return Wrong("redirectUris", $"{JsonBody.Shown(uri)}: {why}");
            if (PageHeaders.FormTarget(uri) is null)
                return Wrong("redirectUris", $"{JsonBody.Shown(uri)}: browsers would stop at this redirect, because the content security policy of our pages cannot name it; use a host name instead of an IPv6 address other than [::1]");
        }
        return null;
    }

    private static Refusal? WhyNotPostLogoutRedirects(Client client)
    {
        foreach (var uri in client.PostLogoutRedirectUris)
            if (RedirectUri.WhyNotRegistrable(uri) is { } why)
                return Wrong("postLogoutRedirectUris", $"{JsonBody.Shown(uri)}: {why}");
        return null;
    }

    private static Refusal? WhyNotScopes(Client client, ScopeCatalogue scopes) =>
        client.Scopes.FirstOrDefault(s => scopes.Find(s) is null) is { } unknown
            ? Wrong("scopes", $"there is no scope {JsonBody.Shown(unknown)}"
                + (unknown.StartsWith("val:", StringComparison.Ordinal) ? ": add the VAL service first" : Near(unknown, scopes.Supported)))
            : client.Scopes.FirstOrDefault(s => scopes.Find(s)?.Kind == ScopeKind.Operator) is { } powerful
                && (!client.BoundTokens || client.IsPublic || !client.Grants.Contains(GrantType.ClientCredentials))
            ? Wrong("scopes", $"scope {powerful} is for confidential clients with grant client_credentials and bound tokens (boundTokens)")
            : null;

    /// <summary>What would tell its users' other names, or cannot be done without them.</summary>
    private static Refusal? WhyNotPairwise(Client client, ScopeCatalogue scopes) =>
        client.Sector is null ? null
        : client.Grants.Any(g => g is GrantType.TokenExchange or GrantType.JwtBearer)
            ? Wrong("subjectType", "a client with subjectType pairwise makes no tokens of tokens: not token-exchange, not jwt-bearer")
        : client.Scopes.FirstOrDefault(s => s == scopes.KeyManagement || s == scopes.UserProfile || s == scopes.IdentityProvisioning) is { } named
            ? Wrong("subjectType", $"scope {named} works by VAL user IDs, which the tokens of a client with subjectType pairwise do not have")
        : null;

    private static string Near(string name, IEnumerable<string> known) => SettingNames.Nearest(JsonBody.Shown(name), known) is { } near ? $"; did you mean {near}?" : "";

    private static Refusal Wrong(string param, string text) => Refusal.About(RefusalCode.InvalidParameter, param, text);
}
