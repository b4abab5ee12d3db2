using Keyreeve.Core.Identity;
using Keyreeve.Core.Policy;
using Keyreeve.Core.Snapshots;
using Keyreeve.Slices.Tests.OpenId;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Slices.Tests.Web.Login;

/// <summary>What a VAL service, a client or a request may demand of a login, and how a session grows to it.</summary>
[Proves("RFC 9470", "5")]
public sealed class StepUpTests(StepUpTests.StrictFleet world) : IClassFixture<StepUpTests.StrictFleet>
{
    private const string Session = "__Host-keyreeve-session";
    private const string Two = AuthenticationClass.TwoFactor;

    /// <summary>A server whose service fleet-tracking wants a second factor.</summary>
    public sealed class StrictFleet : IAsyncLifetime
    {
        public OpenIdServer Server { get; } = new();

        public async ValueTask InitializeAsync()
        {
            await Server.InitializeAsync();
            var directory = Server.Service<IDirectory>();
            var fleet = (await directory.ListServicesAsync(CancellationToken.None)).Single(s => s.ServiceId == "fleet-tracking");
            var saved = await directory.SaveServiceAsync(fleet with { AcrValues = ["phr", Two] }, create: false, null, FactorsOf.Entry("service.saved"), CancellationToken.None);
            Assert.True(saved.Succeeded(out _, out _));
            await Server.Service<SnapshotState>().RefreshAsync(CancellationToken.None);
        }

        public ValueTask DisposeAsync() => Server.DisposeAsync();
    }

    private OpenIdServer Server => world.Server;

    [Fact]
    public async Task A_weak_session_is_asked_only_for_what_is_missing_and_goes_on_under_a_new_cookie()
    {
        var (name, user) = await NewUserAsync("step", totp: false);
        var first = await ClaimsAsync(user, name, Flow("openid val:pump-control"));
        Assert.Equal("3gpp:acr:password", (string)first["acr"]!);
        // The app is set up after the login: the session stays what it is.
        await Server.GiveTotpAsync(user, name);
        var cookie = user.CookieOf(Session);
        Server.Server.Time.Advance(TimeSpan.FromSeconds(2));

        var flow = Flow("openid val:fleet-tracking");
        var visit = await LoginVisit.ToAsync(Server, user, flow);
        Assert.True(visit.AsksCode);
        Assert.False(visit.AsksPassword);
        await visit.SendCodeAsync();
        var second = await (await visit.AllowIfAskedAsync()).ClaimsAsync(flow);
        Assert.Equal(Two, (string)second["acr"]!);
        Assert.Equal(["pwd", "otp", "mfa"], second["amr"]!.AsArray().Select(a => (string)a!));
        Assert.Equal((string)first["sid"]!, (string)second["sid"]!);
        Assert.True((long)second["auth_time"]! > (long)first["auth_time"]!);
        Assert.NotEqual(cookie, user.CookieOf(Session));
        // The cookie before the step-up is worth nothing.
        var silent = Flow("openid val:pump-control");
        silent.Parameters["prompt"] = "none";
        var request = new HttpRequestMessage(HttpMethod.Get, silent.AuthorizeAddress) { Headers = { { "Cookie", $"{Session}={cookie}" } } };
        Assert.Equal("login_required", (await Server.SendAsync(request))["error"]);
        // And now the strict service is there without a page.
        var third = await LoginVisit.ToAsync(Server, user, Flow("openid val:fleet-tracking"));
        Assert.NotNull(third["code"]);
    }

    [Fact]
    public async Task Prompt_none_says_interaction_required_when_a_second_factor_would_do()
    {
        var (name, user) = await NewUserAsync("silent", totp: false);
        await ClaimsAsync(user, name, Flow("openid val:pump-control"));
        await Server.GiveTotpAsync(user, name);
        var flow = Flow("openid val:fleet-tracking");
        flow.Parameters["prompt"] = "none";
        Assert.Equal("interaction_required", (await LoginVisit.ToAsync(Server, user, flow))["error"]);
        // A mere wish shows no page and gets what there is.
        flow = Flow("openid val:pump-control", "urn:keyreeve:acr:two-factor");
        flow.Parameters["prompt"] = "none";
        Assert.Equal("3gpp:acr:password", (string)(await (await LoginVisit.ToAsync(Server, user, flow)).ClaimsAsync(flow))["acr"]!);
    }

    [Fact]
    public async Task Who_has_no_second_factor_does_not_reach_a_service_that_demands_one()
    {
        var (name, user) = await NewUserAsync("without", totp: false);
        var visit = await (await LoginVisit.ToAsync(Server, user, Flow("openid val:fleet-tracking"))).SendPasswordAsync(name);
        Assert.Equal("unmet_authentication_requirements", visit["error"]);
        // Beside a service that asks for less, too: the strongest demand counts.
        Assert.Equal("unmet_authentication_requirements", (await LoginVisit.ToAsync(Server, user, Flow("openid val:pump-control val:fleet-tracking")))["error"]);
        Assert.NotNull((await (await LoginVisit.ToAsync(Server, user, Flow("openid val:pump-control"))).AllowIfAskedAsync())["code"]);
    }

