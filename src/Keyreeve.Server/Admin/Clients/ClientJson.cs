using System.Buffers;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using Keyreeve.Core.Certificates;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Refusals;
using Keyreeve.Wire.Jose;
using Keyreeve.Wire.OAuth;

namespace Keyreeve.Server.Admin.Clients;

// Inside Keyreeve.*, "Client" alone is the namespace of the SDK.
using Client = Keyreeve.Core.Identity.Client;

/// <summary>A client as the admin API writes and reads it. Secrets are named by an id and never shown; names are the registries'.</summary>
internal static class ClientJson
{
    private const string Required = "required";

    private static readonly AdminField[] Fields =
    [
        new("clientId", FieldKind.Text, "1 to 255 printable ASCII characters without space.", Required: true),
        new("name", FieldKind.Text, "Shown to users.", Required: true),
        new("profile", FieldKind.Text, "seal (default, TS 33.434 Annex A) or openid."),
        new("authMethods", FieldKind.Texts, "client_secret_basic (default), client_secret_post, private_key_jwt, tls_client_auth or self_signed_tls_client_auth; or none alone."),
        new("jwks", FieldKind.Object, "Public keys: for private_key_jwt and signed key requests, with use enc for its key material and the access tokens that are encrypted for it as a resource server, and with x5c the certificates for self_signed_tls_client_auth."),
        new("redirectUris", FieldKind.Texts, "Compared as strings."),
        new("grants", FieldKind.Texts, "authorization_code and refresh_token (default), client_credentials, urn:ietf:params:oauth:grant-type:token-exchange, urn:ietf:params:oauth:grant-type:jwt-bearer."),
        new("scopes", FieldKind.Text, "What it may ask for, separated by spaces."),
        new("pkceOptional", FieldKind.Flag, "Only for a confidential client of profile openid."),
        new("consent", FieldKind.Text, "remember (default), always (default of public clients), implied."),
        new("audience", FieldKind.Text, "As a resource server: the audience whose tokens it may introspect."),
        new("ownedServices", FieldKind.Texts, "As a VAL server: the VAL services it owns."),
        new("certificates", FieldKind.Texts, "Certificates registered for it, as PEM or SHA-256 thumbprint; shown as thumbprints."),
        new("tlsName", FieldKind.Text, "For tls_client_auth and requireCertificate, the name its certificate must hold: subject_dn:, san_dns:, san_uri:, san_ip: or san_email: and the value, as san_dns:val.example."),
        new("requireCertificate", FieldKind.Flag, "SEAL-S: its tokens are good at the SEAL APIs only with a certificate that holds tlsName (san_uri: or san_dns:), on listener mtls."),
        new("idTokenAlgorithm", FieldKind.Text, "ES256 or RS256. Default: RS256 in profile openid, ES256 in profile seal."),
        new("accessTokenSeconds", FieldKind.Number, "10 to 86400; the server's setting when absent."),
        new("minimumAcr", FieldKind.Text, "The weakest authentication class of its users: 3gpp:acr:password, urn:keyreeve:acr:two-factor or phr."),
        new("description", FieldKind.Text, "Shown to users under the name."),
        new("clientUri", FieldKind.Text, "Its website, https; shown to users."),
        new("logoUri", FieldKind.Text, "Its logo, https; fetched by the server and shown to users."),
        new("policyUri", FieldKind.Text, "How it uses users' data, https; shown to users."),
        new("tosUri", FieldKind.Text, "Its terms of service, https; shown to users."),
        new("jwksUri", FieldKind.Text, "Where its public keys are fetched from, https; instead of jwks."),
        new("postLogoutRedirectUris", FieldKind.Texts, "Where a browser may go after a logout. Compared as strings."),
        new("boundTokens", FieldKind.Flag, "Access tokens are bound to its certificate (RFC 8705)."),
        new("requirePushedRequests", FieldKind.Flag, "Authorization requests are pushed (RFC 9126)."),
        new("encryptAccessTokens", FieldKind.Flag, "Access tokens are encrypted for their resource server."),
        new("kmRequestSignature", FieldKind.Text, "optional (default), or required: its SEAL KM Requests are signed with a key of jwks or jwksUri (X-JWS-Signature)."),
        new("kmPayloadEncryption", FieldKind.Text, "none (default), or required: key material is encrypted for its key of use enc in jwks or jwksUri."),
        new("mayImpersonate", FieldKind.Flag, "By token exchange it gets tokens that do not name it as the actor; without it every exchange is delegation (RFC 8693 1.1)."),
        new("subjectType", FieldKind.Text, "public (default), or pairwise: its users have names of their own in its sector, and its tokens no VAL user ID and no VAL UE ID (OpenID Connect Core 8.1)."),
        new("sectorIdentifier", FieldKind.Text, "For pairwise, the host that names the sector; clients of one sector know a user by one name. Default: the host of the redirect URIs, where they are https and have one."),
        new("disabled", FieldKind.Flag, "Authenticates no more, tokens revoked."),
        new("secrets", FieldKind.Objects, "id and createdAt of the live secrets, at most two.", ReadOnly: true),
        new("version", FieldKind.Number, "Row version, the ETag.", ReadOnly: true),
    ];

