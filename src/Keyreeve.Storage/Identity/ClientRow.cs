using System.Buffers;
using System.Data.Common;
using System.Text;
using System.Text.Json;
using Keyreeve.Core.Certificates;
using Keyreeve.Core.Identity;
using Keyreeve.Wire.Jose;

namespace Keyreeve.Storage;

/// <summary>A client as its row: enumerations by name, lists as JSON.</summary>
internal sealed class ClientRow
{
    public const string Columns = """
        c.client_id, c.name, c.profile, c.auth_methods, c.secrets, c.jwks, c.redirect_uris, c.grants, c.scopes, c.pkce_optional, c.consent,
        c.audience, c.owned_services, c.id_token_algorithm, c.access_token_seconds, c.minimum_acr, c.disabled, c.version,
        c.description, c.website, c.logo_uri, c.policy_uri, c.terms_uri, c.jwks_uri,
        c.post_logout_redirect_uris, c.bound_tokens, c.require_pushed_requests, c.encrypt_access_tokens, c.tls_name, c.may_impersonate,
        c.sector, c.signed_key_requests, c.encrypted_key_material, c.require_certificate
        """;

    /// <summary>How many these are; what a query adds stands behind them.</summary>
    public const int ColumnCount = 34;

    public const string Insert = """
        INSERT INTO clients (client_id, name, profile, auth_methods, secrets, jwks, redirect_uris, grants, scopes, pkce_optional, consent,
                             audience, owned_services, id_token_algorithm, access_token_seconds, minimum_acr, disabled, version,
                             description, website, logo_uri, policy_uri, terms_uri, jwks_uri,
                             post_logout_redirect_uris, bound_tokens, require_pushed_requests, encrypt_access_tokens, tls_name, may_impersonate,
                             sector, signed_key_requests, encrypted_key_material, require_certificate)
        VALUES (@ClientId, @Name, @Profile, @AuthMethods, @Secrets, @Jwks, @RedirectUris, @Grants, @Scopes, @PkceOptional, @Consent,
                @Audience, @OwnedServices, @IdTokenAlgorithm, @AccessTokenSeconds, @MinimumAcr, @Disabled, @Version,
                @Description, @Website, @LogoUri, @PolicyUri, @TermsUri, @JwksUri,
                @PostLogoutRedirectUris, @BoundTokens, @RequirePushedRequests, @EncryptAccessTokens, @TlsName, @MayImpersonate,
                @Sector, @SignedKeyRequests, @EncryptedKeyMaterial, @RequireCertificate)
        """;

    public const string Update = """
        UPDATE clients SET name = @Name, profile = @Profile, auth_methods = @AuthMethods, secrets = @Secrets, jwks = @Jwks,
            redirect_uris = @RedirectUris, grants = @Grants, scopes = @Scopes, pkce_optional = @PkceOptional, consent = @Consent,
            audience = @Audience, owned_services = @OwnedServices, id_token_algorithm = @IdTokenAlgorithm,
            access_token_seconds = @AccessTokenSeconds, minimum_acr = @MinimumAcr, disabled = @Disabled, version = @Version,
            description = @Description, website = @Website, logo_uri = @LogoUri, policy_uri = @PolicyUri, terms_uri = @TermsUri, jwks_uri = @JwksUri,
            post_logout_redirect_uris = @PostLogoutRedirectUris, bound_tokens = @BoundTokens,
            require_pushed_requests = @RequirePushedRequests, encrypt_access_tokens = @EncryptAccessTokens, tls_name = @TlsName,
            may_impersonate = @MayImpersonate, sector = @Sector, signed_key_requests = @SignedKeyRequests, encrypted_key_material = @EncryptedKeyMaterial,
            require_certificate = @RequireCertificate
        WHERE client_id = @ClientId
        """;