    [Fact]
    public async Task A_wish_is_asked_for_when_it_can_be_met_and_dropped_when_not()
    {
        var (name, user) = await NewUserAsync("wish", totp: false);
        var flow = Flow("openid val:pump-control", Two);
        Assert.Equal("3gpp:acr:password", (string)(await ClaimsAsync(user, name, flow))["acr"]!);
        await Server.GiveTotpAsync(user, name);
        var visit = await LoginVisit.ToAsync(Server, user, flow);
        Assert.True(visit.AsksCode);
        Assert.Equal(Two, (string)(await (await visit.SendCodeAsync()).ClaimsAsync(flow))["acr"]!);
    }

    [Theory]
    [InlineData("{\"id_token\":{\"acr\":{\"essential\":true,\"values\":[\"phr\"]}}}", "unmet_authentication_requirements")]
    [InlineData("{\"id_token\":{\"acr\":{\"essential\":true,\"values\":[\"loa-9\"]}}}", "unmet_authentication_requirements")]
    [InlineData("{\"id_token\":{\"acr\":{\"values\":[\"phr\"]}}}", null)]
    [InlineData("{", "invalid_request")]
    [Proves("OpenID Connect Core 1.0", "5.5.1.1")]
    public async Task An_essential_class_out_of_reach_is_an_error_and_a_voluntary_one_is_not(string claims, string? error)
    {
        var (name, user) = await NewUserAsync("essential" + claims.Length, totp: false);
        var flow = Flow("openid val:pump-control");
        await ClaimsAsync(user, name, flow);
        flow.Parameters["claims"] = claims;
        Assert.Equal(error, (await LoginVisit.ToAsync(Server, user, flow))["error"]);
    }

    [Fact]
    public async Task A_clients_minimum_holds_whatever_it_asks_for()
    {
        await Server.ChangeClientAsync("openid-client", c => c with { MinimumAcr = Two });
        var (name, user) = await NewUserAsync("minimum", totp: false);
        var flow = Server.NewFlow("openid-client");
        flow.Parameters["scope"] = "openid";
        flow.Parameters["acr_values"] = "3gpp:acr:password";
        Assert.Equal("unmet_authentication_requirements", (await (await LoginVisit.ToAsync(Server, user, flow)).SendPasswordAsync(name))["error"]);
        await Server.GiveTotpAsync(user, name);
        var visit = await LoginVisit.ToAsync(Server, user, flow);
        Assert.True(visit.AsksCode);
    }

    [Fact]
    public async Task A_login_that_is_to_be_anew_begins_with_the_first_factor()
    {
        var (name, user) = await NewUserAsync("anew", totp: true);
        await ClaimsAsync(user, name, Flow("openid val:pump-control"));
        Server.Server.Time.Advance(TimeSpan.FromSeconds(31));
        var flow = Flow("openid val:fleet-tracking");
        flow.Parameters["prompt"] = "login";
        var visit = await LoginVisit.ToAsync(Server, user, flow);
        Assert.True(visit.AsksPassword);
        visit = await visit.SendPasswordAsync(name);
        Assert.True(visit.AsksCode);
        Assert.NotNull((await (await visit.SendCodeAsync()).AllowIfAskedAsync())["code"]);
    }

    [Fact]
    public async Task A_step_up_ends_with_the_session_that_it_began_with()
    {
        var (name, user) = await NewUserAsync("ended", totp: false);
        await ClaimsAsync(user, name, Flow("openid val:pump-control"));
        await Server.GiveTotpAsync(user, name);
        var visit = await LoginVisit.ToAsync(Server, user, Flow("openid val:fleet-tracking"));
        var row = (await Server.Service<IDirectory>().FindUserByNameAsync(name, CancellationToken.None))!;
        await Server.Service<ISessionStore>().EndOthersAsync(row.Subject, null, FactorsOf.Entry("session.ended"), CancellationToken.None);
        await visit.SendCodeAsync();
        Assert.True(visit.AsksPassword);
    }

    private SealFlow Flow(string scope, string acrValues = "3gpp:acr:password")
    {
        var flow = Server.NewFlow();
        flow.Parameters["scope"] = scope;
        flow.Parameters["acr_values"] = acrValues;
        return flow;
    }

    private async Task<System.Text.Json.Nodes.JsonObject> ClaimsAsync(SimUser user, string name, SealFlow flow)
    {
        var visit = await LoginVisit.ToAsync(Server, user, flow);
        if (visit.AsksPassword)
            await visit.SendPasswordAsync(name);
        if (visit.AsksCode)
            await visit.SendCodeAsync();
        return await (await visit.AllowIfAskedAsync()).ClaimsAsync(flow);
    }

    private async Task<(string Name, SimUser User)> NewUserAsync(string name, bool totp)
    {
        var user = await Server.AddUserAsync(name, "pump-control", "fleet-tracking");
        if (totp)
            await Server.GiveTotpAsync(user, name);
        return (name, user);
    }
}
