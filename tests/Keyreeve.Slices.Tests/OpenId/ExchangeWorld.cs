using System.Collections.Immutable;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Snapshots;
using Keyreeve.Wire.Jose;
using Keyreeve.Wire.OAuth;
using Xunit;

namespace Keyreeve.Slices.Tests.OpenId;

// Inside Keyreeve.*, "Client" alone is the namespace of the SDK.
using Client = Keyreeve.Core.Identity.Client;

/// <summary>
/// A server with a chain of services and a partner: <c>front</c> signs users in; <c>pump</c> is the VAL server of pump-control and calls
/// <c>fleet</c>, that of fleet-tracking, in the user's name; <c>outsider</c> is neither; <c>bold</c> may impersonate.
/// </summary>
public sealed class ExchangeWorld : IAsyncLifetime
{
    public const string Exchange = "urn:ietf:params:oauth:grant-type:token-exchange";
    public const string Bearer = "urn:ietf:params:oauth:grant-type:jwt-bearer";
    public const string AccessToken = "urn:ietf:params:oauth:token-type:access_token";
    public const string IdToken = "urn:ietf:params:oauth:token-type:id_token";
    public const string Jwt = "urn:ietf:params:oauth:token-type:jwt";
    public const string PumpAudience = "https://val.example/pump-control";
    public const string FleetAudience = "https://val.example/fleet-tracking";

    public OpenIdServer Server { get; } = new();

    public Partner Partner { get; } = new("https://sim.partner.example");

    public string Issuer => Server.Issuer;

    public async ValueTask InitializeAsync()
    {
        await Server.InitializeAsync();
        const string all = "openid profile val:pump-control val:fleet-tracking seal:key_management seal:group_management";
        await AddAsync("front", "openid profile offline_access val:pump-control val:fleet-tracking seal:key_management", null, c => c with
        {
            Grants = [GrantType.AuthorizationCode, GrantType.RefreshToken, GrantType.TokenExchange],
            RedirectUris = [OpenIdServer.Callback],
        });
        await AddAsync("pump", all, PumpAudience, c => c with { OwnedServices = ["pump-control"] });
        await AddAsync("fleet", all, FleetAudience);
        await AddAsync("bold", all, PumpAudience, c => c with { MayImpersonate = true });
        await AddAsync("outsider", all, "https://val.example/elsewhere");
        await SaveIssuerAsync(Partner.Registration(["pump", "outsider"]));
    }

    public ValueTask DisposeAsync() => Server.DisposeAsync();

    public async Task AddAsync(string id, string scopes, string? audience, Func<Client, Client>? change = null)
    {
        var client = new Client
        {
            ClientId = id,
            Name = id,
            Profile = ClientProfile.OpenId,
            Grants = [GrantType.ClientCredentials, GrantType.TokenExchange, GrantType.JwtBearer],
            Scopes = ScopeList.Of(scopes.Split(' ')),
            Audience = audience,
            Consent = ConsentRule.Implied,
        };
        await Server.AddClientAsync(change is null ? client : change(client));
    }

    public async Task SaveIssuerAsync(TrustedIssuer issuer)
    {
        var directory = Server.Service<IDirectory>();
        var exists = (await directory.ListIssuersAsync(CancellationToken.None)).Any(i => i.Issuer == issuer.Issuer);
        Assert.True((await directory.SaveIssuerAsync(issuer, create: !exists, null, new AuditEntry { Kind = "issuer.saved", Outcome = AuditOutcome.Changed, At = 1 }, CancellationToken.None)).Succeeded(out _, out var refusal), refusal?.Operator);
        await Server.Service<SnapshotState>().RefreshAsync(CancellationToken.None);
    }

    /// <summary>Alice's tokens for front: pump-control, fleet-tracking and key management.</summary>
    public async Task<JsonObject> TokensAsync(string scope = "openid profile val:pump-control val:fleet-tracking seal:key_management", string clientId = "front")
    {
        var flow = Server.NewFlow(clientId);
        flow.Parameters["scope"] = scope;
        return await flow.TokensAsync(Server.NewUser());
    }

    public async Task<string> UserTokenAsync(string scope = "openid val:pump-control val:fleet-tracking") => (string)(await TokensAsync(scope))["access_token"]!;

    public async Task<string> ClientTokenAsync(string clientId, string scope) =>
        (string)(await Server.PostAsync("/token", Server.Server.Basic(clientId), ("grant_type", "client_credentials"), ("scope", scope))).Json["access_token"]!;

    public Task<Answer> ExchangeAsync(string clientId, string subjectToken, params (string Name, string Value)[] more) => ExchangeAsync(clientId, AccessToken, subjectToken, more);

    public Task<Answer> ExchangeAsync(string clientId, string type, string subjectToken, (string Name, string Value)[] more) =>
        Server.PostAsync("/token", Server.Server.Basic(clientId), [("grant_type", Exchange), ("subject_token", subjectToken), ("subject_token_type", type), .. more]);

    public Task<Answer> AssertAsync(string clientId, string assertion, params (string Name, string Value)[] more) =>
        Server.PostAsync("/token", Server.Server.Basic(clientId), [("grant_type", Bearer), ("assertion", assertion), .. more]);

    public static JsonObject Granted(Answer answer)
    {
        Assert.True(answer.Status == HttpStatusCode.OK, answer.Text);
        Assert.True(answer.Response.Headers.CacheControl!.NoStore);
        Assert.Null(answer.Json["refresh_token"]);
        return OpenIdServer.ClaimsOf((string)answer.Json["access_token"]!);
    }
}

/// <summary>Another issuer, with a key of its own.</summary>
public sealed class Partner(string issuer)
{
    private readonly ClientSigningKey _key = ClientSigningKey.FromEcdsa(ECDsa.Create(ECCurve.NamedCurves.nistP256));

    public string Issuer => issuer;

    public TrustedIssuer Registration(string[] clients) => new()
    {
        Issuer = issuer,
        Name = "Partner VAL system",
        Keys = JsonWebKeySet.Of([_key.PublicJwk!]),
        Scopes = ScopeList.Of(["val:pump-control", "seal:group_management"]),
        Clients = [.. clients],
        Federated = true,
        Links = ImmutableDictionary<string, string>.Empty,
    };

    public JsonObject Claims(string audience, DateTimeOffset now) => new()
    {
        ["iss"] = issuer,
        ["sub"] = "carol",
        ["aud"] = audience,
        ["exp"] = now.ToUnixTimeSeconds() + 120,
        ["iat"] = now.ToUnixTimeSeconds(),
        ["jti"] = Guid.NewGuid().ToString("N"),
    };

    public string Sign(JsonObject claims, string? typ = "JWT", ClientSigningKey? by = null, string? header = null) =>
        JwsWriter.Write(header is null ? JwsWriter.Header(by ?? _key, typ) : Encoding.UTF8.GetBytes(header), Encoding.UTF8.GetBytes(claims.ToJsonString()), by ?? _key);
}