    private static readonly AdminField ClientSecretField = new("clientSecret", FieldKind.Text, "The secret that was made; shown this once.", ReadOnly: true);

    public static readonly AdminSchema Schema = new("Client", Fields);

    public static readonly AdminSchema New = new("NewClient",
        [.. Fields, new AdminField("secret", FieldKind.Text, "A secret made elsewhere, at least 43 characters; without it one is made where the methods need it.", WriteOnly: true)]);

    public static readonly AdminSchema Created = new("CreatedClient", [.. Fields, ClientSecretField]);

    public static string Path(string clientId) => $"{AdminRoutes.Base}/clients/{Uri.EscapeDataString(clientId)}";

    public static JsonObject Write(Client client) => new()
    {
        ["clientId"] = client.ClientId,
        ["name"] = client.Name,
        ["profile"] = WireNames.Of(client.Profile),
        ["authMethods"] = Changes.Array(client.AuthMethods.Select(WireNames.Of)),
        ["jwks"] = client.Keys is null ? null : WriteKeys(client.Keys),
        ["redirectUris"] = Changes.Array(client.RedirectUris),
        ["grants"] = Changes.Array(client.Grants.Select(WireNames.Of)),
        ["scopes"] = client.Scopes.Text,
        ["pkceOptional"] = client.PkceOptional,
        ["consent"] = WireNames.Of(client.Consent),
        ["audience"] = client.Audience,
        ["ownedServices"] = Changes.Array(client.OwnedServices),
        ["certificates"] = Changes.Array(client.CertificateThumbprints),
        ["tlsName"] = client.TlsName?.ToString(),
        ["requireCertificate"] = client.RequireCertificate,
        ["idTokenAlgorithm"] = client.IdTokenAlgorithm.Name(),
        ["accessTokenSeconds"] = client.AccessTokenSeconds,
        ["minimumAcr"] = client.MinimumAcr,
        ["description"] = client.Description,
        ["clientUri"] = client.Pages.Website,
        ["logoUri"] = client.Pages.Logo,
        ["policyUri"] = client.Pages.Policy,
        ["tosUri"] = client.Pages.Terms,
        ["jwksUri"] = client.KeysUri,
        ["postLogoutRedirectUris"] = Changes.Array(client.PostLogoutRedirectUris),
        ["boundTokens"] = client.BoundTokens,
        ["requirePushedRequests"] = client.RequirePushedRequests,
        ["encryptAccessTokens"] = client.EncryptAccessTokens,
        ["kmRequestSignature"] = client.SignedKeyRequests ? Required : "optional",
        ["kmPayloadEncryption"] = client.EncryptedKeyMaterial ? Required : "none",
        ["mayImpersonate"] = client.MayImpersonate,
        ["subjectType"] = client.Sector is null ? "public" : "pairwise",
        ["sectorIdentifier"] = client.Sector,
        ["disabled"] = client.Disabled,
        ["secrets"] = new JsonArray([.. client.Secrets.Select(s => (JsonNode)WriteSecret(s))]),
        ["version"] = client.Version,
    };

