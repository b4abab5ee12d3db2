using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Keyreeve.Core.Snapshots;
using Keyreeve.Testing;
using Keyreeve.Wire.Jose;
using Xunit;

namespace Keyreeve.Slices.Tests.OpenId;

/// <summary>
/// Access tokens that are none. Some are signed with the server's own key, so that the signature is not what refuses them; each
/// differs from a good token in one thing.
/// </summary>
[Proves("TS 33.434", "A.6")]
[Proves("TS 33.434", "A.7.2")]
[Proves("RFC 6750", "3")]
[Proves("RFC 9068", "4")]
public sealed class BearerTokenAttackTests(OpenIdServer server) : IClassFixture<OpenIdServer>
{
    private JsonObject? _claims;

    [Theory]
    [InlineData("none")]
    [InlineData("NONE")]
    [InlineData("nOnE")]
    public async Task An_unsigned_token_is_refused(string algorithm)
    {
        var parts = (await GoodAsync()).Split('.');
        await AssertRefusedAsync(Encode($"{{\"alg\":\"{algorithm}\",\"typ\":\"at+jwt\"}}") + "." + parts[1] + ".");
        await AssertRefusedAsync(Encode($"{{\"alg\":\"{algorithm}\",\"typ\":\"at+jwt\"}}") + "." + parts[1] + "." + parts[2]);
        await AssertRefusedAsync(parts[0] + "." + parts[1] + ".");
    }

    [Theory]
    [InlineData("foreign key")]
    [InlineData("foreign key in the header")]
    [InlineData("HMAC with the public key")]
    [InlineData("zeros")]
    [InlineData("one bit")]
    [InlineData("cut")]
    [InlineData("second spelling")]
    [InlineData("other payload")]
    public async Task A_wrongly_signed_token_is_refused(string variant)
    {
        var good = await GoodAsync();
        var parts = good.Split('.');
        var kid = (string)OpenIdServer.HeaderOf(good)["kid"]!;
        using var foreign = ClientSigningKey.FromEcdsa(ECDsa.Create(ECCurve.NamedCurves.nistP256), kid);
        var jwk = (await server.GetAsync("/jwks")).Json["keys"]!.AsArray().First(k => (string)k!["kid"]! == kid)!.ToJsonString();
        using var hmac = ClientSigningKey.FromSecret(Encoding.UTF8.GetBytes(jwk), kid);
        var payload = System.Buffers.Text.Base64Url.DecodeFromChars(parts[1]);
        var signature = System.Buffers.Text.Base64Url.DecodeFromChars(parts[2]);
        signature[10] ^= 1;
        await AssertRefusedAsync(variant switch
        {
            "foreign key" => JwsWriter.Write(JwsWriter.Header(foreign, "at+jwt"), payload, foreign),
            "foreign key in the header" => JwsWriter.Write(Encoding.UTF8.GetBytes($"{{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"{kid}\",\"jwk\":{PublicJson(foreign)},\"jku\":\"https://attacker.example\"}}"), payload, foreign),
            "HMAC with the public key" => JwsWriter.Write(JwsWriter.Header(hmac, "at+jwt"), payload, hmac),
            "zeros" => parts[0] + "." + parts[1] + "." + Base64UrlStrict.Encode(new byte[64]),
            "one bit" => parts[0] + "." + parts[1] + "." + Base64UrlStrict.Encode(signature),
            "cut" => good[..^4],
            "second spelling" => good + "=",
            _ => parts[0] + "." + Encode("{\"iss\":\"" + server.Issuer + "\",\"sub\":\"x\"}") + "." + parts[2],
        });
    }

