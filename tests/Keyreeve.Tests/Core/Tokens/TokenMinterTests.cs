using System.Text;
using System.Text.Json;
using Keyreeve.Core.Keys;
using Keyreeve.Core.Tokens;
using Keyreeve.Testing;
using Keyreeve.Wire.Jose;
using Xunit;

namespace Keyreeve.Tests.Core.Tokens;

public sealed class TokenMinterTests : IDisposable
{
    private readonly Kek _kek = Samples.NewKek();
    private readonly SigningKey _key;
    private readonly TokenMinter _minter = new(Samples.Issuer);

    public TokenMinterTests() => _key = Samples.NewKey(_kek);

    public void Dispose()
    {
        _key.Dispose();
        _kek.Dispose();
    }

    [Fact]
    [Proves("TS 33.434", "A.2.2")]
    [Proves("TS 33.434", "A.2.2.1")]
    [Proves("TS 33.434", "A.2.2.3")]
    [Proves("TS 33.434", "5.2.3")]
    [Proves("RFC 9068", "2")]
    public void An_access_token_says_all_its_claims_and_no_more()
    {
        var (header, payload) = Parts(_minter.Mint(Full, _key));
        Assert.Equal($$"""{"alg":"ES256","typ":"at+jwt","kid":"{{_key.KeyId}}"}""", header);
        Assert.Equal("""
            {"iss":"https://sim.example","sub":"u-1","aud":["https://a.example","https://b.example"],"exp":1790000600,"iat":1790000000,"jti":"j-1",
            "client_id":"sim-c","scope":"openid val:a","grant_id":"g-1","auth_time":1789999990,"acr":"3gpp:acr:password","amr":["pwd"],
            "val_user_id":"sip:a+b@c","val_service_ids":["a","b"],"val_ue_id":"ue-1","SKeyProv":true}
            """.ReplaceLineEndings(""), payload);
    }

    [Fact]
    [Proves("TS 33.434", "A.2.2")]
    [Proves("RFC 9068", "2")]
    public void What_there_is_not_is_left_out()
    {
        var (_, payload) = Parts(_minter.Mint(new AccessTokenClaims
        {
            Subject = "c",
            ClientId = "c",
            Scope = "s",
            Audience = ["https://a.example"],
            IssuedAt = 1,
            ExpiresAt = 2,
            JwtId = "j",
        }, _key));
        Assert.Equal("""{"iss":"https://sim.example","sub":"c","aud":"https://a.example","exp":2,"iat":1,"jti":"j","client_id":"c","scope":"s"}""", payload);
    }

    [Fact]
    [Proves("TS 33.434", "A.2.1")]
    [Proves("TS 33.434", "A.2.1.3")]
    [Proves("TS 33.434", "5.2.3")]
    public void An_id_token_says_all_its_claims_and_no_more()
    {
        var (header, payload) = Parts(_minter.Mint(new IdTokenClaims
        {
            Subject = "u-1",
            ClientId = "sim-c",
            IssuedAt = 1_790_000_000,
            ExpiresAt = 1_790_000_600,
            Authentication = Samples.Login,
            Nonce = "n\"<é🔑",
            SessionId = "s-1",
            Val = new ValClaims { ValServiceIds = ["a"] },
        }, "token", _key));
        Assert.Equal($$"""{"alg":"ES256","typ":"JWT","kid":"{{_key.KeyId}}"}""", header);
        using var json = JsonDocument.Parse(payload);
        Assert.Equal(["iss", "sub", "aud", "exp", "iat", "auth_time", "acr", "amr", "nonce", "at_hash", "sid", "val_service_ids"], json.RootElement.EnumerateObject().Select(m => m.Name));
        Assert.Equal("n\"<é🔑", json.RootElement.GetProperty("nonce").GetString());
        Assert.Equal("sim-c", json.RootElement.GetProperty("aud").GetString());
        Assert.Equal(TokenMinter.AccessTokenHash("token", JwsAlgorithm.ES256), json.RootElement.GetProperty("at_hash").GetString());
    }

    [Theory]
    [InlineData("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y", "77QmUPtjPfzWtF2AnpK9RQ")] // OpenID Connect Core A.4
    [InlineData("Qcb0Orv1zh30vL1MPRsbm-diHiMwcLyZvn1arpZv-Jxf_11jnpEX3Tgfvk", "LDktKdoQak3Pk0cnXxCltA")] // the c_hash beside it, made alike
    [Proves("OpenID Connect Core 1.0", "3.1.3.6")]
    public void The_hash_of_the_access_token_is_that_of_the_published_example(string token, string hash)
    {
        foreach (var algorithm in new[] { JwsAlgorithm.RS256, JwsAlgorithm.PS256, JwsAlgorithm.ES256 })
            Assert.Equal(hash, TokenMinter.AccessTokenHash(token, algorithm));
        Assert.Equal(32, TokenMinter.AccessTokenHash(token, JwsAlgorithm.ES384).Length);
    }

    [Fact]
    [Proves("RFC 9068", "2")]
    public void Claims_of_one_token_never_reach_the_next()
    {
        var small = Full with { GrantId = null, Authentication = null, Val = null, KeyProvisioning = false, Scope = "", JwtId = "x" };
        var expected = Parts(_minter.Mint(small, _key)).Payload;
        Parallel.For(0, 200, i =>
        {
            _ = _minter.Mint(Full with { JwtId = new string('j', i * 10) }, _key);
            if (Parts(_minter.Mint(small, _key)).Payload != expected)
                throw new InvalidOperationException("a token carries what another was made of");
        });
    }

    [Fact]
    public void Every_jti_is_new()
    {
        var all = Enumerable.Range(0, 1000).Select(_ => TokenMinter.NewJwtId()).ToHashSet();
        Assert.Equal(1000, all.Count);
        Assert.All(all, jti => Assert.Matches("^[A-Za-z0-9_-]{22}$", jti));
    }

    internal static readonly AccessTokenClaims Full = new()
    {
        Subject = "u-1",
        ClientId = "sim-c",
        Scope = "openid val:a",
        Audience = ["https://a.example", "https://b.example"],
        IssuedAt = Samples.Now.ToUnixTimeSeconds(),
        ExpiresAt = Samples.Now.ToUnixTimeSeconds() + 600,
        JwtId = "j-1",
        GrantId = "g-1",
        Authentication = Samples.Login,
        Val = new ValClaims { ValUserId = "sip:a+b@c", ValServiceIds = ["a", "b"], ValUeId = "ue-1" },
        KeyProvisioning = true,
    };

    private static (string Header, string Payload) Parts(string token)
    {
        Assert.True(JwsCompact.TryRead(token, out var jws, out _));
        return (Encoding.UTF8.GetString(jws.HeaderJson.Span), Encoding.UTF8.GetString(jws.Payload.Span));
    }
}