    /// <summary>A secret's id: a hash of its hash, so that the id says nothing about either.</summary>
    public static string IdOf(ClientSecret secret) => Convert.ToHexStringLower(SHA256.HashData(secret.Hash).AsSpan(0, 8));

    public static JsonObject WriteSecret(ClientSecret secret) => new() { ["id"] = IdOf(secret), ["createdAt"] = Times.OfSeconds(secret.CreatedAt) };

    /// <summary>
    /// The registration of the body, with the secrets of <paramref name="before"/>. Members that are not there have their defaults.
    /// Whether they fit together is for <see cref="ClientRules"/>.
    /// </summary>
    public static Outcome<Client> Read(JsonBody body, Client? before)
    {
        var id = body.RequiredText("clientId");
        if (body.Wrong is null && before is not null && id != before.ClientId)
            body.Fail("clientId", "clientId is the one of the path; an identifier cannot be changed");
        var methods = body.NamedList<ClientAuthMethod>("authMethods", WireNames.Of) ?? [ClientAuthMethod.SecretBasic];
        var profile = body.Named("profile", ClientProfile.Seal, WireNames.Of);
        var client = new Client
        {
            ClientId = id,
            Name = body.RequiredText("name"),
            Profile = profile,
            AuthMethods = [.. methods],
            Keys = ReadKeys(body),
            RedirectUris = [.. body.Texts("redirectUris", 32, 2000) ?? []],
            Grants = [.. body.NamedList<GrantType>("grants", WireNames.Of) ?? [GrantType.AuthorizationCode, GrantType.RefreshToken]],
            Scopes = ReadScopes(body),
            PkceOptional = body.Flag("pkceOptional", absent: false),
            Consent = body.Named("consent", methods.Contains(ClientAuthMethod.None) ? ConsentRule.Always : ConsentRule.Remember, WireNames.Of),
            Audience = body.Text("audience", 2000),
            OwnedServices = [.. body.Texts("ownedServices", 200, 200) ?? []],
            CertificateThumbprints = [.. (body.Texts("certificates", 8, 16 * 1024, lines: true) ?? []).Select(text => ClientCertificates.ThumbprintOf(body, text)).Distinct()],
            TlsName = ReadTlsName(body),
            RequireCertificate = body.Flag("requireCertificate", absent: false),
            IdTokenAlgorithm = ReadAlgorithm(body, profile),
            AccessTokenSeconds = body.Number("accessTokenSeconds", 10, 86400),
            MinimumAcr = body.Text("minimumAcr"),
            Description = body.Text("description", 500),
            Pages = new(ReadPage(body, "clientUri"), ReadPage(body, "logoUri"), ReadPage(body, "policyUri"), ReadPage(body, "tosUri")),
            KeysUri = ReadPage(body, "jwksUri"),
            PostLogoutRedirectUris = [.. body.Texts("postLogoutRedirectUris", 32, 2000) ?? []],
            BoundTokens = body.Flag("boundTokens", absent: false),
            RequirePushedRequests = body.Flag("requirePushedRequests", absent: false),
            EncryptAccessTokens = body.Flag("encryptAccessTokens", absent: false),
            SignedKeyRequests = ReadDemand(body, "kmRequestSignature", "optional"),
            EncryptedKeyMaterial = ReadDemand(body, "kmPayloadEncryption", "none"),
            MayImpersonate = body.Flag("mayImpersonate", absent: false),
            Disabled = body.Flag("disabled", absent: before?.Disabled ?? false),
            Secrets = before?.Secrets ?? [],
        };
        client = client with { Sector = ReadSector(body, client) };
        return body.Wrong is { } wrong ? wrong : client;
    }

    private static bool ReadDemand(JsonBody body, string name, string absent)
    {
        var text = body.Text(name, 16) ?? absent;
        if (text != absent && text != Required)
            body.Fail(name, $"{name} is {absent} or {Required}");
        return text == Required;
    }