    [Theory]
    [InlineData("{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"KID\"}")]
    [InlineData("{\"alg\":\"ES256\",\"kid\":\"KID\"}")]
    [InlineData("{\"alg\":\"ES256\",\"typ\":\"logout+jwt\",\"kid\":\"KID\"}")]
    [InlineData("{\"alg\":\"ES256\",\"typ\":\"at+jwt\"}")]
    [InlineData("{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"../../etc/passwd\"}")]
    [InlineData("{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"' OR 1=1\"}")]
    [InlineData("{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":7}")]
    [InlineData("{\"alg\":\"RS256\",\"typ\":\"at+jwt\",\"kid\":\"KID\"}")]
    [InlineData("{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"KID\",\"b64\":false,\"crit\":[\"b64\"]}")]
    [InlineData("{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"KID\",\"b64\":false}")]
    [InlineData("{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"KID\",\"crit\":[\"exp\"],\"exp\":1}")]
    [InlineData("{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"KID\",\"crit\":[]}")]
    [InlineData("{\"alg\":\"ES256\",\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"KID\"}")]
    [InlineData("[]")]
    public async Task A_header_that_no_access_token_has_is_refused_though_our_own_key_signed(string header)
    {
        Assert.Equal(HttpStatusCode.OK, (await server.GetAsync("/userinfo", SignOwn(await ClaimsAsync()))).Status);
        await AssertRefusedAsync(SignOwn(await ClaimsAsync(), header));
    }

    [Theory]
    [InlineData("iss", "https://other.example")]
    [InlineData("iss", null)]
    [InlineData("sub", null)]
    [InlineData("sub", "")]
    [InlineData("exp", null)]
    [InlineData("exp", "9999999999")]
    [InlineData("iat", null)]
    [InlineData("client_id", null)]
    [InlineData("client_id", "")]
    [InlineData("scope", "\"quoted\"")]
    public async Task A_claim_that_is_missing_or_wrong_is_refused_though_our_own_key_signed(string name, string? value)
    {
        var claims = await ClaimsAsync();
        claims.Remove(name);
        if (value is not null)
            claims[name] = value;
        await AssertRefusedAsync(SignOwn(claims));
    }

    [Fact]
    public async Task A_member_twice_is_refused_whichever_a_reader_would_take()
    {
        var claims = (await ClaimsAsync()).ToJsonString();
        await AssertRefusedAsync(SignOwn(claims[..^1] + ",\"scope\":\"openid\"}"));
        await AssertRefusedAsync(SignOwn(claims[..^1] + ",\"x\":{\"a\":1,\"a\":2}}"));
        await AssertRefusedAsync(SignOwn(claims[..^1] + ",\"x\":" + new string('[', 100) + new string(']', 100) + "}"));
    }

    [Fact]
    public async Task An_ID_token_is_not_an_access_token()
    {
        var tokens = await server.NewFlow().TokensAsync();
        await AssertRefusedAsync((string)tokens["id_token"]!);
        await AssertRefusedAsync((string)tokens["refresh_token"]!, introspect: false);
    }

    [Theory]
    [InlineData("")]
    [InlineData(".")]
    [InlineData("..")]
    [InlineData("a.b.c")]
    [InlineData("a.b.c.d.e")]
    [InlineData("e30.e30.e30")]
    [InlineData("not a token")]
    public async Task Junk_is_refused(string token)
    {
        var request = new HttpRequestMessage(HttpMethod.Get, "/userinfo");
        request.Headers.TryAddWithoutValidation("Authorization", "Bearer " + token);
        Assert.Equal(HttpStatusCode.Unauthorized, (await server.SendAsync(request)).Status);
        if (token.Length > 0)
            Assert.Equal("{\"active\":false}", (await server.IntrospectAsync("seal-client", token)).ToJsonString());
    }

    [Fact]
    public async Task A_token_of_a_megabyte_is_refused_before_it_is_looked_at()
    {
        var long20 = new string('a', 20_000);
        await AssertRefusedAsync(long20 + "." + long20[..5000] + ".AAAA", introspect: true);
        var huge = new string('a', 1_000_000);
        try
        {
            Assert.Equal(HttpStatusCode.RequestHeaderFieldsTooLarge, (await server.GetAsync("/userinfo", huge)).Status);
        }
        catch (HttpRequestException)
        {
            // The server hangs up while we still send: no less refused.
        }
        (await server.PostAsync("/introspect", server.Server.Basic("seal-client"), ("token", huge))).AssertError(HttpStatusCode.RequestEntityTooLarge, "invalid_request");
        (await server.PostAsync("/revoke", server.Server.Basic("seal-client"), ("token", huge))).AssertError(HttpStatusCode.RequestEntityTooLarge, "invalid_request");
    }

    [Theory]
    [InlineData("/userinfo?access_token=")]
    [InlineData("/userinfo?x=1&access_token=")]
    public async Task A_token_in_the_query_is_refused_even_beside_a_good_header(string address)
    {
        var good = await GoodAsync();
        AssertChallenge(await server.GetAsync(address + good), null);
        AssertChallenge(await server.GetAsync(address + good, good), null);
    }

    [Fact]
    public async Task A_token_in_a_body_is_not_read()
    {
        var answer = await server.PostAsync("/userinfo", null, ("access_token", await GoodAsync()));
        AssertChallenge(answer, null);
    }

    [Fact]
    public async Task Without_a_token_the_challenge_has_no_error_and_other_schemes_do_not_count()
    {
        AssertChallenge(await server.GetAsync("/userinfo"), null);
        foreach (var header in (string[])["Basic " + server.Server.Basic("seal-client").Parameter, "Bearer", "Bearer ", "DPoP " + await GoodAsync(), await GoodAsync()])
        {
            var request = new HttpRequestMessage(HttpMethod.Get, "/userinfo");
            request.Headers.TryAddWithoutValidation("Authorization", header);
            AssertChallenge(await server.SendAsync(request), null);
        }
    }

    [Fact]
    public async Task The_scheme_name_is_compared_without_case_and_POST_works_too()
    {
        foreach (var method in (HttpMethod[])[HttpMethod.Get, HttpMethod.Post])
        {
            var request = new HttpRequestMessage(method, "/userinfo");
            request.Headers.TryAddWithoutValidation("Authorization", "bEARER " + await GoodAsync());
            Assert.Equal(HttpStatusCode.OK, (await server.SendAsync(request)).Status);
        }
    }

    [Fact]
    public async Task A_token_for_another_audience_is_invalid_and_one_without_the_scope_is_insufficient()
    {
        var machine = await server.PostAsync("/token", server.Server.Basic("val-server"), ("grant_type", "client_credentials"));
        AssertChallenge(await server.GetAsync("/userinfo", (string)machine.Json["access_token"]!), "invalid_token");
        var claims = await ClaimsAsync();
        claims["scope"] = "profile";
        var answer = await server.GetAsync("/userinfo", SignOwn(claims));
        Assert.Equal(HttpStatusCode.Forbidden, answer.Status);
        var challenge = Assert.Single(answer.Response.Headers.WwwAuthenticate);
        Assert.Equal("realm=\"keyreeve\", error=\"insufficient_scope\", scope=\"openid\"", challenge.Parameter);
    }

    [Fact]
    [Proves("TS 33.434", "A.2.2.2")]
    [Proves("TS 33.434", "A.8")]
    public async Task With_30_seconds_of_leeway_a_token_is_good_29_seconds_after_exp_and_dead_31_seconds_after()
    {
        await using var own = await OpenIdServer.StartAsync("Tokens:LeewaySeconds=30", "Tokens:AccessTokenSeconds=10");
        own.Server.Time.StandStill();
        var token = (string)(await own.NewFlow().TokensAsync())["access_token"]!;
        var exp = DateTimeOffset.FromUnixTimeSeconds((long)OpenIdServer.ClaimsOf(token)["exp"]!);
        own.Server.Time.Advance(exp.AddSeconds(29) - own.Server.Time.GetUtcNow());
        Assert.Equal(HttpStatusCode.OK, (await own.GetAsync("/userinfo", token)).Status);
        Assert.True(await own.IsActiveAsync("seal-client", token));
        own.Server.Time.Advance(exp.AddSeconds(31) - own.Server.Time.GetUtcNow());
        AssertChallenge(await own.GetAsync("/userinfo", token), "invalid_token");
        Assert.False(await own.IsActiveAsync("seal-client", token));
    }

    [Fact]
    public async Task A_disabled_users_token_opens_nothing()
    {
        var user = await server.AddUserAsync("quinn");
        var flow = server.NewFlow();
        var token = (string)(await flow.TokensAsync(user))["access_token"]!;
        await server.ChangeUserAsync("quinn", u => u with { Disabled = true });
        AssertChallenge(await server.GetAsync("/userinfo", token), "invalid_token");
    }

    private static void AssertChallenge(Answer answer, string? error)
    {
        Assert.Equal(HttpStatusCode.Unauthorized, answer.Status);
        Assert.Equal("application/problem+json", answer.Response.Content.Headers.ContentType!.MediaType);
        AuthenticationHeaderValue challenge = Assert.Single(answer.Response.Headers.WwwAuthenticate);
        Assert.Equal("Bearer", challenge.Scheme);
        if (error is null)
            Assert.Equal("realm=\"keyreeve\"", challenge.Parameter);
        else
            Assert.StartsWith($"realm=\"keyreeve\", error=\"{error}\", error_description=\"", challenge.Parameter, StringComparison.Ordinal);
    }

    private static string Encode(string json) => Base64UrlStrict.Encode(Encoding.UTF8.GetBytes(json));

    private static string PublicJson(ClientSigningKey key)
    {
        using var stream = new MemoryStream();
        using (var json = new System.Text.Json.Utf8JsonWriter(stream))
            key.PublicJwk!.WritePublic(json);
        return Encoding.UTF8.GetString(stream.ToArray());
    }

    private async Task AssertRefusedAsync(string token, bool introspect = true)
    {
        AssertChallenge(await server.GetAsync("/userinfo", token), "invalid_token");
        if (introspect)
            Assert.Equal("{\"active\":false}", (await server.IntrospectAsync("seal-client", token)).ToJsonString());
    }

    private async Task<string> GoodAsync() => (string)(await server.NewFlow().TokensAsync())["access_token"]!;

    private async Task<JsonObject> ClaimsAsync() => (JsonObject)(_claims ??= OpenIdServer.ClaimsOf(await GoodAsync())).DeepClone();

    private string SignOwn(JsonObject claims, string? header = null) => SignOwn(claims.ToJsonString(), header);

    /// <summary>Signs with the key that the server signs with.</summary>
    private string SignOwn(string claims, string? header = null)
    {
        var key = server.Service<SnapshotState>().Keys.Current(JwsAlgorithm.ES256, server.Server.Time.GetUtcNow())!;
        var octets = header is null ? key.HeaderAccessToken : Encoding.UTF8.GetBytes(header.Replace("KID", key.KeyId, StringComparison.Ordinal));
        return JwsWriter.Write(octets, Encoding.UTF8.GetBytes(claims), key);
    }
}
