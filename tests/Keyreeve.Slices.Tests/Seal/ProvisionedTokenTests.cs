using System.Net;
using System.Text.Json.Nodes;
using Keyreeve.Core.Identity;
using Keyreeve.Slices.Tests.OpenId;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Slices.Tests.Seal;

/// <summary>What a configuration of a VAL server changes in the tokens of users, and from when on.</summary>
[Proves("TS 33.434", "5.2.3")]
public sealed class ProvisionedTokenTests(SealCaller caller) : IClassFixture<SealCaller>
{
    private const string Pump = SealCaller.Pump;
    private const string Fleet = SealCaller.Fleet;

    [Fact]
    public async Task A_service_that_was_taken_away_ends_the_tokens_that_carry_it_and_is_in_no_later_one()
    {
        var (name, user) = await AddUserAsync(Fleet);
        var made = await ProvisionAsync(name);
        var tokens = await caller.SignInAsync(user, $"openid val:{Pump} val:{Fleet} seal:key_management");
        Assert.Equal([Fleet, Pump], ServicesOf(tokens));
        Assert.Contains($"val:{Pump}", (string)tokens["scope"]!, StringComparison.Ordinal);
        Assert.True(await caller.Host.IsActiveAsync("val-server", (string)tokens["access_token"]!));

        (await caller.SendAsync(HttpMethod.Delete, made.Location, await TokenAsync())).Is(HttpStatusCode.NoContent);
        Assert.False(await caller.Host.IsActiveAsync("val-server", (string)tokens["access_token"]!), "a token with the service lives on");
        caller.Server.Time.Advance(TimeSpan.FromSeconds(3));
        var (status, refreshed, _) = await caller.Host.NewFlow().RefreshAsync((string)tokens["refresh_token"]!);
        Assert.Equal(HttpStatusCode.OK, status);
        Assert.DoesNotContain(Pump, (string)refreshed["scope"]!, StringComparison.Ordinal);
        Assert.Equal([Fleet], ServicesOf(refreshed));
        Assert.Equal([Fleet], ServicesOf(await caller.SignInAsync(caller.Host.NewUser(name), $"openid val:{Pump} val:{Fleet}")));
    }

    [Fact]
    public async Task A_code_that_was_issued_before_does_not_bring_the_service_back()
    {
        var (name, user) = await AddUserAsync(Fleet);
        var made = await ProvisionAsync(name);
        var flow = new SealFlow(caller.Server) { Parameters = { ["scope"] = $"openid val:{Pump} val:{Fleet}" } };
        var code = await flow.CodeAsync(user);
        (await caller.SendAsync(HttpMethod.Delete, made.Location, await TokenAsync())).Is(HttpStatusCode.NoContent);
        caller.Server.Time.Advance(TimeSpan.FromSeconds(3));
        var (status, tokens, _) = await flow.RedeemAsync(code);
        Assert.Equal(HttpStatusCode.OK, status);
        Assert.DoesNotContain(Pump, (string)tokens["scope"]!, StringComparison.Ordinal);
        Assert.Equal([Fleet], ServicesOf(tokens));
    }

    [Theory]
    [InlineData("PUT")]
    [InlineData("PATCH")]
    public async Task A_change_takes_away_from_who_is_no_longer_named_and_from_nobody_else(string method)
    {
        var ((leaving, leaver), (staying, stayer)) = (await AddUserAsync(Fleet), await AddUserAsync(Fleet));
        var made = await ProvisionAsync(leaving, staying);
        var (left, stayed) = (await SignInAsync(leaver), await SignInAsync(stayer));
        var config = SealCaller.Config("val-server", (Pump, [IdOf(staying)]));
        config.Remove(method == "PATCH" ? "valServerId" : "");
        (await caller.SendAsync(new(method), made.Location, await TokenAsync(), config.ToJsonString(), method == "PUT" ? "application/json" : "application/merge-patch+json")).Is(HttpStatusCode.OK);
        Assert.False(await caller.Host.IsActiveAsync("val-server", left));
        Assert.True(await caller.Host.IsActiveAsync("val-server", stayed));
    }

