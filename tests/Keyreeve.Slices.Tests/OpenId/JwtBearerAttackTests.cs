using System.Collections.Immutable;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Keyreeve.Testing;
using Keyreeve.Wire.Jose;
using Xunit;

namespace Keyreeve.Slices.Tests.OpenId;

[Proves("RFC 7523", "3.1")]
public sealed class JwtBearerAttackTests(ExchangeWorld world) : IClassFixture<ExchangeWorld>
{
    private DateTimeOffset Now => world.Server.Server.Time.GetUtcNow();

    private JsonObject Good => world.Partner.Claims(world.Issuer, Now);

    [Fact]
    [Proves("RFC 7523", "2.1")]
    [Proves("TS 33.434", "5.2.1")]
    public async Task An_assertion_of_a_registered_issuer_is_good_once()
    {
        var assertion = world.Partner.Sign(Good);
        var answer = await world.AssertAsync("pump", assertion, ("scope", "val:pump-control"));
        var claims = ExchangeWorld.Granted(answer);
        Assert.Null(answer.Json["issued_token_type"]);
        Assert.Equal(("https://sim.partner.example|carol", "pump", "val:pump-control", ExchangeWorld.PumpAudience),
            ((string?)claims["sub"], (string?)claims["client_id"], (string?)claims["scope"], (string?)claims["aud"]));
        Assert.True(await world.Server.IsActiveAsync("pump", (string)answer.Json["access_token"]!));
        (await world.AssertAsync("pump", assertion, ("scope", "val:pump-control"))).AssertError(HttpStatusCode.BadRequest, "invalid_grant");
        // The jti counts, not the spelling of the rest, nor who presents it.
        var again = Good;
        again["jti"] = JsonNode.Parse(Encoding.UTF8.GetString(System.Buffers.Text.Base64Url.DecodeFromChars(assertion.Split('.')[1])))!["jti"]!.DeepClone();
        (await world.AssertAsync("outsider", world.Partner.Sign(again))).AssertError(HttpStatusCode.BadRequest, "invalid_grant");
    }

