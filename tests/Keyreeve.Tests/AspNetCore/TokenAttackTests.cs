using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Keyreeve.Testing;
using Keyreeve.Tests.Client;
using Keyreeve.Wire.Jose;
using Xunit;

namespace Keyreeve.Tests.AspNetCore;

/// <summary>What an attacker sends to a server that uses AddKeyreeveTokens. Each answer is 401 invalid_token unless said otherwise.</summary>
public sealed class TokenAttackTests : IAsyncLifetime
{
    private readonly TokenIssuer _issuer = new();
    private ResourceServer _server = null!;

    public async ValueTask InitializeAsync() => _server = await ResourceServer.StartAsync(_issuer, o => o.Leeway = TimeSpan.FromSeconds(30));

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        await _issuer.DisposeAsync();
    }

    [Fact]
    [Proves("TS 33.434", "5.2.5")]
    [Proves("TS 33.434", "A.7.2")]
    [Proves("RFC 9068", "4")]
    public async Task A_good_token_opens_the_endpoint_and_its_claims_are_the_users()
    {
        var (status, _, body) = await _server.GetAsync("/pumps", "Bearer " + _issuer.Token());
        Assert.Equal(HttpStatusCode.OK, status);
        Assert.Equal(
            ["sub=u-1", "client_id=seal-client", "scope=openid", "scope=val:pump-control", $"iss={_issuer.Issuer}", "jti=t-1", "acr=3gpp:acr:password",
                "val_user_id=sip:alice@val.example", "val_service_ids=fleet-tracking", "val_service_ids=pump-control",
                $"exp={ScriptedSim.Start.ToUnixTimeSeconds() + 300}", $"auth_time={ScriptedSim.Start.ToUnixTimeSeconds() - 60}"],
            body.Split('\n'));
    }

    [Theory]
    [InlineData("none")]
    [InlineData("None")]
    [InlineData("NONE")]
    [InlineData("")]
    public async Task No_signature_is_no_token(string algorithm)
    {
        var header = $$"""{"typ":"at+jwt","alg":"{{algorithm}}","kid":"k1"}""";
        await InvalidAsync(TokenIssuer.Raw(header, _issuer.Claims().ToJsonString(), _ => []));
        await InvalidAsync(TokenIssuer.Raw(header, _issuer.Claims().ToJsonString(), _ => [1, 2, 3]));
    }

    [Fact]
    public async Task The_public_key_is_no_HMAC_secret()
    {
        using var ecdsa = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var key = ClientSigningKey.FromEcdsa(ecdsa, "k2");
        _issuer.Published = [_issuer.Key.PublicJwk!, key.PublicJwk!];
        foreach (var secret in new[] { Encoding.ASCII.GetBytes(ecdsa.ExportSubjectPublicKeyInfoPem()), ecdsa.ExportSubjectPublicKeyInfo(), Encoding.ASCII.GetBytes(key.PublicJwk!.X!), [] })
            await InvalidAsync(TokenIssuer.Raw("""{"typ":"at+jwt","alg":"HS256","kid":"k2"}""", _issuer.Claims().ToJsonString(), input => HMACSHA256.HashData(secret, input)));
    }

    [Fact]
    public async Task A_key_of_the_senders_own_is_not_used()
    {
        using var own = ScriptedSim.NewKey("k1");
        await InvalidAsync(ScriptedSim.Sign(_issuer.Claims(), own, "at+jwt"));
        using var ecdsa = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var p = ecdsa.ExportParameters(false);
        var jwk = $$"""{"kty":"EC","crv":"P-256","x":"{{Base64UrlStrict.Encode(p.Q.X)}}","y":"{{Base64UrlStrict.Encode(p.Q.Y)}}"}""";
        await InvalidAsync(TokenIssuer.Raw($$"""{"typ":"at+jwt","alg":"ES256","jwk":{{jwk}}}""", _issuer.Claims().ToJsonString(), input => ecdsa.SignData(input, HashAlgorithmName.SHA256)));
        await InvalidAsync(TokenIssuer.Raw("""{"typ":"at+jwt","alg":"ES256","kid":"k1","jku":"https://evil.example/jwks"}""", _issuer.Claims().ToJsonString(), input => ecdsa.SignData(input, HashAlgorithmName.SHA256)));
    }

    [Theory]
    [InlineData("iss", "\"https://evil.example\"")]
    [InlineData("iss", null)]
    [InlineData("aud", "\"https://other.example\"")]
    [InlineData("aud", "[\"https://val.example/pump-control/\"]")]
    [InlineData("aud", "[]")]
    [InlineData("aud", null)]
    [InlineData("exp", null)]
    [InlineData("exp", "\"1790000300\"")]
    [InlineData("iat", null)]
    [InlineData("iat", "1790000031")]
    [InlineData("nbf", "1790000031")]
    [InlineData("sub", null)]
    [InlineData("sub", "\"\"")]
    [InlineData("client_id", null)]
    [InlineData("scope", "\"val:pump-control\\u0000\"")]
    public async Task A_claim_that_does_not_fit_refuses_the_token(string claim, string? value) =>
        await InvalidAsync(_issuer.Token((claim, value is null ? null : JsonNode.Parse(value))));

    [Theory]
    [InlineData("JWT")]
    [InlineData("logout+jwt")]
    [InlineData("secevent+jwt")]
    [InlineData(null)]
    public async Task An_ID_token_is_no_access_token(string? typ) => await InvalidAsync(ScriptedSim.Sign(_issuer.Claims(), _issuer.Key, typ));

    [Fact]
    [Proves("TS 33.434", "A.8")]
    public async Task Expiry_is_exact_at_the_edge_of_the_leeway_also_for_a_token_that_is_remembered()
    {
        var token = "Bearer " + _issuer.Token();
        Assert.Equal(HttpStatusCode.OK, (await _server.GetAsync("/pumps", token)).Status);
        _issuer.Clock.Now = ScriptedSim.Start.AddSeconds(329);
        Assert.Equal(HttpStatusCode.OK, (await _server.GetAsync("/pumps", token)).Status);
        _issuer.Clock.Now = ScriptedSim.Start.AddSeconds(330);
        var (status, challenge, _) = await _server.GetAsync("/pumps", token);
        Assert.Equal((HttpStatusCode.Unauthorized, "Bearer realm=\"keyreeve\", error=\"invalid_token\", error_description=\"the access token has expired\""), (status, challenge));
    }

    [Theory]
    [InlineData("""{"typ":"at+jwt","alg":"ES256","kid":"k1","kid":"k1"}""", null)]
    [InlineData("""{"typ":"at+jwt","alg":"ES256","kid":"k1","alg":"none"}""", null)]
    [InlineData("""{"typ":"at+jwt","alg":"ES256","kid":"k1","crit":["exp"]}""", null)]
    [InlineData("""{"typ":"at+jwt","alg":"ES256","kid":"k1"}""", "\"scope\":\"val:pump-control\"")]
    [InlineData("""{"typ":"at+jwt","alg":"ES256","kid":"k1"}""", "\"aud\":\"https://val.example/pump-control\"")]
    public async Task Members_that_stand_twice_refuse_the_token(string header, string? again)
    {
        var payload = _issuer.Claims().ToJsonString();
        if (again is not null)
            payload = payload[..^1] + "," + again + "}";
        using var ecdsa = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var key = ClientSigningKey.FromEcdsa(ecdsa, "k1");
        _issuer.Published = [key.PublicJwk!];
        await InvalidAsync(TokenIssuer.Raw(header, payload, input => ecdsa.SignData(input, HashAlgorithmName.SHA256)));
        // The same key, and nothing twice: it was that alone.
        var good = TokenIssuer.Raw("""{"typ":"at+jwt","alg":"ES256","kid":"k1"}""", _issuer.Claims().ToJsonString(), input => ecdsa.SignData(input, HashAlgorithmName.SHA256));
        Assert.Equal(HttpStatusCode.OK, (await _server.GetAsync("/pumps", "Bearer " + good)).Status);
    }

    [Fact]
    public async Task A_token_longer_than_the_bound_is_not_read_and_nothing_is_fetched_for_it()
    {
        await InvalidAsync(_issuer.Token(("padding", new string('a', 16 * 1024))));
        await InvalidAsync(new string('a', 20_000));
        await InvalidAsync("a.b.c");
        Assert.Equal(0, _issuer.KeyFetches);
    }

    [Fact]
    [Proves("RFC 8705", "3")]
    public async Task A_bound_token_is_good_on_the_connection_with_its_certificate_alone()
    {
        using var certificate = ResourceServer.NewCertificate("client");
        using var another = ResourceServer.NewCertificate("client");
        var thumbprint = Base64UrlStrict.Encode(SHA256.HashData(certificate.RawData));
        var token = _issuer.Token(("cnf", new JsonObject { ["x5t#S256"] = thumbprint }));
        foreach (var wrong in new[] { null, another })
        {
            var (status, challenge, _) = await _server.GetAsync("/pumps", wrong, "Bearer " + token);
            Assert.Equal(HttpStatusCode.Unauthorized, status);
            Assert.Contains("error=\"invalid_token\"", challenge, StringComparison.Ordinal);
        }
        Assert.Equal(HttpStatusCode.OK, (await _server.GetAsync("/pumps", certificate, "Bearer " + token)).Status);
        // Remembered now, and still not good without it.
        Assert.Equal(HttpStatusCode.Unauthorized, (await _server.GetAsync("/pumps", "Bearer " + token)).Status);
    }

    [Theory]
    [InlineData("{\"jkt\":\"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I\"}")]
    [InlineData("{\"x5t#S256\":\"THUMB\",\"jkt\":\"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I\"}")]
    [InlineData("{\"x5t#S256\":1}")]
    [InlineData("{}")]
    [InlineData("\"THUMB\"")]
    [InlineData("null")]
    [Proves("RFC 8705", "3.1")]
    public async Task A_binding_that_cannot_be_checked_is_not_overlooked(string cnf)
    {
        using var certificate = ResourceServer.NewCertificate("client");
        cnf = cnf.Replace("THUMB", Base64UrlStrict.Encode(SHA256.HashData(certificate.RawData)), StringComparison.Ordinal);
        var payload = _issuer.Claims().ToJsonString()[..^1] + ",\"cnf\":" + cnf + "}";
        var token = JwsWriter.Write(JwsWriter.Header(_issuer.Key, "at+jwt"), Encoding.UTF8.GetBytes(payload), _issuer.Key);
        Assert.Equal(HttpStatusCode.Unauthorized, (await _server.GetAsync("/pumps", certificate, "Bearer " + token)).Status);
    }

    private async Task InvalidAsync(string token)
    {
        var (status, challenge, body) = await _server.GetAsync("/pumps", "Bearer " + token);
        Assert.Equal(HttpStatusCode.Unauthorized, status);
        Assert.StartsWith("Bearer realm=\"keyreeve\", error=\"invalid_token\"", challenge, StringComparison.Ordinal);
        Assert.Empty(body);
    }
}
