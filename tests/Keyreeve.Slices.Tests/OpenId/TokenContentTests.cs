using System.Buffers.Text;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Keyreeve.Core.Identity;
using Keyreeve.Testing;
using Keyreeve.Wire.Jose;
using Keyreeve.Wire.OAuth;
using Xunit;

namespace Keyreeve.Slices.Tests.OpenId;

/// <summary>What the tokens say, claim by claim.</summary>
[Proves("TS 33.434", "A.2.1")]
[Proves("TS 33.434", "A.2.2")]
public sealed class TokenContentTests(OpenIdServer server) : IClassFixture<OpenIdServer>
{
    [Fact]
    [Proves("TS 33.434", "A.2.1.2")]
    [Proves("TS 33.434", "A.2.1.3")]
    public async Task The_ID_token_says_who_for_whom_by_whom_when_and_how()
    {
        var (tokens, before, after) = await TokensAsync();
        var token = (string)tokens["id_token"]!;
        var claims = OpenIdServer.ClaimsOf(token);
        var alice = server.Server.User("alice");
        Assert.Equal(["iss", "sub", "aud", "exp", "iat", "auth_time", "acr", "amr", "nonce", "at_hash", "sid", "val_user_id", "val_service_ids", "val_ue_id"], claims.Select(c => c.Key));
        Assert.Equal(server.Issuer, (string)claims["iss"]!);
        Assert.Equal((string)alice["sub"]!, (string)claims["sub"]!);
        Assert.InRange(Encoding.UTF8.GetByteCount((string)claims["sub"]!), 1, 255);
        Assert.Equal("seal-client", (string)claims["aud"]!);
        Assert.InRange((long)claims["iat"]!, before, after);
        Assert.Equal((long)claims["iat"]! + 600, (long)claims["exp"]!);
        Assert.InRange((long)claims["auth_time"]!, before, after);
        Assert.Equal("3gpp:acr:password", (string)claims["acr"]!);
        Assert.Equal("pwd", (string)claims["amr"]![0]!);
        Assert.Equal("nonce-456", (string)claims["nonce"]!);
        Assert.Equal("sip:alice@val.example", (string)claims["val_user_id"]!);
        Assert.Equal(["fleet-tracking", "pump-control"], claims["val_service_ids"]!.AsArray().Select(s => (string)s!));
        Assert.Equal("ue-alice-1", (string)claims["val_ue_id"]!);
        var hash = SHA256.HashData(Encoding.ASCII.GetBytes((string)tokens["access_token"]!));
        Assert.Equal(Base64Url.EncodeToString(hash.AsSpan(0, 16)), (string)claims["at_hash"]!);
        await AssertVerifiesAsync(token, "ES256");
    }