    public string ClientId { get; init; } = "";
    public string Name { get; init; } = "";
    public string Profile { get; init; } = "";
    public string AuthMethods { get; init; } = "";
    public string Secrets { get; init; } = "";
    public string? Jwks { get; init; }
    public string RedirectUris { get; init; } = "";
    public string Grants { get; init; } = "";
    public string Scopes { get; init; } = "";
    public long PkceOptional { get; init; }
    public string Consent { get; init; } = "";
    public string? Audience { get; init; }
    public string OwnedServices { get; init; } = "";
    public string IdTokenAlgorithm { get; init; } = "";
    public long? AccessTokenSeconds { get; init; }
    public string? MinimumAcr { get; init; }
    public long Disabled { get; init; }
    public long Version { get; init; }
    public string? Description { get; init; }
    public string? Website { get; init; }
    public string? LogoUri { get; init; }
    public string? PolicyUri { get; init; }
    public string? TermsUri { get; init; }
    public string? JwksUri { get; init; }
    public string PostLogoutRedirectUris { get; init; } = "";
    public long BoundTokens { get; init; }
    public long RequirePushedRequests { get; init; }
    public long EncryptAccessTokens { get; init; }
    public string? TlsName { get; init; }
    public long MayImpersonate { get; init; }
    public string? Sector { get; init; }
    public long SignedKeyRequests { get; init; }
    public long EncryptedKeyMaterial { get; init; }
    public long RequireCertificate { get; init; }
    public string? Thumbprint { get; init; }

    /// <summary>In the order of <see cref="Columns"/>.</summary>
    public static ClientRow Read(DbDataReader row) => new()
    {
        ClientId = row.GetString(0),
        Name = row.GetString(1),
        Profile = row.GetString(2),
        AuthMethods = row.GetString(3),
        Secrets = row.GetString(4),
        Jwks = row.TextOrNull(5),
        RedirectUris = row.GetString(6),
        Grants = row.GetString(7),
        Scopes = row.GetString(8),
        PkceOptional = row.GetInt64(9),
        Consent = row.GetString(10),
        Audience = row.TextOrNull(11),
        OwnedServices = row.GetString(12),
        IdTokenAlgorithm = row.GetString(13),
        AccessTokenSeconds = row.NumberOrNull(14),
        MinimumAcr = row.TextOrNull(15),
        Disabled = row.GetInt64(16),
        Version = row.GetInt64(17),
        Description = row.TextOrNull(18),
        Website = row.TextOrNull(19),
        LogoUri = row.TextOrNull(20),
        PolicyUri = row.TextOrNull(21),
        TermsUri = row.TextOrNull(22),
        JwksUri = row.TextOrNull(23),
        PostLogoutRedirectUris = row.GetString(24),
        BoundTokens = row.GetInt64(25),
        RequirePushedRequests = row.GetInt64(26),
        EncryptAccessTokens = row.GetInt64(27),
        TlsName = row.TextOrNull(28),
        MayImpersonate = row.GetInt64(29),
        Sector = row.TextOrNull(30),
        SignedKeyRequests = row.GetInt64(31),
        EncryptedKeyMaterial = row.GetInt64(32),
        RequireCertificate = row.GetInt64(33),
    };