    internal static JsonWebKeySet? ReadKeys(JsonBody body)
    {
        if (body.Find("jwks") is not { } value)
            return null;
        if (!JsonWebKeySet.TryRead(value, out var keys, out var error))
            body.Fail("jwks", $"jwks is not a set of public keys (RFC 7517): {error}");
        else if (keys.Keys.Count == 0)
            body.Fail("jwks", "jwks holds no key that is understood here");
        return keys;
    }

    /// <summary>An absolute https URI without user information and fragment: what is shown or fetched must not be a trick of spelling.</summary>
    internal static string? ReadPage(JsonBody body, string name)
    {
        if (body.Text(name, 2000) is not { } text)
            return null;
        if (!text.All(c => c is > ' ' and <= '~') || !Uri.TryCreate(text, UriKind.Absolute, out var uri) || uri.Scheme != Uri.UriSchemeHttps
            || uri.UserInfo.Length > 0 || uri.Fragment.Length > 0)
            body.Fail(name, $"{name} is an absolute https URI without user information and fragment");
        return text;
    }

    internal static ScopeList ReadScopes(JsonBody body)
    {
        if (body.Text("scopes", OAuthLimits.MaxScope) is not { } text)
            return ScopeList.Empty;
        if (ScopeList.TryRead(text, out var scopes))
            return scopes;
        body.Fail("scopes", "scopes are separated by single spaces, in the characters of RFC 6749 3.3");
        return ScopeList.Empty;
    }

    /// <summary>"the host component of the registered redirect_uri" (OpenID Connect Core 8.1), or the sector that is named; null for subject type public.</summary>
    [Spec("OpenID Connect Core 1.0", "8.1")]
    private static string? ReadSector(JsonBody body, Client client)
    {
        var (type, named) = (body.Text("subjectType") ?? "public", body.Text("sectorIdentifier", 200)?.ToLowerInvariant());
        if (type is not ("public" or "pairwise"))
            body.Fail("subjectType", "subjectType is public or pairwise");
        if (type == "public")
        {
            if (named is not null)
                body.Fail("sectorIdentifier", "sectorIdentifier goes with subjectType pairwise");
            return null;
        }
        if (named is not null)
        {
            if (Uri.CheckHostName(named) != UriHostNameType.Dns)
                body.Fail("sectorIdentifier", "sectorIdentifier is a host name");
            return named;
        }
        // Loopback addresses and apps' schemes are everybody's: whoever uses them names the sector.
        var hosts = client.RedirectUris.Select(u => Uri.TryCreate(u, UriKind.Absolute, out var uri) && uri.Scheme == Uri.UriSchemeHttps ? uri.Host.ToLowerInvariant() : "").Distinct().ToList();
        if (hosts is [{ Length: > 0 } only])
            return only;
        body.Fail("sectorIdentifier", "sectorIdentifier is required: the redirect URIs are not all https with one host");
        return null;
    }

    private static RegisteredName? ReadTlsName(JsonBody body)
    {
        if (body.Text("tlsName", 1100) is not { } text)
            return null;
        if (!RegisteredName.TryRead(text, out var name, out var reason))
            body.Fail("tlsName", $"tlsName: {reason}");
        return name;
    }

    /// <summary>"The default, if omitted, is RS256" (OpenID Connect Registration 1.0 section 2): what libraries of plain OpenID expect who were told nothing.</summary>
    private static JwsAlgorithm ReadAlgorithm(JsonBody body, ClientProfile profile)
    {
        if (body.Text("idTokenAlgorithm", 16) is not { } name)
            return profile == ClientProfile.OpenId ? JwsAlgorithm.RS256 : JwsAlgorithm.ES256;
        if (!JwsAlgorithms.TryParse(name, out var algorithm))
            body.Fail("idTokenAlgorithm", $"idTokenAlgorithm: {JsonBody.Shown(name)} is no JWS algorithm here");
        return algorithm;
    }

    internal static JsonNode? WriteKeys(JsonWebKeySet keys)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
            keys.WritePublic(json);
        return JsonNode.Parse(buffer.WrittenSpan);
    }
}
