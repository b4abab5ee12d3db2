using System.Collections.Immutable;
using System.Net;
using Keyreeve.Core.Identity;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Slices.Tests.OpenId;

public sealed class ExchangeTests(ExchangeWorld world) : IClassFixture<ExchangeWorld>
{
    [Fact]
    [Proves("RFC 8693", "2")]
    [Proves("RFC 8693", "2.1")]
    [Proves("RFC 8693", "1.1")]
    public async Task A_service_calls_the_next_one_in_the_users_name()
    {
        var subject = await world.UserTokenAsync();
        var before = OpenIdServer.ClaimsOf(subject);
        var answer = await world.ExchangeAsync("pump", subject, ("audience", ExchangeWorld.FleetAudience), ("requested_token_type", ExchangeWorld.AccessToken));
        var claims = ExchangeWorld.Granted(answer);
        Assert.Equal(ExchangeWorld.AccessToken, (string?)answer.Json["issued_token_type"]);
        Assert.Equal("bearer", (string?)answer.Json["token_type"]);
        Assert.Equal("val:fleet-tracking", (string?)answer.Json["scope"]);
        Assert.Equal((ExchangeWorld.FleetAudience, "val:fleet-tracking", "pump"), ((string?)claims["aud"], (string?)claims["scope"], (string?)claims["client_id"]));
        Assert.Equal(((string?)before["sub"], (string?)before["grant_id"], (long)before["auth_time"]!), ((string?)claims["sub"], (string?)claims["grant_id"], (long)claims["auth_time"]!));
        Assert.True((long)claims["exp"]! <= (long)before["exp"]!);
        Assert.Equal((long)claims["exp"]! - (long)claims["iat"]!, (long)answer.Json["expires_in"]!);
        Assert.Equal("pump", (string?)claims["act"]!["sub"]);
        Assert.NotEqual((string?)before["jti"], (string?)claims["jti"]);
        // The next one sees who acts, and narrows further.
        var token = (string)answer.Json["access_token"]!;
        var seen = await world.Server.IntrospectAsync("fleet", token);
        Assert.Equal((true, "pump"), ((bool)seen["active"]!, (string?)seen["act"]!["sub"]));
        var further = ExchangeWorld.Granted(await world.ExchangeAsync("fleet", token));
        Assert.Equal(("fleet", "pump"), ((string?)further["act"]!["sub"], (string?)further["act"]!["act"]!["sub"]));
    }

    [Fact]
    public async Task A_result_lives_no_longer_than_what_it_was_made_of()
    {
        await world.AddAsync("brief", "openid val:pump-control", null, c => c with
        {
            Grants = [GrantType.AuthorizationCode, GrantType.TokenExchange],
            RedirectUris = [OpenIdServer.Callback],
            AccessTokenSeconds = 30,
        });
        var token = (string)(await world.TokensAsync("openid val:pump-control", "brief"))["access_token"]!;
        var answer = await world.ExchangeAsync("pump", token);
        Assert.InRange((long)answer.Json["expires_in"]!, 0, 30);
        Assert.Equal((long)OpenIdServer.ClaimsOf(token)["exp"]!, (long)ExchangeWorld.Granted(answer)["exp"]!);
    }

