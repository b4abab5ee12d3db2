using System.Security.Cryptography;
using System.Text;
using Keyreeve.Core.Keys;
using Keyreeve.Core.Refusals;
using Keyreeve.Core.Tokens;
using Keyreeve.Testing;
using Keyreeve.Tests.Client;
using Keyreeve.Wire.Jose;
using Xunit;
using Fuzz = Keyreeve.Tests.Wire.OAuth.Samples;

namespace Keyreeve.Tests.Core.Tokens;

[Proves("TS 33.434", "A.7.2")]
public sealed class TokenVerifierTests : IDisposable
{
    private const string Audience = "https://a.example";

    private readonly Kek _kek = Samples.NewKek();
    private readonly SigningKey _key;
    private readonly SetClock _clock = new(Samples.Now);
    private KeyRing _ring;
    private RevocationList _revocations = RevocationList.Empty;

    public TokenVerifierTests()
    {
        _key = Samples.NewKey(_kek);
        _ring = new KeyRing([_key]);
    }

    private static AccessTokenClaims Claims => TokenMinterTests.Full;

    public void Dispose()
    {
        _key.Dispose();
        _kek.Dispose();
    }

    [Fact]
    public void A_token_of_ours_is_accepted_with_all_it_says()
    {
        var token = Samples.Granted(Verifier().Verify(Minted(), Audience));
        Assert.Equal(("u-1", "sim-c", "openid val:a", "g-1"), (token.Subject, token.ClientId, token.Scope.Text, token.GrantId));
        Assert.Equal(("sip:a+b@c", "ue-1"), (token.ValUserId, token.ValUeId));
        Assert.Equal(["a", "b"], token.ValServiceIds);
        Assert.Equal((Claims.IssuedAt, Claims.ExpiresAt), (token.IssuedAt, token.ExpiresAt));
        Assert.False(token.IsClients);
        Assert.True(Samples.Granted(Verifier().Verify(Minted(Claims with { Subject = "sim-c" }), null)).IsClients);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(5)]
    [InlineData(30)]
    [Proves("TS 33.434", "A.2.2.2")]
    public void A_token_ends_exactly_a_leeway_after_its_exp(int leeway)
    {
        var verifier = Verifier(leeway);
        var token = Minted();
        _clock.Now = DateTimeOffset.FromUnixTimeSeconds(Claims.ExpiresAt + leeway - 1).AddMilliseconds(999);
        Samples.Granted(verifier.Verify(token, Audience));
        // The same verifier remembers the signature: time is looked at all the same.
        _clock.Now = DateTimeOffset.FromUnixTimeSeconds(Claims.ExpiresAt + leeway);
        Samples.Refused(RefusalCode.TokenExpired, verifier.Verify(token, Audience));
        Samples.Refused(RefusalCode.TokenExpired, Verifier(leeway).Verify(token, Audience));
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(31)]
    [InlineData(3600)]
    [Proves("TS 33.434", "A.2.2.2")]
    public void A_leeway_over_30_seconds_is_no_setting(int leeway) => Assert.Throws<ArgumentOutOfRangeException>(() => Verifier(leeway));

    [Fact]
    public void A_token_for_another_audience_is_refused()
    {
        foreach (var audience in new[] { "https://c.example", "https://a.example/", "https://A.example", "", "https://a.example https://b.example" })
            Samples.Refused(RefusalCode.TokenForAnotherAudience, Verifier().Verify(Minted(), audience));
        Samples.Granted(Verifier().Verify(Minted(), "https://b.example"));
        Samples.Granted(Verifier().Verify(Minted(), null));
    }

    [Fact]
    public void The_audience_is_looked_at_for_a_remembered_token_too()
    {
        var verifier = Verifier();
        var token = Minted();
        Samples.Granted(verifier.Verify(token, Audience));
        Samples.Refused(RefusalCode.TokenForAnotherAudience, verifier.Verify(token, "https://c.example"));
    }

    [Theory]
    [InlineData("https://sim.example/")]
    [InlineData("https://SIM.example")]
    [InlineData("https://evil.example")]
    public void A_token_of_another_issuer_is_refused(string issuer) =>
        Samples.Refused(RefusalCode.TokenInvalid, Verifier().Verify(new TokenMinter(issuer).Mint(Claims, _key), Audience));

    [Theory]
    [InlineData("JWT")]
    [InlineData("at+jwtx")]
    [InlineData("logout+jwt")]
    [InlineData(null)]
    public void A_token_of_another_type_is_refused_whoever_signed_it(string? typ) =>
        Samples.Refused(RefusalCode.TokenInvalid, Verifier().Verify(JwsWriter.Write(JwsWriter.Header(_key, typ), Payload(), _key), Audience));

    [Fact]
    public void An_id_token_is_no_access_token()
    {
        var idToken = new TokenMinter(Samples.Issuer).Mint(
            new IdTokenClaims { Subject = "u-1", ClientId = Audience, IssuedAt = Claims.IssuedAt, ExpiresAt = Claims.ExpiresAt, Authentication = Samples.Login }, "t", _key);
        Samples.Refused(RefusalCode.TokenInvalid, Verifier().Verify(idToken, Audience));
    }

    [Fact]
    public void A_foreign_key_under_our_kid_is_refused()
    {
        using var foreign = ClientSigningKey.FromEcdsa(ECDsa.Create(ECCurve.NamedCurves.nistP256), _key.KeyId);
        var token = JwsWriter.Write(_key.HeaderAccessToken, Payload(), foreign);
        Samples.Refused(RefusalCode.TokenInvalid, Verifier().Verify(token, Audience));
        using var secret = ClientSigningKey.FromSecret(Encoding.ASCII.GetBytes(_key.PublicKey.X!.PadRight(32)), _key.KeyId);
        Samples.Refused(RefusalCode.TokenInvalid, Verifier().Verify(JwsWriter.Write(JwsWriter.Header(secret, "at+jwt"), Payload(), secret), Audience));
    }

