using System.Text;
using System.Text.Json.Nodes;
using Keyreeve.Client;
using Keyreeve.Testing;
using Keyreeve.Wire.Jose;
using Keyreeve.Wire.OAuth;
using Xunit;

namespace Keyreeve.Tests.Client;

public sealed class SimClientTests
{
    private readonly ScriptedSim _sim = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("https://sim-s.example/")]
    [InlineData("https://SIM-S.example")]
    [InlineData("https://evil.example")]
    [InlineData(null)]
    [Proves("OpenID Connect Discovery 1.0", "4.3")]
    public async Task Metadata_of_another_issuer_are_refused(string? issuer)
    {
        _sim.Metadata["issuer"] = issuer;
        Assert.False((await _sim.DiscoverAsync()).Succeeded(out _, out var failure));
        Assert.Contains("issuer https://sim-s.example", Assert.IsType<BadAnswer>(failure).Expected, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("token_endpoint", "http://sim-s.example/token")]
    [InlineData("jwks_uri", "file:///etc/passwd")]
    [InlineData("authorization_endpoint", null)]
    [InlineData("revocation_endpoint", "http://sim-s.example/revoke")]
    public async Task An_endpoint_without_TLS_is_refused(string member, string? address)
    {
        _sim.Metadata[member] = address;
        Assert.False((await _sim.DiscoverAsync()).Succeeded(out _, out var failure));
        Assert.Contains(member, Assert.IsType<BadAnswer>(failure).Expected, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{\"issuer\":\"https://sim-s.example\",\"issuer\":\"https://sim-s.example\"}")]
    [InlineData("{\"\\ud800\":1}")]
    [InlineData("[]")]
    [InlineData("")]
    public async Task Metadata_that_are_no_strict_JSON_object_are_refused(string body)
    {
        _sim.Answers["/.well-known/openid-configuration"] = (200, body);
        Assert.False((await _sim.DiscoverAsync()).Succeeded(out _, out _));
    }

    [Fact]
    public async Task An_answer_longer_than_the_bound_is_not_read()
    {
        _sim.Answers["/.well-known/openid-configuration"] = (200, "{\"issuer\":\"" + new string('a', 300_000) + "\"}");
        Assert.False((await _sim.DiscoverAsync()).Succeeded(out _, out var failure));
        Assert.EndsWith("too long", Assert.IsType<BadAnswer>(failure).Found, StringComparison.Ordinal);
    }

    [Fact]
    [Proves("TS 33.434", "A.4.2.2")]
    public async Task The_authentication_request_has_every_required_parameter_once()
    {
        var client = await _sim.ClientAsync();
        var request = client.NewRequest(ScopeList.Of(["seal:key_management"]));
        Assert.True(ParameterList.TryRead(Encoding.UTF8.GetBytes(request.Address.Query[1..]), out var sent, out _));
        Assert.Null(sent.FirstRepeated());
        var values = sent.Pairs.ToDictionary(p => p.Key, p => p.Value);
        Assert.Equal("code", values["response_type"]);
        Assert.Equal(ScriptedSim.ClientId, values["client_id"]);
        Assert.Equal("openid seal:key_management", values["scope"]);
        Assert.Equal(ScriptedSim.Redirect, values["redirect_uri"]);
        Assert.Equal(request.State.Reveal(), values["state"]);
        Assert.Equal("3gpp:acr:password", values["acr_values"]);
        Assert.Equal(PkceChallenge.Of(request.CodeVerifier.Reveal()).Value, values["code_challenge"]);
        Assert.Equal("S256", values["code_challenge_method"]);
        Assert.Equal(request.Nonce.Reveal(), values["nonce"]);
        var next = client.NewRequest(ScriptedSim.Scopes);
        Assert.NotEqual(next.State, request.State);
        Assert.NotEqual(next.Nonce, request.Nonce);
        Assert.NotEqual(next.CodeVerifier, request.CodeVerifier);
    }

    [Fact]
    [Proves("TS 33.434", "A.4.2.3")]
    public async Task A_response_with_another_state_is_ignored_and_nothing_is_sent()
    {
        var client = await _sim.ClientAsync();
        var request = client.NewRequest(ScriptedSim.Scopes);
        var before = _sim.Seen.Count;
        foreach (var state in (string[])["other", "", request.State.Reveal()[..^1], request.State.Reveal() + "x"])
            Assert.IsType<AuthenticationResponse.Ignored>(client.ReadResponse(request, $"{ScriptedSim.Redirect}?code=c&state={state}&iss=https%3A%2F%2Fsim-s.example"));
        // An error with a forged state is no error of ours either.
        Assert.IsType<AuthenticationResponse.Ignored>(client.ReadResponse(request, $"{ScriptedSim.Redirect}?error=access_denied&state=other"));
        Assert.Equal(before, _sim.Seen.Count);
    }

    [Fact]
    [Proves("RFC 9207", "2.4")]
    public async Task A_response_of_another_issuer_is_ignored()
    {
        var client = await _sim.ClientAsync();
        var request = client.NewRequest(ScriptedSim.Scopes);
        var start = $"{ScriptedSim.Redirect}?code=c&state={request.State.Reveal()}";
        Assert.IsType<AuthenticationResponse.Ignored>(client.ReadResponse(request, start));
        Assert.IsType<AuthenticationResponse.Ignored>(client.ReadResponse(request, start + "&iss=https%3A%2F%2Fevil.example"));
        Assert.IsType<AuthenticationResponse.Ignored>(client.ReadResponse(request, start + "&iss=https%3A%2F%2Fsim-s.example%2F"));
        Assert.IsType<AuthenticationResponse.Code>(client.ReadResponse(request, start + "&iss=https%3A%2F%2Fsim-s.example"));

        _sim.Metadata["authorization_response_iss_parameter_supported"] = false;
        var plain = await _sim.ClientAsync();
        Assert.IsType<AuthenticationResponse.Code>(plain.ReadResponse(request, start));
        Assert.IsType<AuthenticationResponse.Ignored>(plain.ReadResponse(request, start + "&iss=https%3A%2F%2Fevil.example"));
    }

    [Theory]
    [InlineData("&code=second")]
    [InlineData("&error=access_denied")]
    [InlineData("#fragment")]
    [InlineData("&x=%zz")]
    public async Task An_ambiguous_response_is_ignored(string more)
    {
        var client = await _sim.ClientAsync();
        var request = client.NewRequest(ScriptedSim.Scopes);
        Assert.IsType<AuthenticationResponse.Ignored>(client.ReadResponse(request, ScriptedSim.Callback(request, more)));
        Assert.IsType<AuthenticationResponse.Ignored>(client.ReadResponse(request, ScriptedSim.Callback(request).Replace("8400", "8401", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task A_refusal_by_redirect_is_a_value_without_control_characters()
    {
        var client = await _sim.ClientAsync();
        var request = client.NewRequest(ScriptedSim.Scopes);
        var callback = $"{ScriptedSim.Redirect}?error=access_denied&error_description=n%C3%A9in&state={request.State.Reveal()}&iss=https%3A%2F%2Fsim-s.example";
        var denied = Assert.IsType<AuthenticationResponse.Denied>(client.ReadResponse(request, callback));
        Assert.Equal(new OAuthError("access_denied", "n?in", 0), denied.Error);
    }

    [Fact]
    [Proves("TS 33.434", "A.4.2.4")]
    [Proves("TS 33.434", "A.4.2.5")]
    [Proves("TS 33.434", "5.2.4")]
    [Proves("TS 33.434", "A.8")]
    public async Task A_code_is_exchanged_with_the_secret_in_the_header_and_all_parameters_in_the_form()
    {
        var client = await _sim.ClientAsync();
        var request = client.NewRequest(ScriptedSim.Scopes);
        _sim.AnswerTokens(ScriptedSim.Sign(_sim.IdClaims(request.Nonce.Reveal()), _sim.Key));
        var result = await client.ExchangeAsync(_sim.CodeOf(client, request), Cancel);
        Assert.True(result.Succeeded(out var tokens, out var failure), failure?.Describe());
        Assert.Equal("access-1", tokens.AccessToken.Reveal());
        Assert.Equal("refresh-1", tokens.RefreshToken!.Reveal());
        Assert.Equal("user-1", tokens.IdToken.Subject);
        Assert.Equal(ScriptedSim.Start.AddSeconds(300), tokens.ExpiresAt);
        Assert.True(tokens.IsUsable(ScriptedSim.Start.AddSeconds(299)));
        Assert.False(tokens.IsUsable(ScriptedSim.Start.AddSeconds(300)));
        var (_, body, authorization) = _sim.Seen.Single(s => s.Path == "/token");
        Assert.Equal(BasicCredentials.Write(ScriptedSim.ClientId, "the secret"), authorization);
        Assert.True(ParameterList.TryRead(Encoding.UTF8.GetBytes(body), out var form, out _));
        var values = form.Pairs.ToDictionary(p => p.Key, p => p.Value);
        Assert.Equal(["client_id", "code", "code_verifier", "grant_type", "redirect_uri"], values.Keys.Order(StringComparer.Ordinal));
        Assert.Equal(("authorization_code", "the-code", ScriptedSim.ClientId, ScriptedSim.Redirect, request.CodeVerifier.Reveal()),
            (values["grant_type"], values["code"], values["client_id"], values["redirect_uri"], values["code_verifier"]));
        Assert.DoesNotContain("access-1", tokens.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("refresh-1", tokens.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    [Proves("RFC 7523", "2.2")]
    public async Task A_client_with_a_key_sends_a_short_lived_assertion_for_this_issuer_and_no_secret()
    {
        using var key = ScriptedSim.NewKey("client-key");
        var client = await _sim.ClientAsync(ClientCredential.OfKey(key));
        var request = client.NewRequest(ScriptedSim.Scopes);
        _sim.AnswerTokens(ScriptedSim.Sign(_sim.IdClaims(request.Nonce.Reveal()), _sim.Key));
        Assert.True((await client.ExchangeAsync(_sim.CodeOf(client, request), Cancel)).Succeeded(out _, out _));
        var (_, body, authorization) = _sim.Seen.Single(s => s.Path == "/token");
        Assert.Null(authorization);
        Assert.True(ParameterList.TryRead(Encoding.UTF8.GetBytes(body), out var form, out _));
        form.TrySingle("client_assertion", out var assertion);
        form.TrySingle("client_assertion_type", out var type);
        Assert.Equal("urn:ietf:params:oauth:client-assertion-type:jwt-bearer", type);
        Assert.True(JwsCompact.TryRead(assertion, out var jws, out _));
        Assert.True(JwsKey.TryFromJwk(key.PublicJwk!, out var verifier, out _));
        Assert.True(jws.Verify(verifier));
        Assert.True(JwtClaims.TryRead(jws.Payload, out var claims, out _));
        Assert.Equal((ScriptedSim.ClientId, ScriptedSim.ClientId, ScriptedSim.Issuer), (claims.Issuer, claims.Subject, Assert.Single(claims.Audience)));
        Assert.Equal(ScriptedSim.Start.ToUnixTimeSeconds() + 60, claims.ExpiresAt);
        Assert.NotEmpty(claims.JwtId!);
    }

    [Fact]
    [Proves("RFC 8705", "2.1")]
    [Proves("RFC 8705", "5")]
    public async Task A_client_with_a_certificate_sends_its_name_to_where_a_certificate_is_asked_for()
    {
        _sim.Metadata["mtls_endpoint_aliases"] = new JsonObject { ["token_endpoint"] = "https://mtls.sim-s.example/token" };
        var client = await _sim.ClientAsync(ClientCredential.OfCertificate);
        var request = client.NewRequest(ScriptedSim.Scopes);
        _sim.AnswerTokens(ScriptedSim.Sign(_sim.IdClaims(request.Nonce.Reveal()), _sim.Key));
        Assert.True((await client.ExchangeAsync(_sim.CodeOf(client, request), Cancel)).Succeeded(out var tokens, out _));
        var (_, body, authorization) = _sim.Seen.Single(s => s.Path == "/token");
        Assert.Null(authorization);
        Assert.Contains("client_id=" + ScriptedSim.ClientId, body, StringComparison.Ordinal);
        Assert.DoesNotContain("client_assertion", body, StringComparison.Ordinal);
        Assert.DoesNotContain("client_secret", body, StringComparison.Ordinal);
        // "When present, ... those endpoints ... else the conventional ones" (RFC 8705 section 5).
        _sim.Answers["/revoke"] = (200, "");
        Assert.Null(await client.RevokeAsync(tokens!.AccessToken, Cancel));
        Assert.Equal("https://sim-s.example/revoke", _sim.Address!.AbsoluteUri);
        Assert.True((await client.RefreshAsync(tokens, null, Cancel)).Succeeded(out _, out _));
        Assert.Equal("https://mtls.sim-s.example/token", _sim.Address!.AbsoluteUri);
    }

    [Fact]
    [Proves("RFC 6749", "4.4")]
    public async Task A_client_gets_a_token_in_its_own_name_without_an_ID_token()
    {
        var client = await _sim.ClientAsync();
        _sim.AnswerTokens(idToken: null, "own-1", refresh: null);
        Assert.True((await client.OwnTokenAsync(ScopeList.Of(["seal:key_management"]), Cancel)).Succeeded(out var own, out _));
        Assert.Equal(("own-1", ScriptedSim.Start.AddSeconds(300), "seal:key_management"), (own.AccessToken.Reveal(), own.ExpiresAt, own.Scope.Text));
        Assert.True(own.IsUsable(ScriptedSim.Start.AddSeconds(299)) && !own.IsUsable(ScriptedSim.Start.AddSeconds(300)));
        var (_, body, authorization) = _sim.Seen.Single(s => s.Path == "/token");
        Assert.Equal("grant_type=client_credentials&scope=seal%3Akey_management&client_id=" + ScriptedSim.ClientId, body);
        Assert.StartsWith("Basic ", authorization, StringComparison.Ordinal);
        _sim.Answers["/token"] = (400, """{"error":"unauthorized_client"}""");
        Assert.False((await client.OwnTokenAsync(ScopeList.Empty, Cancel)).Succeeded(out _, out var failure));
        Assert.Equal("unauthorized_client", Assert.IsType<OAuthError>(failure).Error);
    }

    [Fact]
    public async Task Aliases_are_for_who_has_a_certificate_and_without_TLS_for_nobody()
    {
        _sim.Metadata["mtls_endpoint_aliases"] = new JsonObject { ["token_endpoint"] = "https://mtls.sim-s.example/token" };
        Assert.Equal("https://sim-s.example/token", (await _sim.ClientAsync()).Metadata.TokenEndpoint.AbsoluteUri);
        _sim.Metadata["mtls_endpoint_aliases"] = new JsonObject { ["token_endpoint"] = "http://mtls.sim-s.example/token" };
        Assert.False((await _sim.DiscoverAsync()).Succeeded(out _, out _));
    }

    [Theory]
    [InlineData("{\"token_type\":\"Bearer\",\"expires_in\":300}")]
    [InlineData("{\"access_token\":\"a\",\"expires_in\":300}")]
    [InlineData("{\"access_token\":\"a\",\"token_type\":\"DPoP\",\"expires_in\":300}")]
    [InlineData("{\"access_token\":\"a\",\"token_type\":\"Bearer\"}")]
    [InlineData("{\"access_token\":\"a\",\"token_type\":\"Bearer\",\"expires_in\":\"300\"}")]
    [InlineData("{\"access_token\":\"a\",\"token_type\":\"Bearer\",\"expires_in\":0}")]
    [InlineData("{\"access_token\":\"a\",\"token_type\":\"Bearer\",\"expires_in\":300}")]
    [Proves("TS 33.434", "A.4.2.5")]
    public async Task A_token_response_that_lacks_a_required_parameter_is_refused(string body)
    {
        var client = await _sim.ClientAsync();
        _sim.Answers["/token"] = (200, body);
        var result = await client.ExchangeAsync(_sim.CodeOf(client, client.NewRequest(ScriptedSim.Scopes)), Cancel);
        Assert.False(result.Succeeded(out _, out var failure));
        Assert.IsType<BadAnswer>(failure);
    }

    [Fact]
    [Proves("RFC 6749", "5.2")]
    public async Task An_OAuth_error_is_a_value_and_cannot_move_the_cursor()
    {
        var client = await _sim.ClientAsync();
        _sim.Answers["/token"] = (400, "{\"error\":\"invalid_grant\",\"error_description\":\"a\\u001b[2Jb\\nc\"}");
        var result = await client.ExchangeAsync(_sim.CodeOf(client, client.NewRequest(ScriptedSim.Scopes)), Cancel);
        Assert.False(result.Succeeded(out _, out var failure));
        Assert.Equal(new OAuthError("invalid_grant", "a?[2Jb?c", 400), failure);
        _sim.Answers["/token"] = (302, "{}");
        Assert.False((await client.ExchangeAsync(_sim.CodeOf(client, client.NewRequest(ScriptedSim.Scopes)), Cancel)).Succeeded(out _, out failure));
        Assert.IsType<BadAnswer>(failure);
    }

    [Fact]
    [Proves("TS 33.434", "A.5")]
    public async Task A_refresh_keeps_the_user_and_takes_the_new_refresh_token()
    {
        Assert.True((await _sim.ExchangeAsync(c => ScriptedSim.Sign(c, _sim.Key))).Succeeded(out var held, out _));
        var client = await _sim.ClientAsync();
        _sim.AnswerTokens(null, "access-2", "refresh-2");
        Assert.True((await client.RefreshAsync(held, null, Cancel)).Succeeded(out var renewed, out _));
        Assert.Equal(("access-2", "refresh-2"), (renewed.AccessToken.Reveal(), renewed.RefreshToken!.Reveal()));
        Assert.Same(held.IdToken, renewed.IdToken);
        Assert.Contains("grant_type=refresh_token&refresh_token=refresh-1&client_id=sim-c", _sim.Seen[^1].Body, StringComparison.Ordinal);

        var another = _sim.IdClaims(null, "access-3");
        another["sub"] = "user-2";
        _sim.AnswerTokens(ScriptedSim.Sign(another, _sim.Key), "access-3");
        Assert.False((await client.RefreshAsync(renewed, null, Cancel)).Succeeded(out _, out var failure));
        Assert.Equal("sub is another user", Assert.IsType<BadAnswer>(failure).Found);
    }

    [Fact]
    [Proves("RFC 7009", "2.1")]
    public async Task A_revocation_holds_only_when_the_server_says_so()
    {
        var client = await _sim.ClientAsync();
        _sim.Answers["/revoke"] = (200, "");
        Assert.Null(await client.RevokeAsync(new TokenText("a token"), Cancel));
        Assert.Contains("token=a+token", _sim.Seen[^1].Body, StringComparison.Ordinal);
        _sim.Answers["/revoke"] = (503, "{\"error\":\"temporarily_unavailable\"}");
        Assert.IsType<OAuthError>(await client.RevokeAsync(new TokenText("a token"), Cancel));
    }

    [Theory]
    [InlineData("{\"active\":true,\"client_id\":\"x\"}", true)]
    [InlineData("{\"active\":false}", false)]
    [InlineData("{\"active\":\"true\"}", null)]
    [InlineData("{}", null)]
    [Proves("RFC 7662", "2.2")]
    public async Task Introspection_says_yes_only_by_the_boolean(string body, bool? active)
    {
        var client = await _sim.ClientAsync();
        _sim.Answers["/introspect"] = (200, body);
        var result = await client.IntrospectAsync(new TokenText("t"), Cancel);
        Assert.Equal(active is not null, result.Succeeded(out var answer, out _));
        Assert.Equal(active, answer?.Active);
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(31)]
    public async Task A_leeway_beyond_30_seconds_is_not_to_be_had(int seconds) =>
        await Assert.ThrowsAsync<ArgumentException>(() => _sim.DiscoverAsync(leeway: seconds));

    [Fact]
    public void Secrets_print_nothing_of_themselves()
    {
        Assert.DoesNotContain("sesame", new ClientSecretText("sesame").ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("sesame", $"{new TokenText("sesame")}", StringComparison.Ordinal);
        Assert.Equal(new TokenText("a"), new TokenText("a"));
        Assert.NotEqual(new TokenText("a"), new TokenText("b"));
    }
}
