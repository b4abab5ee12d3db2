using System.Net;
using System.Text.Json.Nodes;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Snapshots;
using Keyreeve.Core.Tokens;
using Keyreeve.Testing;
using Keyreeve.Wire.OAuth;
using Xunit;

namespace Keyreeve.Slices.Tests.OpenId;

/// <summary>Clients of different sectors that put together what they were told of alice, and learn nothing by it.</summary>
[Proves("TS 33.434", "4.1")]
[Proves("OpenID Connect Core 1.0", "8.1")]
public sealed class PairwiseTests : IAsyncLifetime
{
    private const string Audience = "https://val.example/pump-control";

    private readonly OpenIdServer _server = new();
    private string _alice = "";

    public async ValueTask InitializeAsync()
    {
        await _server.InitializeAsync();
        _alice = (string)_server.Server.User("alice")["sub"]!;
        foreach (var (id, sector) in ((string, string?)[])[("north", "north.example"), ("north-too", "north.example"), ("south", "south.example"), ("public", null)])
            await _server.AddClientAsync(new()
            {
                ClientId = id,
                Name = id,
                Profile = ClientProfile.OpenId,
                RedirectUris = [OpenIdServer.Callback],
                Scopes = ScopeList.Of(["openid", "profile", "val:pump-control"]),
                Consent = ConsentRule.Implied,
                PostLogoutRedirectUris = [OpenIdServer.Callback],
                Sector = sector,
            });
        await _server.AddClientAsync(new()
        {
            ClientId = "pump",
            Name = "pump",
            Profile = ClientProfile.OpenId,
            Grants = [GrantType.ClientCredentials, GrantType.TokenExchange],
            Scopes = ScopeList.Of(["val:pump-control"]),
            Audience = Audience,
        });
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Fact]
    public async Task Clients_of_a_sector_know_a_user_by_one_name_and_those_of_another_by_another()
    {
        var names = new Dictionary<string, string>();
        foreach (var client in (string[])["north", "north-too", "south", "public"])
        {
            var tokens = await TokensAsync(client);
            var (id, access) = (OpenIdServer.ClaimsOf((string)tokens["id_token"]!), OpenIdServer.ClaimsOf((string)tokens["access_token"]!));
            var userInfo = (await _server.GetAsync("/userinfo", (string)tokens["access_token"]!)).Json;
            var refreshed = OpenIdServer.ClaimsOf((string)(await _server.NewFlow(client).RefreshAsync((string)tokens["refresh_token"]!)).Body["id_token"]!);
            var introspected = await _server.IntrospectAsync(client, (string)tokens["access_token"]!);
            var family = await _server.IntrospectAsync(client, (string)(await TokensAsync(client))["refresh_token"]!);
            names[client] = (string)id["sub"]!;
            foreach (var said in (JsonObject[])[access, userInfo, refreshed, introspected, family])
                Assert.Equal(names[client], (string)said["sub"]!);
            if (client == "public")
                continue;
            // Nothing else in them is the same in two sectors, and nothing names her elsewhere.
            foreach (var said in (JsonObject[])[id, access, userInfo, refreshed, introspected, family])
            {
                Assert.DoesNotContain(_alice, said.ToJsonString(), StringComparison.Ordinal);
                Assert.Null(said["val_user_id"]);
                Assert.Null(said["val_ue_id"]);
                Assert.Null(said["sid"]);
            }
        }
        Assert.Equal(_alice, names["public"]);
        Assert.Equal(names["north"], names["north-too"]);
        Assert.Equal(3, names.Values.Distinct(StringComparer.Ordinal).Count());
        Assert.True(PairwiseSubjects.IsName(names["north"]) && PairwiseSubjects.IsName(names["south"]));
    }

    [Fact]
    public async Task What_ends_the_users_tokens_ends_those_of_every_sector()
    {
        var token = (string)(await TokensAsync("north"))["access_token"]!;
        Assert.True(await _server.IsActiveAsync("pump", token));
        await _server.Service<IRevocationStore>().AddAsync([Revocation.OfSubject(_alice, _server.Server.Time.GetUtcNow())],
            new Core.Audit.AuditEntry { Kind = "tokens.ended", Outcome = Core.Audit.AuditOutcome.Changed, At = 1 }, CancellationToken.None);
        await _server.Service<SnapshotState>().RefreshAsync(CancellationToken.None);
        Assert.False(await _server.IsActiveAsync("pump", token));
        Assert.Equal(HttpStatusCode.Unauthorized, (await _server.GetAsync("/userinfo", token)).Status);
    }

    [Fact]
    public async Task An_exchange_does_not_tell_the_name_of_another_sector()
    {
        var token = (string)(await TokensAsync("north"))["access_token"]!;
        // The resource server may look at the token, and may not turn it into one that names her.
        Assert.True(await _server.IsActiveAsync("pump", token));
        (await _server.PostAsync("/token", _server.Server.Basic("pump"), ("grant_type", ExchangeWorld.Exchange), ("subject_token", token), ("subject_token_type", ExchangeWorld.AccessToken)))
            .AssertError(HttpStatusCode.BadRequest, "invalid_request");
    }

    [Fact]
    public async Task A_hint_names_its_user_in_every_sector()
    {
        var user = _server.NewUser();
        var flow = Flow("north");
        var hint = (string)(await flow.TokensAsync(user))["id_token"]!;
        Assert.NotNull((await user.GoAsync(HintedBy(hint)))["code"]);
        // Another user's session: the hint does not fit.
        await _server.AddUserAsync("berta");
        var berta = _server.NewUser("berta");
        await Flow("north").TokensAsync(berta);
        Assert.Equal("login_required", (await berta.GoAsync(HintedBy(hint)))["error"]);

        string HintedBy(string idToken)
        {
            var again = Flow("north");
            again.Parameters["prompt"] = "none";
            again.Parameters["id_token_hint"] = idToken;
            return again.AuthorizeAddress;
        }
    }

    [Fact]
    public async Task A_client_that_moves_to_another_sector_keeps_its_living_tokens()
    {
        var token = (string)(await TokensAsync("south"))["access_token"]!;
        var before = (await _server.GetAsync("/userinfo", token)).Json;
        await _server.ChangeClientAsync("south", c => c with { Sector = "moved.example" });
        Assert.Equal((string)before["sub"]!, (string)(await _server.GetAsync("/userinfo", token)).Json["sub"]!);
        Assert.NotEqual((string)before["sub"]!, (string)OpenIdServer.ClaimsOf((string)(await TokensAsync("south"))["id_token"]!)["sub"]!);
    }

    private Task<JsonObject> TokensAsync(string client) => Flow(client).TokensAsync(_server.NewUser());

    private SealFlow Flow(string client)
    {
        var flow = _server.NewFlow(client);
        flow.Parameters["scope"] = "openid val:pump-control";
        return flow;
    }
}