    [Fact]
    public void An_unknown_kid_and_no_kid_are_refused()
    {
        using var other = Samples.NewKey(_kek);
        Samples.Refused(RefusalCode.TokenInvalid, Verifier().Verify(new TokenMinter(Samples.Issuer).Mint(Claims, other), Audience));
        Samples.Refused(RefusalCode.TokenInvalid, Verifier().Verify(JwsWriter.Write("""{"alg":"ES256","typ":"at+jwt"}"""u8, Payload(), _key), Audience));
    }

    [Fact]
    public void Any_changed_character_is_refused()
    {
        var token = Minted();
        var verifier = Verifier();
        Samples.Granted(verifier.Verify(token, Audience));
        for (var i = 0; i < token.Length; i += 7)
            Samples.Refused(RefusalCode.TokenInvalid, verifier.Verify(token[..i] + (token[i] == 'A' ? 'B' : 'A') + token[(i + 1)..], Audience));
        foreach (var text in new[] { "", ".", "..", token + ".", token + "=", token + " ", " " + token, token[..^1], token[..token.LastIndexOf('.')] + "." })
            Samples.Refused(RefusalCode.TokenInvalid, verifier.Verify(text, Audience));
        Samples.Refused(RefusalCode.TokenInvalid, verifier.Verify(new string('a', JoseLimits.MaxTokenLength + 1), Audience));
    }

    [Theory]
    [InlineData("exp")]
    [InlineData("iat")]
    [InlineData("sub")]
    [InlineData("client_id")]
    [InlineData("iss")]
    public void A_required_claim_must_be_there(string claim)
    {
        foreach (var value in new[] { null, "\"\"", "null", "[]" })
            Samples.Refused(RefusalCode.TokenInvalid, Verifier().Verify(JwsWriter.Write(_key.HeaderAccessToken, Payload(claim, value), _key), Audience));
    }

    [Theory]
    [InlineData("aud", "[]")]
    [InlineData("aud", "null")]
    [InlineData("exp", "\"1790000600\"")]
    [InlineData("scope", "\"a\\\\b\"")]
    public void A_claim_of_another_shape_is_refused(string claim, string value) =>
        Samples.Refused(RefusalCode.TokenInvalid, Verifier().Verify(JwsWriter.Write(_key.HeaderAccessToken, Payload(claim, value), _key), Audience));

    [Theory]
    [InlineData(RevocationKind.JwtId, "j-1")]
    [InlineData(RevocationKind.Subject, "u-1")]
    [InlineData(RevocationKind.Client, "sim-c")]
    [InlineData(RevocationKind.Grant, "g-1")]
    public void A_revocation_of_each_kind_ends_a_token_that_was_good_a_moment_ago(RevocationKind kind, string value)
    {
        var verifier = Verifier();
        var token = Minted();
        Samples.Granted(verifier.Verify(token, Audience));
        _revocations = new RevocationList([new Revocation(kind, value, Claims.IssuedAt, long.MaxValue)]);
        Samples.Refused(RefusalCode.TokenRevoked, verifier.Verify(token, Audience));
        Samples.Refused(RefusalCode.TokenRevoked, verifier.Verify(token, null));
        Samples.Granted(verifier.Verify(Minted(Claims with { IssuedAt = Claims.IssuedAt + 1, JwtId = kind == RevocationKind.JwtId ? "j-2" : "j-1" }), Audience));
    }

    [Fact]
    public void What_a_revoked_key_has_signed_is_out_at_once()
    {
        var verifier = Verifier();
        var token = Minted();
        Samples.Granted(verifier.Verify(token, Audience));
        using var other = Samples.NewKey(_kek);
        var before = _ring;
        _ring = new KeyRing([other]);
        Samples.Refused(RefusalCode.TokenInvalid, verifier.Verify(token, Audience));
        _ring = before;
        Samples.Granted(verifier.Verify(token, Audience));
    }

    [Fact]
    public void No_text_makes_it_throw_or_passes()
    {
        var verifier = Verifier();
        var token = Minted();
        Fuzz.Check(Fuzz.Anything, text => !verifier.Verify(text, null).Succeeded(out _, out _) && !verifier.Verify(token[..token.IndexOf('.')] + text, null).Succeeded(out _, out _));
    }

    private TokenVerifier Verifier(int leeway = 5) => new(Samples.Issuer, () => _ring, () => _revocations, _clock, TimeSpan.FromSeconds(leeway));

    private string Minted(AccessTokenClaims? claims = null) => new TokenMinter(Samples.Issuer).Mint(claims ?? Claims, _key);

    /// <summary>Good claims, one of them with another value, or without (null).</summary>
    private static byte[] Payload(string? claim = null, string? value = null)
    {
        var claims = new Dictionary<string, string?>
        {
            ["iss"] = "\"https://sim.example\"",
            ["sub"] = "\"u-1\"",
            ["aud"] = "\"https://a.example\"",
            ["exp"] = "1790000600",
            ["iat"] = "1790000000",
            ["client_id"] = "\"sim-c\"",
            ["scope"] = "\"a\"",
        };
        if (claim is not null)
            claims[claim] = value;
        return Encoding.UTF8.GetBytes("{" + string.Join(',', claims.Where(c => c.Value is not null).Select(c => $"\"{c.Key}\":{c.Value}")) + "}");
    }
}
