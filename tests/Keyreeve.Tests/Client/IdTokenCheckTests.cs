using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Keyreeve.Client;
using Keyreeve.Testing;
using Keyreeve.Wire.Jose;
using Xunit;

namespace Keyreeve.Tests.Client;

public sealed class IdTokenCheckTests
{
    private readonly ScriptedSim _sim = new();

    [Fact]
    [Proves("TS 33.434", "A.7.1")]
    [Proves("OpenID Connect Core 1.0", "3.1.3.7")]
    public async Task A_good_ID_token_is_taken()
    {
        Assert.True((await _sim.ExchangeAsync(c => ScriptedSim.Sign(c, _sim.Key))).Succeeded(out var tokens, out _));
        Assert.Equal("k1", tokens.IdToken.Header.Kid);
    }

    [Fact]
    public async Task An_ID_token_with_another_nonce_is_refused()
    {
        await Refused(c => With(c, "nonce", "other"), "nonce is not ours");
        await Refused(c => With(c, "nonce", null), "nonce is not ours");
    }

    [Fact]
    public async Task An_ID_token_for_another_client_is_refused()
    {
        await Refused(c => With(c, "aud", "other"), "aud is not this client alone");
        await Refused(c => With(c, "aud", new JsonArray(ScriptedSim.ClientId, "other")), "aud is not this client alone");
        await Refused(c => With(c, "azp", "other"), "azp is not this client");
    }

    [Fact]
    public async Task An_ID_token_of_another_issuer_is_refused() => await Refused(c => With(c, "iss", "https://sim-s.example/"), "iss is not the SIM-S");

    [Fact]
    [Proves("TS 33.434", "A.7.1")]
    public async Task An_expired_ID_token_is_taken_within_30_seconds_of_leeway_and_no_longer()
    {
        var now = ScriptedSim.Start.ToUnixTimeSeconds();
        Assert.True((await _sim.ExchangeAsync(c => ScriptedSim.Sign(With(c, "exp", now - 29), _sim.Key))).Succeeded(out _, out var failure), failure?.Describe());
        await Refused(c => With(c, "exp", now - 30), "exp has passed");
        await Refused(c => With(c, "exp", now - 31), "exp has passed");
        await Refused(c => { c.Remove("exp"); return c; }, "exp has passed");
        Assert.False((await _sim.ExchangeAsync(c => ScriptedSim.Sign(With(c, "exp", now), _sim.Key), leeway: 0)).Succeeded(out _, out _));
        await Refused(c => With(c, "iat", now + 31), "iat is missing or in the future");
    }

    [Fact]
    public async Task A_subject_of_more_than_255_bytes_is_refused()
    {
        await Refused(c => With(c, "sub", new string('x', 256)), "sub has not 1 to 255 bytes");
        await Refused(c => With(c, "sub", ""), "sub has not 1 to 255 bytes");
    }

    [Fact]
    public async Task An_unsigned_ID_token_is_refused() => await RefusedText(
        c => Base64UrlStrict.Encode("{\"alg\":\"none\",\"kid\":\"k1\"}"u8) + "." + Base64UrlStrict.Encode(Encoding.UTF8.GetBytes(c.ToJsonString())) + ".",
        "not a JWS: UnsupportedAlgorithm");

    [Fact]
    public async Task The_public_key_is_no_HMAC_secret()
    {
        using var rsa = RSA.Create(2048);
        using var key = ClientSigningKey.FromRsa(rsa, JwsAlgorithm.RS256, "k1");
        _sim.Published = [key.PublicJwk!];
        Assert.True((await _sim.ExchangeAsync(c => ScriptedSim.Sign(c, key))).Succeeded(out _, out _));
        foreach (var secret in (byte[][])[rsa.ExportSubjectPublicKeyInfo(), Encoding.ASCII.GetBytes(rsa.ExportSubjectPublicKeyInfoPem()), Encoding.ASCII.GetBytes(key.PublicJwk!.N!)])
        {
            using var forger = ClientSigningKey.FromSecret(secret, "k1");
            await RefusedText(c => ScriptedSim.Sign(c, forger), "the signature is not the key's");
        }
    }

    [Fact]
    public async Task A_foreign_key_under_the_right_name_is_refused()
    {
        using var foreign = ScriptedSim.NewKey("k1");
        await RefusedText(c => ScriptedSim.Sign(c, foreign), "the signature is not the key's");
    }

    [Fact]
    [Proves("OpenID Connect Core 1.0", "3.1.3.6")]
    public async Task An_ID_token_beside_another_access_token_is_refused()
    {
        await Refused(c => With(c, "at_hash", "AAAAAAAAAAAAAAAAAAAAAA"), "at_hash is not of this access token");
        await Refused(c => With(c, "at_hash", 1), "at_hash is not of this access token");
        Assert.True((await _sim.ExchangeAsync(c => { c.Remove("at_hash"); return ScriptedSim.Sign(c, _sim.Key); })).Succeeded(out _, out _));
    }

    [Theory]
    [InlineData("at+jwt")]
    [InlineData("application/at+jwt")]
    [InlineData("logout+jwt")]
    public async Task An_access_token_is_no_ID_token(string typ) => await RefusedText(c => ScriptedSim.Sign(c, _sim.Key, typ), "typ is not JWT");

    [Fact]
    public async Task Without_a_kid_there_must_be_no_choice_of_keys()
    {
        using var nameless = ScriptedSim.NewKey("");
        _sim.Published = [_sim.Key.PublicJwk!, nameless.PublicJwk!];
        await RefusedText(c => ScriptedSim.Sign(c, nameless), "no kid, and the key set has not exactly one key");
    }

    [Fact]
    public async Task A_rotated_key_is_fetched_once_and_an_invented_one_cannot_flood_the_server()
    {
        var client = await _sim.ClientAsync();
        using var next = ScriptedSim.NewKey("k2");
        async Task<bool> Exchange(IJwsSigner key)
        {
            var request = client.NewRequest(ScriptedSim.Scopes);
            _sim.AnswerTokens(ScriptedSim.Sign(_sim.IdClaims(request.Nonce.Reveal()), key));
            return (await client.ExchangeAsync(_sim.CodeOf(client, request), TestContext.Current.CancellationToken)).Succeeded(out _, out _);
        }
        Assert.True(await Exchange(_sim.Key));
        Assert.True(await Exchange(_sim.Key));
        Assert.Equal(1, _sim.KeyFetches);

        _sim.Published.Add(next.PublicJwk!);
        _sim.Clock.Now += TimeSpan.FromSeconds(6);
        Assert.True(await Exchange(next));
        Assert.Equal(2, _sim.KeyFetches);

        using var invented = ScriptedSim.NewKey("k3");
        for (var i = 0; i < 5; i++)
            Assert.False(await Exchange(invented));
        Assert.Equal(2, _sim.KeyFetches);
        _sim.Clock.Now += TimeSpan.FromSeconds(6);
        Assert.False(await Exchange(invented));
        Assert.Equal(3, _sim.KeyFetches);
    }

    private static JsonObject With(JsonObject claims, string name, JsonNode? value)
    {
        claims[name] = value;
        return claims;
    }

    private Task Refused(Func<JsonObject, JsonObject> spoil, string why) => RefusedText(c => ScriptedSim.Sign(spoil(c), _sim.Key), why);

    private async Task RefusedText(Func<JsonObject, string> token, string why)
    {
        Assert.False((await _sim.ExchangeAsync(token)).Succeeded(out _, out var failure));
        Assert.Equal(why, Assert.IsType<BadAnswer>(failure).Found);
    }
}
