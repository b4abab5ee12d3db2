using System.Net;
using System.Text.Json.Nodes;
using Keyreeve.Core.Identity;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Slices.Tests.OpenId;

[Proves("RFC 8693", "2.2.2")]
public sealed class ExchangeAttackTests(ExchangeWorld world) : IClassFixture<ExchangeWorld>
{
    [Fact]
    [Proves("RFC 8693", "2.1")]
    public async Task A_scope_that_the_subject_token_lacks_is_refused()
    {
        var token = await world.UserTokenAsync("openid val:pump-control");
        (await world.ExchangeAsync("pump", token, ("scope", "val:pump-control val:fleet-tracking"))).AssertError(HttpStatusCode.BadRequest, "invalid_scope");
        (await world.ExchangeAsync("pump", token, ("scope", "seal:key_management"))).AssertError(HttpStatusCode.BadRequest, "invalid_scope");
        (await world.ExchangeAsync("pump", token, ("scope", "keyreeve.admin"))).AssertError(HttpStatusCode.BadRequest, "invalid_scope");
        (await world.ExchangeAsync("pump", token, ("scope", "no\"scope"))).AssertError(HttpStatusCode.BadRequest, "invalid_scope");
    }

    [Fact]
    public async Task A_scope_that_the_client_is_not_registered_for_is_refused_whatever_the_subject_token_has()
    {
        await world.AddAsync("narrow", "val:pump-control", ExchangeWorld.PumpAudience);
        var token = await world.UserTokenAsync();
        (await world.ExchangeAsync("narrow", token, ("scope", "val:fleet-tracking"))).AssertError(HttpStatusCode.BadRequest, "invalid_scope");
        Assert.Equal("val:pump-control", (string?)ExchangeWorld.Granted(await world.ExchangeAsync("narrow", token))["scope"]);
    }

    [Theory]
    [InlineData("audience", "https://val.example/elsewhere")]
    [InlineData("audience", "https://val.example/fleet-tracking/")]
    [InlineData("resource", "https://other.example/")]
    [InlineData("resource", "not a uri")]
    [InlineData("resource", "https://val.example/fleet-tracking#x")]
    [Proves("RFC 8707", "2")]
    public async Task An_audience_out_of_reach_is_refused(string name, string value)
    {
        var token = await world.UserTokenAsync();
        (await world.ExchangeAsync("pump", token, (name, value))).AssertError(HttpStatusCode.BadRequest, "invalid_target");
        (await world.ExchangeAsync("pump", token, ("audience", ExchangeWorld.FleetAudience), (name, value))).AssertError(HttpStatusCode.BadRequest, "invalid_target");
    }

    [Fact]
    public async Task A_token_that_is_neither_the_clients_nor_for_it_is_refused()
    {
        var token = await world.UserTokenAsync();
        (await world.ExchangeAsync("outsider", token)).AssertError(HttpStatusCode.BadRequest, "invalid_request");
        var pumpOnly = await world.UserTokenAsync("openid val:pump-control");
        (await world.ExchangeAsync("fleet", pumpOnly)).AssertError(HttpStatusCode.BadRequest, "invalid_request");
    }

    [Fact]
    public async Task An_expired_token_is_refused_and_one_in_its_leeway_too()
    {
        await using var other = new ExchangeWorld();
        await other.InitializeAsync();
        var token = await other.UserTokenAsync();
        other.Server.Server.Time.StandStill(DateTimeOffset.FromUnixTimeSeconds((long)OpenIdServer.ClaimsOf(token)["exp"]!));
        Assert.True(await other.Server.IsActiveAsync("front", token)); // 5 s of leeway for everybody else's clock
        (await other.ExchangeAsync("pump", token)).AssertError(HttpStatusCode.BadRequest, "invalid_request");
        other.Server.Server.Time.Advance(TimeSpan.FromMinutes(1));
        (await other.ExchangeAsync("pump", token)).AssertError(HttpStatusCode.BadRequest, "invalid_request");
    }