    [Fact]
    public async Task Revoking_the_subject_token_its_grant_or_its_client_ends_the_result()
    {
        // By jti: of the parent, and of the parent's parent.
        var subject = await world.UserTokenAsync();
        var child = (string)(await world.ExchangeAsync("pump", subject)).Json["access_token"]!;
        var grandchild = (string)(await world.ExchangeAsync("fleet", child)).Json["access_token"]!;
        Assert.True(await world.Server.IsActiveAsync("fleet", grandchild));
        await world.Server.PostAsync("/revoke", world.Server.Server.Basic("front"), ("token", subject));
        Assert.False(await world.Server.IsActiveAsync("pump", child));
        Assert.False(await world.Server.IsActiveAsync("fleet", grandchild));

        // By the grant.
        var tokens = await world.TokensAsync();
        child = (string)(await world.ExchangeAsync("pump", (string)tokens["access_token"]!)).Json["access_token"]!;
        Assert.True(await world.Server.IsActiveAsync("pump", child));
        await world.Server.PostAsync("/revoke", world.Server.Server.Basic("front"), ("token", (string)tokens["refresh_token"]!));
        Assert.False(await world.Server.IsActiveAsync("pump", child));

        // The result itself, by who got it, and nothing but it.
        subject = await world.UserTokenAsync();
        child = (string)(await world.ExchangeAsync("pump", subject)).Json["access_token"]!;
        await world.Server.PostAsync("/revoke", world.Server.Server.Basic("pump"), ("token", child));
        Assert.False(await world.Server.IsActiveAsync("pump", child));
        Assert.True(await world.Server.IsActiveAsync("front", subject));
    }

    [Fact]
    public async Task An_ID_token_stands_for_the_grant_it_came_with()
    {
        var tokens = await world.TokensAsync("openid val:pump-control");
        var claims = ExchangeWorld.Granted(await world.ExchangeAsync("front", ExchangeWorld.IdToken, (string)tokens["id_token"]!, [("scope", "val:pump-control")]));
        var access = OpenIdServer.ClaimsOf((string)tokens["access_token"]!);
        Assert.Equal(((string?)access["sub"], (string?)access["grant_id"], "val:pump-control"), ((string?)claims["sub"], (string?)claims["grant_id"], (string?)claims["scope"]));
        (await world.ExchangeAsync("front", ExchangeWorld.IdToken, (string)tokens["id_token"]!, [("scope", "val:fleet-tracking")])).AssertError(HttpStatusCode.BadRequest, "invalid_scope");
    }

    [Fact]
    public async Task A_client_narrows_its_own_token_and_nobody_acts_in_it()
    {
        var own = await world.ClientTokenAsync("pump", "val:pump-control val:fleet-tracking");
        var claims = ExchangeWorld.Granted(await world.ExchangeAsync("pump", own, ("resource", ExchangeWorld.FleetAudience)));
        Assert.Equal(("pump", "val:fleet-tracking"), ((string?)claims["sub"], (string?)claims["scope"]));
        Assert.Null(claims["act"]);
    }

    [Fact]
    [Proves("TS 33.434", "5.4")]
    public async Task A_partners_user_with_an_account_here_is_that_user_within_the_registration()
    {
        var alice = (string)world.Server.Server.User("alice")["sub"]!;
        var other = new Partner("https://idp.example");
        await world.SaveIssuerAsync(other.Registration(["pump"]) with { Federated = false, Links = ImmutableDictionary<string, string>.Empty.Add("a-17", alice) });
        var now = world.Server.Server.Time.GetUtcNow();
        var claims = other.Claims(ExchangeWorld.PumpAudience, now);
        (await world.ExchangeAsync("pump", ExchangeWorld.Jwt, other.Sign(claims), [])).AssertError(HttpStatusCode.BadRequest, "invalid_request");
        claims = other.Claims(ExchangeWorld.PumpAudience, now);
        claims["sub"] = "a-17";
        var granted = ExchangeWorld.Granted(await world.ExchangeAsync("pump", ExchangeWorld.Jwt, other.Sign(claims, "at+jwt"), []));
        Assert.Equal((alice, "sip:alice@val.example", "val:pump-control seal:group_management"), ((string?)granted["sub"], (string?)granted["val_user_id"], (string?)granted["scope"]));
        Assert.Null(granted["val_ue_id"]);
        Assert.Equal("pump-control", (string?)Assert.Single(granted["val_service_ids"]!.AsArray()));
        // A scope of the token's own narrows.
        claims["scope"] = "seal:group_management something:of-theirs";
        Assert.Equal("seal:group_management", (string?)ExchangeWorld.Granted(await world.ExchangeAsync("pump", ExchangeWorld.Jwt, other.Sign(claims), []))["scope"]);
    }
}
