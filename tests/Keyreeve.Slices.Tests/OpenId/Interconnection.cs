using System.Text;
using System.Text.Json.Nodes;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Keys;
using Keyreeve.Core.Snapshots;
using Keyreeve.Testing;
using Keyreeve.Wire.OAuth;
using Xunit;

namespace Keyreeve.Slices.Tests.OpenId;

// Inside Keyreeve.*, "Client" alone is the namespace of the SDK.
using Client = Keyreeve.Core.Identity.Client;

/// <summary>
/// Two VAL systems (TS 33.434 5.4). Carla's account is in the primary, where she signs in with <c>roamer</c>; the serving one has the VAL
/// service <c>joint-response</c>, the client <c>visitor</c> that exchanges her token, and <c>joint-server</c> that is called with the result.
/// </summary>
public sealed class Interconnection : IAsyncLifetime
{
    public const string Joint = "joint-response";
    public const string ServedAudience = "https://serving.example/joint-response";

    public OpenIdServer Primary { get; private set; } = null!;

    public OpenIdServer Serving { get; private set; } = null!;

    public SimUser Carla { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        Primary = await OpenIdServer.StartAsync();
        Serving = await OpenIdServer.StartAsync("Outbound:AllowedNetworks=127.0.0.0/8 ::1/128", "Outbound:TrustAnchors=" + Primary.Server.Folder.CaPem);
        // In the primary system the service is what the partner is called there: tokens for it are for the serving system.
        await AddServiceAsync(Primary, Serving.Issuer);
        await AddServiceAsync(Serving, ServedAudience);
        Carla = await Primary.AddUserAsync("carla", Joint);
        await Primary.AddClientAsync(Registration("roamer", $"openid val:{Joint}") with { Grants = [GrantType.AuthorizationCode, GrantType.RefreshToken], RedirectUris = [OpenIdServer.Callback], Consent = ConsentRule.Implied });
        await Primary.AddClientAsync(Registration("serving-system", "") with { Audience = Serving.Issuer });
        await Serving.AddClientAsync(Registration("visitor", $"val:{Joint}") with { Grants = [GrantType.TokenExchange, GrantType.JwtBearer] });
        await Serving.AddClientAsync(Registration("joint-server", $"val:{Joint}") with { Audience = ServedAudience, Grants = [GrantType.ClientCredentials, GrantType.TokenExchange] });
        await TrustAsync(Trust());
    }

    public async ValueTask DisposeAsync()
    {
        await Serving.DisposeAsync();
        await Primary.DisposeAsync();
    }

    /// <summary>The primary's registration in the serving system.</summary>
    public TrustedIssuer Trust() => new()
    {
        Issuer = Primary.Issuer,
        Name = "Primary VAL system",
        KeysUri = Primary.Issuer + "/jwks",
        Scopes = ScopeList.Of(["val:" + Joint]),
        Clients = ["visitor"],
        Federated = true,
        Origin = OriginOf(Primary.Issuer, Primary.Issuer + "/introspect", (string)Primary.Server.Client("serving-system")["clientSecret"]!),
    };

    public OriginCheck OriginOf(string issuer, string address, string secret) =>
        new(address, "serving-system", Serving.Service<Kek>().Seal(OriginCheck.PurposeOf(issuer), Encoding.UTF8.GetBytes(secret)));

    public async Task TrustAsync(TrustedIssuer issuer)
    {
        var directory = Serving.Service<IDirectory>();
        var exists = (await directory.ListIssuersAsync(CancellationToken.None)).Any(i => i.Issuer == issuer.Issuer);
        Assert.True((await directory.SaveIssuerAsync(issuer, create: !exists, null, Entry("issuer.saved"), CancellationToken.None)).Succeeded(out _, out var refusal), refusal?.Operator);
        await Serving.Service<SnapshotState>().RefreshAsync(CancellationToken.None);
    }

    /// <summary>Carla's tokens of the primary system, by a login of her own.</summary>
    public async Task<JsonObject> SignInAsync(SimUser? user = null)
    {
        var flow = Primary.NewFlow("roamer");
        flow.Parameters["scope"] = $"openid val:{Joint}";
        return await flow.TokensAsync(user ?? Primary.NewUser("carla"));
    }

    public Task<Answer> ExchangeAsync(string token, string type = ExchangeWorld.Jwt, string client = "visitor") =>
        Serving.PostAsync("/token", Serving.Server.Basic(client), ("grant_type", ExchangeWorld.Exchange), ("subject_token", token), ("subject_token_type", type));

    private static Client Registration(string id, string scopes) => new()
    {
        ClientId = id,
        Name = id,
        Profile = ClientProfile.OpenId,
        Grants = [GrantType.ClientCredentials],
        Scopes = scopes.Length == 0 ? ScopeList.Empty : ScopeList.Of(scopes.Split(' ')),
    };

    private static async Task AddServiceAsync(OpenIdServer server, string audience)
    {
        var service = new ValService { ServiceId = Joint, Name = "Joint response", Audience = audience };
        Assert.True((await server.Service<IDirectory>().SaveServiceAsync(service, create: true, null, Entry("service.saved"), CancellationToken.None)).Succeeded(out _, out var refusal), refusal?.Operator);
        await server.Service<SnapshotState>().RefreshAsync(CancellationToken.None);
    }

    private static AuditEntry Entry(string kind) => new() { Kind = kind, Outcome = AuditOutcome.Changed, At = 1 };
}