    [Fact]
    public async Task A_revoked_token_is_refused_and_so_is_one_of_a_user_who_was_switched_off()
    {
        var token = await world.UserTokenAsync();
        await world.Server.PostAsync("/revoke", world.Server.Server.Basic("front"), ("token", token));
        (await world.ExchangeAsync("pump", token)).AssertError(HttpStatusCode.BadRequest, "invalid_request");

        var dora = await world.Server.AddUserAsync("dora");
        var flow = world.Server.NewFlow("front");
        flow.Parameters["scope"] = "openid val:pump-control";
        var hers = (string)(await flow.TokensAsync(dora))["access_token"]!;
        ExchangeWorld.Granted(await world.ExchangeAsync("pump", hers));
        await world.Server.ChangeUserAsync("dora", user => user with { Disabled = true });
        (await world.ExchangeAsync("pump", hers)).AssertError(HttpStatusCode.BadRequest, "invalid_request");
    }

    [Fact]
    public async Task An_ID_token_of_another_client_or_an_access_token_called_one_is_refused()
    {
        var tokens = await world.TokensAsync();
        var idToken = (string)tokens["id_token"]!;
        (await world.ExchangeAsync("pump", ExchangeWorld.IdToken, idToken, [])).AssertError(HttpStatusCode.BadRequest, "invalid_request");
        (await world.ExchangeAsync("front", ExchangeWorld.AccessToken, idToken, [])).AssertError(HttpStatusCode.BadRequest, "invalid_request");
        (await world.ExchangeAsync("front", ExchangeWorld.IdToken, (string)tokens["access_token"]!, [])).AssertError(HttpStatusCode.BadRequest, "invalid_request");
        (await world.ExchangeAsync("front", ExchangeWorld.Jwt, idToken, [])).AssertError(HttpStatusCode.BadRequest, "invalid_request");
        // Its grant was ended: the ID token lives on, and opens nothing.
        await world.Server.PostAsync("/revoke", world.Server.Server.Basic("front"), ("token", (string)tokens["refresh_token"]!));
        (await world.ExchangeAsync("front", ExchangeWorld.IdToken, idToken, [])).AssertError(HttpStatusCode.BadRequest, "invalid_request");
    }

    [Fact]
    [Proves("TS 33.434", "5.4")]
    public async Task A_token_of_an_issuer_that_is_not_registered_or_not_for_this_client_is_refused()
    {
        var now = world.Server.Server.Time.GetUtcNow();
        var stranger = new Partner("https://stranger.example");
        (await world.ExchangeAsync("pump", ExchangeWorld.Jwt, stranger.Sign(stranger.Claims(world.Issuer, now)), [])).AssertError(HttpStatusCode.BadRequest, "invalid_request");
        // The stranger says he is the partner.
        (await world.ExchangeAsync("pump", ExchangeWorld.Jwt, stranger.Sign(world.Partner.Claims(world.Issuer, now)), [])).AssertError(HttpStatusCode.BadRequest, "invalid_request");
        var good = world.Partner.Sign(world.Partner.Claims(world.Issuer, now));
        (await world.ExchangeAsync("fleet", ExchangeWorld.Jwt, good, [])).AssertError(HttpStatusCode.BadRequest, "invalid_request");
        ExchangeWorld.Granted(await world.ExchangeAsync("pump", ExchangeWorld.Jwt, good, []));
        // Meant for somebody else.
        (await world.ExchangeAsync("pump", ExchangeWorld.Jwt, world.Partner.Sign(world.Partner.Claims(ExchangeWorld.FleetAudience, now)), [])).AssertError(HttpStatusCode.BadRequest, "invalid_request");
    }

    [Fact]
    [Proves("TS 33.434", "5.4")]
    public async Task A_partners_user_gets_the_services_of_the_registration_and_no_other()
    {
        var token = world.Partner.Sign(world.Partner.Claims(world.Issuer, world.Server.Server.Time.GetUtcNow()));
        (await world.ExchangeAsync("pump", ExchangeWorld.Jwt, token, [("scope", "val:fleet-tracking")])).AssertError(HttpStatusCode.BadRequest, "invalid_scope");
        (await world.ExchangeAsync("pump", ExchangeWorld.Jwt, token, [("scope", "openid")])).AssertError(HttpStatusCode.BadRequest, "invalid_scope");
        var claims = ExchangeWorld.Granted(await world.ExchangeAsync("pump", ExchangeWorld.Jwt, token, []));
        Assert.Equal("val:pump-control seal:group_management", (string?)claims["scope"]);
        Assert.Equal("https://sim.partner.example|carol", (string?)claims["sub"]);
        Assert.Equal("pump-control", (string?)Assert.Single(claims["val_service_ids"]!.AsArray()));
        // Who could say alice's VAL user ID would get alice's keys.
        Assert.Null(claims["val_user_id"]);
    }

