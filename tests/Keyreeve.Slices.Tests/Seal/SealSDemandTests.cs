using System.Net;
using Keyreeve.Core.Identity;
using Keyreeve.Server.Settings;
using Keyreeve.Slices.Tests.OpenId;
using Keyreeve.Testing;
using Keyreeve.Wire.OAuth;
using Xunit;
using static Keyreeve.Slices.Tests.Seal.SealSDoors;

namespace Keyreeve.Slices.Tests.Seal;

/// <summary>Seal:RequireCertificate: the operator demands certificate and token of every VAL server, whatever its registration says.</summary>
[Proves("TS 33.434", "5.1.1.8")]
public sealed class SealSDemandTests : IAsyncLifetime
{
    private readonly CertificateWorld _world = new() { Settings = ["Seal:RequireCertificate=true"] };
    private readonly SealSDoors _doors;

    public SealSDemandTests() => _doors = new(_world);

    public ValueTask InitializeAsync() => _world.InitializeAsync();

    public ValueTask DisposeAsync() => _world.DisposeAsync();

    [Fact]
    public async Task What_the_operator_demands_of_all_no_registration_takes_away_and_users_are_not_concerned()
    {
        const string Secret = "secret-only";
        await _world.Server.AddClientAsync(SealCaller.ValServer(Secret) with { Scopes = ScopeList.Of(["seal:identity_provisioning", "seal:user_profile", "seal:key_management", "seal:key_provisioning"]) });
        var (id, name) = await _doors.NewServerAsync(isRegisteredSo: false);
        using var certificate = _world.Pinned.Issue("CN=val", n => n.AddUri(new Uri(name)));
        using var nobodys = _world.Pinned.Issue("CN=val", n => n.AddUri(new Uri("urn:nobody")));
        var user = (string)(await new SealFlow(_world.Server.Server) { Parameters = { ["scope"] = "openid seal:key_management seal:user_profile" } }.TokensAsync(_world.Server.NewUser()))["access_token"]!;
        foreach (var door in SealSDoors.All)
        {
            var token = await _doors.TokenAsync(Secret, door);
            AssertRefused(door, await _doors.AskAsync(door, "https", null, token, Secret), "this client calls with its certificate and the token, on listener mtls");
            AssertRefused(door, await _doors.AskAsync(door, "mtls", null, token, Secret), "this client calls with its certificate and the token, on listener mtls");
            // No name is registered for it, so that no certificate is its own.
            AssertRefused(door, await _doors.AskAsync(door, "mtls", nobodys, token, Secret), "the certificate holds no name of a VAL server that is known here");
            AssertRefused(door, await _doors.AskAsync(door, "mtls", certificate, token, Secret), "certificate and token are of different VAL servers");

            token = await _doors.TokenAsync(id, door);
            AssertRefused(door, await _doors.AskAsync(door, "https", null, token, id), "this client calls with its certificate and the token, on listener mtls");
            // It owns nothing here: past the certificate the keys are refused for that.
            Assert.Equal(door switch { "upr" or "ipp" => HttpStatusCode.OK, "kp" => HttpStatusCode.BadRequest, _ => HttpStatusCode.Forbidden }, (await _doors.AskAsync(door, "mtls", certificate, token, id)).Status);
        }
        foreach (var listener in (string[])["https", "mtls"])
        {
            // A VAL UE shows no certificate; its token is good as before.
            var keys = await _doors.AskAsync("km", listener, null, user, "-");
            Assert.Equal((HttpStatusCode.OK, "pump-control"), (keys.Status, (string?)keys.Json["serviceId"]));
            Assert.Equal(HttpStatusCode.OK, (await _doors.AskAsync("upr", listener, null, user, "-")).Status);
        }
        await _world.Server.Server.WaitForAsync(async () => (await AuditText.OfAsync(_world.Server)).Contains($"of client {Secret} certificate and token both are demanded (setting Seal:RequireCertificate)", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_token_made_of_another_VAL_servers_token_is_no_users_token()
    {
        const string Audience = "https://next.example";
        await _world.Server.AddClientAsync(SealCaller.ValServer("first") with { Scopes = ScopeList.Of(["val:next", "seal:key_management"]), OwnedServices = [Pump] });
        await _world.Server.AddClientAsync(SealCaller.ValServer("second") with { Scopes = ScopeList.Of(["seal:key_management"]), Grants = [GrantType.TokenExchange], Audience = Audience });
        var admin = new Admin.AdminFixtureOf(_world.Server.Server);
        Assert.Equal(HttpStatusCode.Created, (await admin.PostAsync("/services", $$"""{"serviceId":"next","name":"Next","audience":"{{Audience}}"}""")).StatusCode);
        var own = await _world.Server.PostAsync("/token", _world.Server.Server.Basic("first"), ("grant_type", "client_credentials"), ("scope", "val:next seal:key_management"));
        var made = await _world.Server.PostAsync("/token", _world.Server.Server.Basic("second"), ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("subject_token", (string)own.Json["access_token"]!), ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"));
        Assert.True(made.Status == HttpStatusCode.OK, made.Text);
        var token = (string)made.Json["access_token"]!;
        var claims = OpenIdServer.ClaimsOf(token);
        Assert.Equal(("first", "second"), ((string)claims["sub"]!, (string)claims["client_id"]!));
        AssertRefused("km", await _doors.AskAsync("km", "https", null, token, "second"), "this client calls with its certificate and the token, on listener mtls");
    }

    [Theory]
    [InlineData("Seal:RequireCertificate=required", "Seal:RequireCertificate")]
    [InlineData("Seal:RequireCertificate=true Listeners:mtls:Address=off", "needs listener mtls")]
    public void A_demand_that_is_misspelt_or_that_nobody_can_meet_stops_the_start(string settings, string says)
    {
        var pairs = settings.Split(' ').Select(s => s.Split('=')).Select(s => KeyValuePair.Create(s[0], s[1]));
        Assert.Contains(says, Assert.Throws<SettingsException>(() => SettingsReader.Read(null, [], [.. pairs])).Message, StringComparison.Ordinal);
    }
}