    public static ClientRow Of(Client client, long version) => new()
    {
        ClientId = client.ClientId,
        Name = client.Name,
        Profile = client.Profile.ToString(),
        AuthMethods = StoredText.WriteList(client.AuthMethods.Select(method => method.ToString())),
        Secrets = JsonSerializer.Serialize(client.Secrets.Select(secret => new StoredSecret(Convert.ToHexStringLower(secret.Hash), secret.CreatedAt)).ToArray()),
        Jwks = client.Keys is null ? null : Write(client.Keys),
        RedirectUris = StoredText.WriteList(client.RedirectUris),
        Grants = StoredText.WriteList(client.Grants.Select(grant => grant.ToString())),
        Scopes = client.Scopes.Text,
        PkceOptional = client.PkceOptional ? 1 : 0,
        Consent = client.Consent.ToString(),
        Audience = client.Audience,
        OwnedServices = StoredText.WriteList(client.OwnedServices),
        IdTokenAlgorithm = client.IdTokenAlgorithm.Name(),
        AccessTokenSeconds = client.AccessTokenSeconds,
        MinimumAcr = client.MinimumAcr,
        Disabled = client.Disabled ? 1 : 0,
        Version = version,
        Description = client.Description,
        Website = client.Pages.Website,
        LogoUri = client.Pages.Logo,
        PolicyUri = client.Pages.Policy,
        TermsUri = client.Pages.Terms,
        JwksUri = client.KeysUri,
        PostLogoutRedirectUris = StoredText.WriteList(client.PostLogoutRedirectUris),
        BoundTokens = client.BoundTokens ? 1 : 0,
        RequirePushedRequests = client.RequirePushedRequests ? 1 : 0,
        EncryptAccessTokens = client.EncryptAccessTokens ? 1 : 0,
        TlsName = client.TlsName?.ToString(),
        MayImpersonate = client.MayImpersonate ? 1 : 0,
        Sector = client.Sector,
        SignedKeyRequests = client.SignedKeyRequests ? 1 : 0,
        EncryptedKeyMaterial = client.EncryptedKeyMaterial ? 1 : 0,
        RequireCertificate = client.RequireCertificate ? 1 : 0,
    };

    public Client ToClient(IEnumerable<string?> thumbprints) => new()
    {
        ClientId = ClientId,
        Name = Name,
        Profile = StoredText.ReadName<ClientProfile>(Profile),
        AuthMethods = [.. StoredText.ReadList(AuthMethods).Select(StoredText.ReadName<ClientAuthMethod>)],
        Secrets = [.. (JsonSerializer.Deserialize<StoredSecret[]>(Secrets) ?? throw StoredText.Broken("null"))
            .Select(secret => new ClientSecret { Hash = Convert.FromHexString(secret.Hash), CreatedAt = secret.CreatedAt })],
        Keys = Jwks is null ? null : Read(Jwks),
        RedirectUris = [.. StoredText.ReadList(RedirectUris)],
        Grants = [.. StoredText.ReadList(Grants).Select(StoredText.ReadName<GrantType>)],
        Scopes = StoredText.ReadScope(Scopes),
        PkceOptional = PkceOptional != 0,
        Consent = StoredText.ReadName<ConsentRule>(Consent),
        Audience = Audience,
        OwnedServices = [.. StoredText.ReadList(OwnedServices)],
        CertificateThumbprints = [.. thumbprints.OfType<string>()],
        IdTokenAlgorithm = JwsAlgorithms.TryParse(IdTokenAlgorithm, out var algorithm) ? algorithm : throw StoredText.Broken(IdTokenAlgorithm),
        AccessTokenSeconds = (int?)AccessTokenSeconds,
        MinimumAcr = MinimumAcr,
        Disabled = Disabled != 0,
        Version = Version,
        Description = Description,
        Pages = Website is null && LogoUri is null && PolicyUri is null && TermsUri is null ? ClientPages.None : new(Website, LogoUri, PolicyUri, TermsUri),
        KeysUri = JwksUri,
        PostLogoutRedirectUris = [.. StoredText.ReadList(PostLogoutRedirectUris)],
        BoundTokens = BoundTokens != 0,
        RequirePushedRequests = RequirePushedRequests != 0,
        EncryptAccessTokens = EncryptAccessTokens != 0,
        TlsName = TlsName is null ? null : RegisteredName.TryRead(TlsName, out var name, out _) ? name : throw StoredText.Broken(TlsName),
        MayImpersonate = MayImpersonate != 0,
        Sector = Sector,
        SignedKeyRequests = SignedKeyRequests != 0,
        EncryptedKeyMaterial = EncryptedKeyMaterial != 0,
        RequireCertificate = RequireCertificate != 0,
    };

    internal static string Write(JsonWebKeySet keys)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
            keys.WritePublic(json);
        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    internal static JsonWebKeySet Read(string jwks) =>
        JsonWebKeySet.TryRead(Encoding.UTF8.GetBytes(jwks), out var keys, out _) ? keys : throw StoredText.Broken(jwks);

    private sealed record StoredSecret(string Hash, long CreatedAt);
}
