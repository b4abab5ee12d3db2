using System.Net;
using System.Text.RegularExpressions;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Policy;
using Keyreeve.Core.Snapshots;
using Keyreeve.Slices.Tests.Seal;
using Keyreeve.Slices.Tests.Web.Login;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Slices.Tests.OpenId;

/// <summary>A resource of ours that demands a stronger login than the token tells of, and the way from its challenge to its answer.</summary>
[Proves("RFC 9470", "3")]
public sealed class StepUpChallengeTests(StepUpChallengeTests.StrictPump world) : IClassFixture<StepUpChallengeTests.StrictPump>
{
    /// <summary>A server whose service pump-control wants a second factor, and so for its key records.</summary>
    public sealed class StrictPump : IAsyncLifetime
    {
        public OpenIdServer Server { get; } = new();

        public KmDoor Door { get; private set; } = null!;

        public async ValueTask InitializeAsync()
        {
            await Server.InitializeAsync();
            Door = await KmDoor.OfAsync(Server.Server);
            var directory = Server.Service<IDirectory>();
            var pump = (await directory.ListServicesAsync(CancellationToken.None)).Single(s => s.ServiceId == KmDoor.Pump);
            // An unknown class stays in the registration, and out of the header.
            string[] demanded = [AuthenticationClass.TwoFactor, "\"loa", AuthenticationClass.PhishingResistant];
            var saved = await directory.SaveServiceAsync(pump with { AcrValues = demanded }, create: false, null, FactorsOf.Entry("service.saved"), CancellationToken.None);
            Assert.True(saved.Succeeded(out _, out _));
            await Server.Service<SnapshotState>().RefreshAsync(CancellationToken.None);
        }

        public async ValueTask DisposeAsync()
        {
            await Door.DisposeAsync();
            Server.Http.Dispose();
        }
    }

    private OpenIdServer Server => world.Server;

    private KmDoor Door => world.Door;

    [Fact]
    [Proves("RFC 9470", "5")]
    public async Task From_the_challenge_over_a_second_factor_to_the_key_material()
    {
        var user = await Server.AddUserAsync("stepper");
        var flow = Flow();
        var visit = await (await LoginVisit.ToAsync(Server, user, flow)).SendPasswordAsync("stepper");
        var weak = await TokenAsync(flow, await visit.AllowIfAskedAsync());
        Assert.Equal(AuthenticationClass.Password, (string)OpenIdServer.ClaimsOf(weak)["acr"]!);
        await Server.GiveTotpAsync(user, "stepper");

        var refused = (await Door.AskAsync(Door.Request(KmDoor.Pump, null), weak)).Refused("03", 401);
        var challenge = Regex.Match(refused.Challenge!, "^Bearer realm=\"keyreeve\", error=\"insufficient_user_authentication\", error_description=\"[a-z ]+\", acr_values=\"([^\"]+)\"$");
        Assert.True(challenge.Success, refused.Challenge);
        Assert.Equal("urn:keyreeve:acr:two-factor phr", challenge.Groups[1].Value);
        Assert.Equal("InsufficientAuthentication", Door.Log.LastRefusal);

        // "the client SHOULD send the acr_values in the authorization request": the session is asked only for what is missing.
        flow = Flow();
        flow.Parameters["acr_values"] = challenge.Groups[1].Value;
        visit = await LoginVisit.ToAsync(Server, user, flow);
        Assert.True(visit.AsksCode);
        Assert.False(visit.AsksPassword);
        await visit.SendCodeAsync();
        var strong = await TokenAsync(flow, await visit.AllowIfAskedAsync());
        Assert.Equal(AuthenticationClass.TwoFactor, (string)OpenIdServer.ClaimsOf(strong)["acr"]!);
        (await Door.AskAsync(Door.Request(KmDoor.Pump, null), strong)).Granted(Door.PayloadOf(KmDoor.Pump));
    }

    [Fact]
    public async Task A_weak_login_still_opens_what_demands_no_more()
    {
        (await Door.AskAsync(Door.Request(KmDoor.Fleet), Door.AliceToken)).Granted(Door.PayloadOf(KmDoor.Fleet, "userId", KmDoor.Alice));
        (await Door.AskAsync(Door.Request(), Door.AliceToken)).Refused("03", 401);
    }

    [Fact]
    public async Task Who_may_not_ask_learns_nothing_of_the_demand()
    {
        (await Door.AskAsync(Door.Request(KmDoor.Pump, "userId", KmDoor.Bob), Door.AliceToken)).Refused("04", 403);
        await Server.AddUserAsync("outsider", KmDoor.Fleet);
        var flow = Flow();
        var visit = await (await LoginVisit.ToAsync(Server, Server.NewUser("outsider"), flow)).SendPasswordAsync("outsider");
        (await Door.AskAsync(Door.Request(KmDoor.Pump, null), await TokenAsync(flow, await visit.AllowIfAskedAsync()))).Refused("04", 403);
    }

    [Fact]
    public async Task A_VAL_server_speaks_for_itself_and_has_no_login_to_raise() =>
        (await Door.AskAsync(Door.Request(), Door.ValServerToken)).Granted(Door.PayloadOf(KmDoor.Pump, "userId", KmDoor.Alice));

    private SealFlow Flow()
    {
        var flow = Server.NewFlow();
        flow.Parameters["scope"] = "openid seal:key_management";
        return flow;
    }

    private static async Task<string> TokenAsync(SealFlow flow, LoginVisit visit)
    {
        Assert.True(visit["code"] is not null, visit.Location ?? visit.Html);
        var (status, body, _) = await flow.RedeemAsync(visit["code"]!);
        Assert.Equal(HttpStatusCode.OK, status);
        return (string)body["access_token"]!;
    }
}