    [Fact]
    [Proves("RFC 8693", "4.1")]
    public async Task The_chain_of_actors_and_the_generations_have_an_end()
    {
        var token = await world.UserTokenAsync();
        // Back and forth between two services for whom the token is: each time one more actor.
        var clients = new[] { "pump", "fleet" };
        for (var i = 0; i < 4; i++)
            token = (string)(await world.ExchangeAsync(clients[i % 2], token)).Json["access_token"]!;
        var claims = OpenIdServer.ClaimsOf(token);
        Assert.Equal("fleet", (string?)claims["act"]!["sub"]);
        Assert.Equal("pump", (string?)claims["act"]!["act"]!["act"]!["act"]!["sub"]);
        Assert.Equal(4, claims["derived_from"]!.AsArray().Count);
        (await world.ExchangeAsync("pump", token)).AssertError(HttpStatusCode.BadRequest, "invalid_request");
        (await world.ExchangeAsync("fleet", token)).AssertError(HttpStatusCode.BadRequest, "invalid_request");
    }

    [Theory]
    [InlineData("""{"sub":"fleet"}""", false)]
    [InlineData("""{"sub":"pump"}""", true)]
    [InlineData("""{"sub":"pump","iss":"https://sim.partner.example"}""", false)]
    [InlineData("""{"sub":"pump","only_on":"monday"}""", false)]
    [InlineData("""{"iss":"https://sim.partner.example"}""", false)]
    [InlineData("\"pump\"", false)]
    [Proves("RFC 8693", "4.4")]
    public async Task Who_is_not_named_in_may_act_does_not_act(string mayAct, bool accepted)
    {
        var claims = world.Partner.Claims(world.Issuer, world.Server.Server.Time.GetUtcNow());
        claims["may_act"] = JsonNode.Parse(mayAct);
        var answer = await world.ExchangeAsync("pump", ExchangeWorld.Jwt, world.Partner.Sign(claims), []);
        if (!accepted)
        {
            answer.AssertError(HttpStatusCode.BadRequest, "invalid_request");
            return;
        }
        // The permission is pump's: fleet does not get it by way of pump's token.
        await world.AddAsync("pump-too", "val:pump-control", ExchangeWorld.PumpAudience);
        ExchangeWorld.Granted(answer);
        (await world.ExchangeAsync("pump-too", (string)answer.Json["access_token"]!)).AssertError(HttpStatusCode.BadRequest, "invalid_request");
    }

    [Fact]
    public async Task Delegation_is_the_rule_and_an_actor_token_must_be_the_clients_own()
    {
        var token = await world.UserTokenAsync();
        Assert.Equal("pump", (string?)ExchangeWorld.Granted(await world.ExchangeAsync("pump", token))["act"]!["sub"]);
        Assert.Null(ExchangeWorld.Granted(await world.ExchangeAsync("bold", token))["act"]);

        var own = await world.ClientTokenAsync("pump", "val:pump-control");
        var fleets = await world.ClientTokenAsync("fleet", "val:fleet-tracking");
        Assert.Equal("pump", (string?)ExchangeWorld.Granted(await world.ExchangeAsync("pump", token, ("actor_token", own), ("actor_token_type", ExchangeWorld.AccessToken)))["act"]!["sub"]);
        (await world.ExchangeAsync("pump", token, ("actor_token", fleets), ("actor_token_type", ExchangeWorld.AccessToken))).AssertError(HttpStatusCode.BadRequest, "invalid_request");
        (await world.ExchangeAsync("pump", token, ("actor_token", own))).AssertError(HttpStatusCode.BadRequest, "invalid_request");
        (await world.ExchangeAsync("pump", token, ("actor_token_type", ExchangeWorld.AccessToken))).AssertError(HttpStatusCode.BadRequest, "invalid_request");
        (await world.ExchangeAsync("pump", token, ("actor_token", own), ("actor_token_type", ExchangeWorld.Jwt))).AssertError(HttpStatusCode.BadRequest, "invalid_request");
        // With an actor token even bold is named.
        var bolds = await world.ClientTokenAsync("bold", "val:pump-control");
        Assert.Equal("bold", (string?)ExchangeWorld.Granted(await world.ExchangeAsync("bold", token, ("actor_token", bolds), ("actor_token_type", ExchangeWorld.AccessToken)))["act"]!["sub"]);
    }

