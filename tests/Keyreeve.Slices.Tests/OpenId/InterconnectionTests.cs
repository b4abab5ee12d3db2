using System.Net;
using System.Text.Json.Nodes;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Snapshots;
using Keyreeve.Core.Tokens;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Slices.Tests.OpenId;

/// <summary>A user of the primary VAL system in the serving one, and how both systems cut the user off.</summary>
[Proves("TS 33.434", "5.4")]
public sealed class InterconnectionTests(Interconnection world) : IClassFixture<Interconnection>
{
    [Fact]
    public async Task A_partners_user_is_authorized_in_the_serving_system_by_exchange()
    {
        var token = (string)(await world.SignInAsync())["access_token"]!;
        Assert.Contains(world.Serving.Issuer, OpenIdServer.ClaimsOf(token)["aud"]!.AsArray().Select(a => (string)a!));
        var answer = await world.ExchangeAsync(token);
        var claims = ExchangeWorld.Granted(answer);
        Assert.Equal((world.Serving.Issuer, $"{world.Primary.Issuer}|{OpenIdServer.ClaimsOf(token)["sub"]}", Interconnection.ServedAudience, "val:joint-response"),
            ((string?)claims["iss"], (string?)claims["sub"], (string?)claims["aud"], (string?)claims["scope"]));
        Assert.Equal("""["joint-response"]""", claims["val_service_ids"]!.ToJsonString());
        Assert.Null(claims["val_user_id"]);
        Assert.True(await world.Serving.IsActiveAsync("joint-server", (string)answer.Json["access_token"]!));
    }

    [Theory]
    [InlineData("the token is revoked")]
    [InlineData("the grant ends")]
    [InlineData("the user is switched off")]
    public async Task What_the_primary_has_revoked_is_exchanged_for_nothing(string how)
    {
        var user = await world.Primary.AddUserAsync(how.Replace(' ', '-'), Interconnection.Joint);
        var tokens = await world.SignInAsync(user);
        var token = (string)tokens["access_token"]!;
        ExchangeWorld.Granted(await world.ExchangeAsync(token));
        switch (how)
        {
            case "the token is revoked": await RevokeAsync(token); break;
            case "the grant ends": await RevokeAsync((string)tokens["refresh_token"]!); break;
            default: await EndAsync(Revocation.OfSubject((string)OpenIdServer.ClaimsOf(token)["sub"]!, world.Primary.Server.Time.GetUtcNow())); break;
        }
        (await world.ExchangeAsync(token)).AssertError(HttpStatusCode.BadRequest, "invalid_request");

        async Task RevokeAsync(string what) => Assert.Equal(HttpStatusCode.OK, (await world.Primary.PostAsync("/revoke", world.Primary.Server.Basic("roamer"), ("token", what))).Status);
        async Task EndAsync(Revocation revocation)
        {
            await world.Primary.Service<IRevocationStore>().AddAsync([revocation], new AuditEntry { Kind = "tokens.ended", Outcome = AuditOutcome.Changed, At = 1 }, CancellationToken.None);
            await world.Primary.Service<SnapshotState>().RefreshAsync(CancellationToken.None);
        }
    }

    [Fact]
    public async Task What_was_made_before_the_primary_revoked_ends_within_two_minutes_and_cannot_be_prolonged()
    {
        var token = (string)(await world.SignInAsync())["access_token"]!;
        var answer = await world.ExchangeAsync(token);
        var claims = ExchangeWorld.Granted(answer);
        Assert.InRange((long)claims["exp"]! - (long)claims["iat"]!, 1, TrustedIssuer.AskedTokenSeconds);
        Assert.InRange((int)answer.Json["expires_in"]!, 1, TrustedIssuer.AskedTokenSeconds);
        var again = await world.ExchangeAsync((string)answer.Json["access_token"]!, ExchangeWorld.AccessToken, "joint-server");
        Assert.True((long)ExchangeWorld.Granted(again)["exp"]! <= (long)claims["exp"]!);

        await world.TrustAsync(world.Trust() with { TokenSeconds = 10 });
        claims = ExchangeWorld.Granted(await world.ExchangeAsync(token));
        Assert.Equal(10, (long)claims["exp"]! - (long)claims["iat"]!);
        await world.TrustAsync(world.Trust());
    }

    [Fact]
    public async Task The_serving_system_ends_at_once_what_stands_on_a_partner_it_no_longer_trusts()
    {
        var token = (string)(await world.SignInAsync())["access_token"]!;
        await world.TrustAsync(world.Trust() with { Disabled = true });
        (await world.ExchangeAsync(token)).AssertError(HttpStatusCode.BadRequest, "invalid_request");
        await world.TrustAsync(world.Trust() with { Clients = [] });
        (await world.ExchangeAsync(token)).AssertError(HttpStatusCode.BadRequest, "invalid_request");
        await world.TrustAsync(world.Trust());
    }

    [Fact]
    public async Task A_user_of_nobody_we_trust_gets_nothing()
    {
        // The other way round nothing was set up: the primary has no trust in the serving system, and no token of ours passes for a partner's.
        var ours = (string)(await world.Serving.NewFlow().TokensAsync(world.Serving.NewUser()))["access_token"]!;
        (await world.ExchangeAsync(ours)).AssertError(HttpStatusCode.BadRequest, "invalid_request");
        // A token of the primary that is not for the serving system.
        var elsewhere = (string)(await world.Primary.NewFlow().TokensAsync(world.Primary.NewUser()))["access_token"]!;
        (await world.ExchangeAsync(elsewhere)).AssertError(HttpStatusCode.BadRequest, "invalid_request");
        // A client that was not named.
        var token = (string)(await world.SignInAsync())["access_token"]!;
        (await world.ExchangeAsync(token, client: "joint-server")).AssertError(HttpStatusCode.BadRequest, "invalid_request");
        // The ID token says who Carla is, and nothing that could be asked about.
        (await world.ExchangeAsync((string)(await world.SignInAsync())["id_token"]!)).AssertError(HttpStatusCode.BadRequest, "invalid_request");
    }

    [Fact]
    public async Task When_our_secret_at_the_primary_is_wrong_nobody_passes()
    {
        var token = (string)(await world.SignInAsync())["access_token"]!;
        await world.TrustAsync(world.Trust() with { Origin = world.OriginOf(world.Primary.Issuer, world.Primary.Issuer + "/introspect", new string('x', 43)) });
        AssertLater(await world.ExchangeAsync(token));
        // One that was sealed for another issuer does not open.
        await world.TrustAsync(world.Trust() with { Origin = world.OriginOf("https://other.example", world.Primary.Issuer + "/introspect", "s") });
        AssertLater(await world.ExchangeAsync(token));
        await world.TrustAsync(world.Trust());
    }

    internal static void AssertLater(Answer answer)
    {
        answer.AssertError(HttpStatusCode.ServiceUnavailable, "temporarily_unavailable");
        Assert.NotNull(answer.Response.Headers.RetryAfter);
    }
}