    [Fact]
    public async Task What_an_operator_or_another_configuration_gives_stays()
    {
        var (byOperator, first) = await AddUserAsync(Pump);
        var (byAnother, second) = await AddUserAsync(Fleet);
        var made = await ProvisionAsync(byOperator, byAnother);
        var another = await ProvisionAsync(byAnother);
        var (a, b) = (await SignInAsync(first), await SignInAsync(second));
        (await caller.SendAsync(HttpMethod.Delete, made.Location, await TokenAsync())).Is(HttpStatusCode.NoContent);
        Assert.True(await caller.Host.IsActiveAsync("val-server", a));
        Assert.True(await caller.Host.IsActiveAsync("val-server", b));
        Assert.Equal([Pump], (await FindAsync(byOperator)).AllServiceIds);
        Assert.Equal([Fleet, Pump], (await FindAsync(byAnother)).AllServiceIds);

        // An operator's own list is what it was: a save of the user does not make the VAL server's gift the operator's.
        await caller.Host.ChangeUserAsync(byAnother, u => u with { DisplayName = "Somebody" });
        Assert.Equal(([Fleet], [Pump]), ((await FindAsync(byAnother)).ValServiceIds, (await FindAsync(byAnother)).ProvisionedServiceIds), Same);
        (await caller.SendAsync(HttpMethod.Delete, another.Location, await TokenAsync())).Is(HttpStatusCode.NoContent);
        Assert.False(await caller.Host.IsActiveAsync("val-server", b));
    }

    [Fact]
    public async Task A_VAL_user_that_is_named_before_it_is_known_has_the_service_when_it_comes()
    {
        var name = caller.NewName();
        (await caller.ProvisionAsync(await TokenAsync(), "val-server", (Pump, [IdOf(name)]))).Is(HttpStatusCode.Created);
        var user = await caller.Host.AddUserAsync(name, Fleet);
        Assert.Equal([Fleet, Pump], ServicesOf(await caller.SignInAsync(user, $"openid val:{Pump}")));
    }

    [Fact]
    public async Task A_VAL_UE_gets_services_of_its_own_beside_the_operators()
    {
        var ue = "ue-" + caller.NewName();
        var directory = caller.Host.Service<IDirectory>();
        Assert.True((await directory.SaveDeviceAsync(new Device { ValUeId = ue, ValServiceIds = [Fleet] }, create: true, null, Entry, TestContext.Current.CancellationToken)).Succeeded(out _, out _));
        var made = (await caller.ProvisionAsync(await TokenAsync(), "val-server", (Pump, [ue]))).Is(HttpStatusCode.Created);
        Assert.Equal([Fleet, Pump], (await directory.FindDeviceAsync(ue, TestContext.Current.CancellationToken))!.AllServiceIds);
        (await caller.SendAsync(HttpMethod.Delete, made.Location, await TokenAsync())).Is(HttpStatusCode.NoContent);
        Assert.Equal([Fleet], (await directory.FindDeviceAsync(ue, TestContext.Current.CancellationToken))!.AllServiceIds);
    }