    [Fact]
    [Proves("TS 33.434", "A.2.2.1")]
    [Proves("TS 33.434", "A.2.2.2")]
    [Proves("TS 33.434", "A.2.2.3")]
    [Proves("TS 33.434", "5.2.3")]
    [Proves("RFC 9068", "2")]
    public async Task The_access_token_is_a_signed_JWT_with_exp_scope_and_client_id()
    {
        var (tokens, before, after) = await TokensAsync();
        var token = (string)tokens["access_token"]!;
        var header = OpenIdServer.HeaderOf(token);
        Assert.Equal(("ES256", "at+jwt"), ((string)header["alg"]!, (string)header["typ"]!));
        var claims = OpenIdServer.ClaimsOf(token);
        Assert.Equal(["iss", "sub", "aud", "exp", "iat", "jti", "client_id", "scope", "grant_id", "auth_time", "acr", "amr", "val_user_id", "val_service_ids", "val_ue_id"], claims.Select(c => c.Key));
        Assert.Equal(server.Issuer, (string)claims["iss"]!);
        Assert.Equal((string)server.Server.User("alice")["sub"]!, (string)claims["sub"]!);
        Assert.Equal("openid val:pump-control seal:key_management", (string)claims["scope"]!);
        Assert.Equal((string)tokens["scope"]!, (string)claims["scope"]!);
        Assert.Equal("seal-client", (string)claims["client_id"]!);
        Assert.Equal([server.Issuer + "/userinfo", "https://val.example/pump-control", server.Issuer + "/seal/km"], claims["aud"]!.AsArray().Select(a => (string)a!));
        Assert.InRange((long)claims["iat"]!, before, after);
        Assert.Equal((long)claims["iat"]! + (int)tokens["expires_in"]!, (long)claims["exp"]!);
        Assert.Equal("sip:alice@val.example", (string)claims["val_user_id"]!);
        Assert.Contains("pump-control", claims["val_service_ids"]!.AsArray().Select(s => (string)s!));
        await AssertVerifiesAsync(token, "ES256");
        // The grant's own identifier is half of a refresh token: it must not be readable here.
        Assert.DoesNotContain(((string)tokens["refresh_token"]!)[..22], Encoding.UTF8.GetString(Base64Url.DecodeFromChars(token.Split('.')[1])), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Every_token_has_its_own_identifier_and_every_grant_its_own_name()
    {
        var flow = server.NewFlow();
        var user = server.NewUser();
        var tokens = new List<JsonObject>();
        for (var i = 0; i < 5; i++)
            tokens.Add(OpenIdServer.ClaimsOf((string)(await flow.TokensAsync(user))["access_token"]!));
        Assert.Equal(5, tokens.Select(t => (string)t["jti"]!).Distinct().Count());
        Assert.Equal(5, tokens.Select(t => (string)t["grant_id"]!).Distinct().Count());
    }

    [Fact]
    public async Task Without_a_nonce_in_the_request_there_is_none_in_the_ID_token()
    {
        var flow = server.NewFlow();
        flow.Parameters.Remove("nonce");
        Assert.Null(OpenIdServer.ClaimsOf((string)(await flow.TokensAsync())["id_token"]!)["nonce"]);
    }

    [Theory]
    [InlineData(384)]
    [InlineData(1024)]
    public async Task A_long_nonce_comes_back_whole(int length)
    {
        var flow = server.NewFlow();
        flow.Parameters["nonce"] = new string('n', length - 4) + "\"é漢.";
        Assert.Equal(flow.Parameters["nonce"], (string)OpenIdServer.ClaimsOf((string)(await flow.TokensAsync())["id_token"]!)["nonce"]!);
    }

    [Fact]
    public async Task A_plain_OpenID_client_gets_an_RS256_ID_token_and_no_VAL_claims_it_did_not_ask_for()
    {
        await server.ChangeClientAsync("openid-client", c => c with { PkceOptional = true });
        var flow = server.PlainFlow("openid-client");
        flow.Parameters["scope"] = "openid profile email";
        var tokens = await RedeemPlainAsync(flow);
        await AssertVerifiesAsync((string)tokens["id_token"]!, "RS256");
        foreach (var token in (string[])[(string)tokens["id_token"]!, (string)tokens["access_token"]!])
            Assert.DoesNotContain(OpenIdServer.ClaimsOf(token), c => c.Key.StartsWith("val_", StringComparison.Ordinal) || c.Key is "email" or "name");
        var answer = await server.GetAsync("/userinfo", (string)tokens["access_token"]!);
        Assert.Equal(["sub", "preferred_username", "name", "email", "email_verified"], answer.Json.Select(c => c.Key));
        Assert.Equal((string)OpenIdServer.ClaimsOf((string)tokens["id_token"]!)["sub"]!, (string)answer.Json["sub"]!);
        Assert.True(answer.Response.Headers.CacheControl!.NoStore);
    }

    [Fact]
    public async Task Without_openid_there_is_no_ID_token()
    {
        var flow = server.NewFlow("openid-client");
        flow.Parameters["scope"] = "val:pump-control";
        var tokens = await flow.TokensAsync();
        Assert.Null(tokens["id_token"]);
        Assert.Equal("https://val.example/pump-control", (string)OpenIdServer.ClaimsOf((string)tokens["access_token"]!)["aud"]!);
    }

    [Fact]
    [Proves("RFC 6749", "4.4")]
    [Proves("TS 33.434", "A.5")]
    public async Task A_VAL_server_speaks_for_itself_without_refresh_token_and_without_user()
    {
        var answer = await server.PostAsync("/token", server.Server.Basic("val-server"), ("grant_type", "client_credentials"), ("scope", "val:pump-control"));
        Assert.Equal(["access_token", "token_type", "expires_in", "scope"], answer.Json.Select(c => c.Key));
        Assert.True(answer.Response.Headers.CacheControl!.NoStore);
        var claims = OpenIdServer.ClaimsOf((string)answer.Json["access_token"]!);
        Assert.Equal(["iss", "sub", "aud", "exp", "iat", "jti", "client_id", "scope", "val_service_ids"], claims.Select(c => c.Key));
        Assert.Equal(("val-server", "val-server"), ((string)claims["sub"]!, (string)claims["client_id"]!));
        Assert.Equal("https://val.example/pump-control", (string)claims["aud"]!);
        Assert.Equal("pump-control", (string)Assert.Single(claims["val_service_ids"]!.AsArray())!);
    }

    [Fact]
    public async Task Only_who_may_provision_keys_carries_SKeyProv()
    {
        var basic = server.Server.Basic("val-server");
        var with = await server.PostAsync("/token", basic, ("grant_type", "client_credentials"), ("scope", "seal:key_provisioning"));
        Assert.True((bool)OpenIdServer.ClaimsOf((string)with.Json["access_token"]!)["SKeyProv"]!);
        var without = await server.PostAsync("/token", basic, ("grant_type", "client_credentials"), ("scope", "seal:key_management"));
        Assert.Null(OpenIdServer.ClaimsOf((string)without.Json["access_token"]!)["SKeyProv"]);
        var all = await server.PostAsync("/token", basic, ("grant_type", "client_credentials"));
        Assert.Equal("val:pump-control seal:key_management seal:key_provisioning seal:identity_provisioning seal:user_profile", (string)all.Json["scope"]!);
    }

    [Theory]
    [InlineData("openid")]
    [InlineData("profile")]
    [InlineData("val:pump-control openid")]
    [InlineData("val:fleet-tracking")]
    [InlineData("keyreeve.admin")]
    [InlineData("no-such-scope")]
    public async Task A_machine_gets_no_scope_of_users_operators_or_others(string scope) =>
        (await server.PostAsync("/token", server.Server.Basic("val-server"), ("grant_type", "client_credentials"), ("scope", scope))).AssertError(HttpStatusCode.BadRequest, "invalid_scope");

    [Theory]
    [InlineData("keyreeve.admin")]
    [InlineData("openid")]
    public async Task Not_even_when_it_is_registered_for_it(string scope)
    {
        await server.AddClientAsync(new() { ClientId = "greedy-" + scope, Name = "Greedy", Grants = [GrantType.ClientCredentials], Scopes = ScopeList.Of([scope]) });
        foreach (var form in ((string, string)[][])[[("grant_type", "client_credentials"), ("scope", scope)], [("grant_type", "client_credentials")]])
            (await server.PostAsync("/token", server.Server.Basic("greedy-" + scope), form)).AssertError(HttpStatusCode.BadRequest, "invalid_scope");
    }

    /// <summary>With the seconds before the login and after the answer.</summary>
    private async Task<(JsonObject Tokens, long Before, long After)> TokensAsync()
    {
        var before = server.Server.Time.GetUtcNow().ToUnixTimeSeconds();
        return (await server.NewFlow().TokensAsync(), before, server.Server.Time.GetUtcNow().ToUnixTimeSeconds());
    }

    private static async Task<JsonObject> RedeemPlainAsync(SealFlow flow)
    {
        var (status, body, _) = await flow.RedeemAsync(await flow.CodeAsync(), null);
        Assert.Equal(HttpStatusCode.OK, status);
        return body;
    }

    private async Task AssertVerifiesAsync(string token, string algorithm)
    {
        var document = await server.GetAsync("/jwks");
        Assert.True(JsonWebKeySet.TryRead(Encoding.UTF8.GetBytes(document.Text), out var keys, out _));
        Assert.True(JwsCompact.TryRead(token, out var jws, out _));
        Assert.Equal(algorithm, jws.Header.Algorithm.Name());
        var jwk = Assert.Single(keys.WithKid(jws.Header.Kid));
        Assert.True(JwsKey.TryFromJwk(jwk, out var key, out _));
        using (key)
            Assert.True(jws.Verify(key));
    }
}