    [Fact]
    public async Task A_public_client_and_one_that_is_not_registered_for_it_are_refused()
    {
        var token = await world.UserTokenAsync();
        await world.AddAsync("loose", "openid val:pump-control", null, c => c with { AuthMethods = [ClientAuthMethod.None], Consent = ConsentRule.Always });
        (await world.Server.PostAsync("/token", null, ("client_id", "loose"), ("grant_type", ExchangeWorld.Exchange), ("subject_token", token), ("subject_token_type", ExchangeWorld.AccessToken)))
            .AssertError(HttpStatusCode.BadRequest, "unauthorized_client");
        (await world.Server.PostAsync("/token", null, ("client_id", "loose"), ("grant_type", ExchangeWorld.Bearer), ("assertion", token))).AssertError(HttpStatusCode.BadRequest, "unauthorized_client");
        (await world.ExchangeAsync("machine-client", token)).AssertError(HttpStatusCode.BadRequest, "unauthorized_client");
    }

    [Theory]
    [InlineData("subject_token", "")]
    [InlineData("subject_token_type", "")]
    [InlineData("subject_token_type", "urn:ietf:params:oauth:token-type:refresh_token")]
    [InlineData("subject_token_type", "urn:ietf:params:oauth:token-type:saml2")]
    [InlineData("requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token")]
    [InlineData("requested_token_type", "urn:ietf:params:oauth:token-type:id_token")]
    public async Task A_request_of_another_form_is_refused(string name, string value)
    {
        var form = new Dictionary<string, string> { ["grant_type"] = ExchangeWorld.Exchange, ["subject_token"] = await world.UserTokenAsync(), ["subject_token_type"] = ExchangeWorld.AccessToken };
        form[name] = value;
        (await world.Server.PostAsync("/token", world.Server.Server.Basic("pump"), [.. form.Select(f => (f.Key, f.Value))])).AssertError(HttpStatusCode.BadRequest, "invalid_request");
        (await world.ExchangeAsync("pump", form["subject_token"], ("subject_token", form["subject_token"]))).AssertError(HttpStatusCode.BadRequest, "invalid_request");
    }

    [Fact]
    public async Task VAL_services_do_not_grow_and_what_a_user_has_lost_is_gone()
    {
        var erik = await world.Server.AddUserAsync("erik", "pump-control", "fleet-tracking");
        var flow = world.Server.NewFlow("front");
        flow.Parameters["scope"] = "openid val:pump-control val:fleet-tracking";
        var token = (string)(await flow.TokensAsync(erik))["access_token"]!;
        await world.Server.ChangeUserAsync("erik", user => user with { ValServiceIds = ["pump-control"] });
        var claims = ExchangeWorld.Granted(await world.ExchangeAsync("pump", token));
        Assert.Equal("openid val:pump-control", (string?)claims["scope"]);
        Assert.Equal("pump-control", (string?)Assert.Single(claims["val_service_ids"]!.AsArray()));
        // A token without VAL claims leads to one without.
        var plain = await world.UserTokenAsync("openid profile");
        Assert.Null(ExchangeWorld.Granted(await world.ExchangeAsync("front", plain, ("scope", "openid")))["val_service_ids"]);
    }

    [Fact]
    public async Task A_user_who_signed_in_too_weakly_for_the_client_does_not_come_in_by_exchange()
    {
        await world.AddAsync("strict", "val:pump-control", ExchangeWorld.PumpAudience, c => c with { MinimumAcr = "phr" });
        (await world.ExchangeAsync("strict", await world.UserTokenAsync())).AssertError(HttpStatusCode.BadRequest, "unmet_authentication_requirements");
    }
}