    [Fact]
    public async Task Of_twenty_at_once_one_passes()
    {
        var assertion = world.Partner.Sign(Good);
        var answers = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => world.AssertAsync("pump", assertion)));
        Assert.Single(answers, a => a.Status == HttpStatusCode.OK);
        Assert.All(answers.Where(a => a.Status != HttpStatusCode.OK), a => a.AssertError(HttpStatusCode.BadRequest, "invalid_grant"));
    }

    [Fact]
    [Proves("RFC 8725", "3.1")]
    public async Task Algorithms_that_the_issuer_is_not_registered_for_are_refused()
    {
        var unsigned = $"{Encode("""{"alg":"none"}""")}.{Encode(Good.ToJsonString())}.";
        await RefusedAsync(unsigned);
        // The public key as a shared secret.
        using var hmac = ClientSigningKey.FromSecret(Encoding.UTF8.GetBytes(world.Partner.Registration([]).Keys!.Keys[0].X!));
        await RefusedAsync(world.Partner.Sign(Good, by: hmac));
        await RefusedAsync(world.Partner.Sign(Good, header: """{"alg":"HS256"}"""));
        using var foreign = ClientSigningKey.FromEcdsa(ECDsa.Create(ECCurve.NamedCurves.nistP256), kid: world.Partner.Registration([]).Keys!.Keys[0].Kid);
        await RefusedAsync(world.Partner.Sign(Good, by: foreign));
        // Its own key, of another algorithm than the registered one.
        using var p384 = ClientSigningKey.FromEcdsa(ECDsa.Create(ECCurve.NamedCurves.nistP384));
        await world.SaveIssuerAsync(new Partner("https://two-keys.example").Registration(["pump"]) with { Keys = JsonWebKeySet.Of([p384.PublicJwk!]) });
        await RefusedAsync(world.Partner.Sign(new Partner("https://two-keys.example").Claims(world.Issuer, Now), by: p384));
    }

    [Theory]
    [InlineData("aud", "\"https://other.example\"")]
    [InlineData("aud", "[\"ISSUER\",\"https://other.example\"]")]
    [InlineData("aud", "[]")]
    [InlineData("iss", "\"https://other.example\"")]
    [InlineData("iss", "\"ISSUER\"")]
    [InlineData("sub", "\"\"")]
    [InlineData("sub", "null")]
    [InlineData("sub", "\"u- \"")]
    [InlineData("exp", "null")]
    [InlineData("exp", "-1")]
    [InlineData("exp", "320")]
    [InlineData("iat", "30")]
    [InlineData("nbf", "30")]
    [InlineData("jti", "null")]
    [InlineData("jti", "\"\"")]
    [Proves("RFC 7523", "3")]
    public async Task A_claim_that_does_not_hold_refuses_the_assertion(string name, string value)
    {
        var claims = Good;
        var json = JsonNode.Parse(value.Replace("ISSUER", world.Issuer, StringComparison.Ordinal));
        claims[name] = name is "exp" or "iat" or "nbf" && json is not null ? Now.ToUnixTimeSeconds() + (long)json : json;
        if (json is null)
            claims.Remove(name);
        await RefusedAsync(world.Partner.Sign(claims));
    }

    [Theory]
    [InlineData("at+jwt")]
    [InlineData("logout+jwt")]
    [InlineData("secevent+jwt")]
    [InlineData("dpop+jwt")]
    [Proves("RFC 8725", "3.11")]
    public async Task A_JWT_that_is_something_else_is_no_assertion(string typ) => await RefusedAsync(world.Partner.Sign(Good, typ));

    [Fact]
    public async Task Our_own_tokens_are_no_assertions()
    {
        var tokens = await world.TokensAsync("openid val:pump-control");
        await RefusedAsync((string)tokens["access_token"]!);
        await RefusedAsync((string)tokens["id_token"]!);
        await RefusedAsync("a.b.c");
        await RefusedAsync("eyJhbGciOiJBMjU2S1ciLCJlbmMiOiJBMjU2R0NNIn0.AAAA.AAAA.AAAA.AAAA");
        (await world.AssertAsync("pump", "")).AssertError(HttpStatusCode.BadRequest, "invalid_request");
    }

    [Fact]
    public async Task A_client_that_is_not_the_issuers_or_has_not_the_scope_is_refused()
    {
        (await world.AssertAsync("fleet", world.Partner.Sign(Good))).AssertError(HttpStatusCode.BadRequest, "invalid_grant");
        (await world.AssertAsync("pump", world.Partner.Sign(Good), ("scope", "val:fleet-tracking"))).AssertError(HttpStatusCode.BadRequest, "invalid_scope");
        (await world.AssertAsync("pump", world.Partner.Sign(Good), ("scope", "openid"))).AssertError(HttpStatusCode.BadRequest, "invalid_scope");
        (await world.AssertAsync("machine-client", world.Partner.Sign(Good))).AssertError(HttpStatusCode.BadRequest, "unauthorized_client");
        // What was refused for its scope was not used up.
        var assertion = world.Partner.Sign(Good);
        (await world.AssertAsync("pump", assertion, ("scope", "openid"))).AssertError(HttpStatusCode.BadRequest, "invalid_scope");
        ExchangeWorld.Granted(await world.AssertAsync("pump", assertion));
    }

    [Fact]
    public async Task An_issuer_that_is_switched_off_is_trusted_no_more()
    {
        var other = new Partner("https://leaving.example");
        await world.SaveIssuerAsync(other.Registration(["pump"]));
        ExchangeWorld.Granted(await world.AssertAsync("pump", other.Sign(other.Claims(world.Issuer, Now))));
        var token = (string)(await world.AssertAsync("pump", other.Sign(other.Claims(world.Issuer, Now)))).Json["access_token"]!;
        await world.SaveIssuerAsync(other.Registration(["pump"]) with { Disabled = true });
        (await world.AssertAsync("pump", other.Sign(other.Claims(world.Issuer, Now)))).AssertError(HttpStatusCode.BadRequest, "invalid_grant");
        (await world.ExchangeAsync("pump", token)).AssertError(HttpStatusCode.BadRequest, "invalid_request");
    }

    [Fact]
    public async Task A_linked_user_who_was_switched_off_or_signed_in_too_weakly_gets_nothing()
    {
        await world.Server.AddUserAsync("fritz");
        var subject = (string)world.Server.Server.User("fritz")["sub"]!;
        var other = new Partner("https://linked.example");
        var registration = other.Registration(["pump"]) with { Links = ImmutableDictionary<string, string>.Empty.Add("carol", subject) };
        await world.SaveIssuerAsync(registration);
        var claims = ExchangeWorld.Granted(await world.AssertAsync("pump", other.Sign(other.Claims(world.Issuer, Now))));
        Assert.Equal((subject, "sip:fritz@val.example"), ((string?)claims["sub"], (string?)claims["val_user_id"]));
        await world.Server.ChangeUserAsync("fritz", user => user with { Disabled = true });
        (await world.AssertAsync("pump", other.Sign(other.Claims(world.Issuer, Now)))).AssertError(HttpStatusCode.BadRequest, "invalid_grant");
    }

    [Fact]
    public async Task The_token_endpoint_may_be_the_audience_and_a_clock_some_seconds_ahead_is_forgiven()
    {
        ExchangeWorld.Granted(await world.AssertAsync("pump", world.Partner.Sign(world.Partner.Claims(world.Issuer + "/token", Now))));
        var ahead = Good;
        ahead["iat"] = Now.ToUnixTimeSeconds() + 8;
        ahead["nbf"] = Now.ToUnixTimeSeconds() + 8;
        ExchangeWorld.Granted(await world.AssertAsync("pump", world.Partner.Sign(ahead)));
    }

    private async Task RefusedAsync(string assertion) => (await world.AssertAsync("pump", assertion)).AssertError(HttpStatusCode.BadRequest, "invalid_grant");

    private static string Encode(string text) => Base64UrlStrict.Encode(Encoding.UTF8.GetBytes(text));
}