    [Fact]
    public async Task What_a_VAL_server_gave_ends_with_its_right_to_give_it()
    {
        var clientId = caller.NewName("server");
        await caller.Host.AddClientAsync(SealCaller.ValServer(clientId, Pump, Fleet));
        var token = await TokenAsync(clientId);
        var ((aName, aUser), (bName, bUser)) = (await AddUserAsync(Fleet), await AddUserAsync(Fleet));
        var two = (await caller.ProvisionAsync(token, clientId, (Pump, [IdOf(aName)]), (Fleet, [IdOf(aName)]))).Is(HttpStatusCode.Created);
        var one = (await caller.ProvisionAsync(token, clientId, (Pump, [IdOf(bName)]))).Is(HttpStatusCode.Created);
        var (a, b) = (await SignInAsync(aUser), await SignInAsync(bUser));

        await caller.Host.ChangeClientAsync(clientId, c => c with { OwnedServices = [Fleet] });
        Assert.False(await caller.Host.IsActiveAsync("val-server", a));
        Assert.False(await caller.Host.IsActiveAsync("val-server", b));
        Assert.Empty((await FindAsync(bName)).ProvisionedServiceIds);
        Assert.Equal(SealCaller.Config(clientId, (Fleet, [IdOf(aName)])).ToJsonString(), (await caller.SendAsync(HttpMethod.Get, two.Location, token)).Is(HttpStatusCode.OK).Json.ToJsonString());
        (await caller.SendAsync(HttpMethod.Get, one.Location, token)).Refused(HttpStatusCode.NotFound);
        // A token from before says Pump still; what counts is the registration as it is.
        (await caller.ProvisionAsync(token, clientId, (Pump, [IdOf(bName)]))).Refused(HttpStatusCode.Forbidden, "/valSvcConf/0/valServiceId");
        Assert.True(await caller.Host.Service<IDirectory>().RemoveClientAsync(clientId, Entry, TestContext.Current.CancellationToken));
        Assert.Empty((await FindAsync(aName)).ProvisionedServiceIds);
    }

    [Fact]
    public async Task The_audit_tells_which_services_and_how_many_and_names_nobody()
    {
        var name = caller.NewName("secret-name");
        var made = await ProvisionAsync(name);
        (await caller.ProvisionAsync(await TokenAsync(), "val-server", (Fleet, [IdOf(name)]))).Refused(HttpStatusCode.Forbidden, "/valSvcConf/0/valServiceId");
        (await caller.SendAsync(HttpMethod.Delete, made.Location, await TokenAsync())).Is(HttpStatusCode.NoContent);
        var id = made.Location.Split('/')[^1];
        await caller.Server.WaitForAsync(async () => (await AuditText.OfAsync(caller.Host)).Contains("\"Refused\"", StringComparison.Ordinal));
        var lines = (await AuditText.OfAsync(caller.Host)).Split('\n').Where(l => l.Contains("idm.configuration", StringComparison.Ordinal)).ToList();
        Assert.Contains(lines, l => l.Contains(id, StringComparison.Ordinal) && l.Contains($"created: {Pump} (1)", StringComparison.Ordinal));
        Assert.Contains(lines, l => l.Contains(id, StringComparison.Ordinal) && l.Contains("removed", StringComparison.Ordinal));
        Assert.DoesNotContain(lines, l => l.Contains("secret-name", StringComparison.Ordinal));
    }

    private static readonly Keyreeve.Core.Audit.AuditEntry Entry = new() { Kind = "test", Outcome = Keyreeve.Core.Audit.AuditOutcome.Changed, At = 1, Actor = "system" };

    private static bool Same((IReadOnlyList<string>, IReadOnlyList<string>) a, (IReadOnlyList<string>, IReadOnlyList<string>) b) => a.Item1.SequenceEqual(b.Item1) && a.Item2.SequenceEqual(b.Item2);

    private static string IdOf(string name) => $"sip:{name}@val.example";

    private static IEnumerable<string> ServicesOf(JsonObject tokens) => OpenIdServer.ClaimsOf((string)tokens["access_token"]!)["val_service_ids"]!.AsArray().Select(s => (string)s!);

    private Task<string> TokenAsync(string clientId = "val-server") => caller.TokenAsync("seal:identity_provisioning", clientId);

    private async Task<(string Name, SimUser User)> AddUserAsync(params string[] services)
    {
        var name = caller.NewName();
        return (name, await caller.Host.AddUserAsync(name, services));
    }

    private async Task<User> FindAsync(string name) => (await caller.Host.Service<IDirectory>().FindUserByNameAsync(name, TestContext.Current.CancellationToken))!;

    private async Task<ApiAnswer> ProvisionAsync(params string[] names) =>
        (await caller.ProvisionAsync(await TokenAsync(), "val-server", (Pump, [.. names.Select(IdOf)]))).Is(HttpStatusCode.Created);

    private async Task<string> SignInAsync(SimUser user) => (string)(await caller.SignInAsync(user, $"openid val:{Pump}"))["access_token"]!;
}
