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

[Proves("TS 33.434", "4.1")]
public sealed class EncryptedTokenTests(OpenIdServer server) : IClassFixture<OpenIdServer>
{
    private const string Audience = "https://val.example/pump-control";
    private static readonly ECDiffieHellman Key = ECDiffieHellman.Create(ECCurve.NamedCurves.nistP256);
    private static readonly JsonWebKeySet Keys = JsonWebKeySet.Of([JsonWebKey.FromEcdh(Key, "enc-1")]);

    [Fact]
    [Proves("RFC 7516", "5.1")]
    [Proves("RFC 7519", "11.2")]
    [Proves("TS 33.434", "5.1.1.3")]
    public async Task A_token_is_read_by_its_resource_server_alone()
    {
        await GiveKeyAsync();
        var (answer, token) = await CodeAsync("openid val:pump-control");
        Assert.Equal("val:pump-control", (string?)answer["scope"]);
        var header = OpenIdServer.HeaderOf(token);
        Assert.Equal(("ECDH-ES+A256KW", "A256GCM", "JWT", "enc-1"), ((string?)header["alg"], (string?)header["enc"], (string?)header["cty"], (string?)header["kid"]));
        // Nothing in it tells of the user.
        var alice = server.Server.User("alice");
        foreach (var part in token.Split('.')[..^1].Select(p => Encoding.Latin1.GetString(System.Buffers.Text.Base64Url.DecodeFromChars(p))))
            foreach (var identity in (string[])[(string)alice["sub"]!, "sip:alice", "alice"])
                Assert.DoesNotContain(identity, part, StringComparison.Ordinal);

        var inner = Open(token);
        var claims = OpenIdServer.ClaimsOf(inner);
        Assert.Equal(((string?)alice["sub"], Audience, "val:pump-control", (string?)header["jti"]), ((string?)claims["sub"], (string?)claims["aud"], (string?)claims["scope"], (string?)claims["jti"]));
        // The ID token is the client's own, and is bound to the token as the client has it.
        Assert.Equal(Core.Tokens.TokenMinter.AccessTokenHash(token, JwsAlgorithm.ES256), (string?)OpenIdServer.ClaimsOf((string)answer["id_token"]!)["at_hash"]);
    }

    [Fact]
    public async Task Introspection_and_revocation_take_it_as_it_is_presented()
    {
        await GiveKeyAsync();
        var (_, token) = await CodeAsync("openid val:pump-control");
        var seen = await server.IntrospectAsync("val-server", token);
        Assert.Equal((true, (string?)server.Server.User("alice")["sub"]), ((bool)seen["active"]!, (string?)seen["sub"]));
        Assert.True(await server.IsActiveAsync("val-server", Open(token)));
        Assert.True(await server.IsActiveAsync("secretive", token));
        Assert.False(await server.IsActiveAsync("machine-client", token));

        // Another client's attempt changes nothing.
        Assert.Equal(HttpStatusCode.OK, (await server.PostAsync("/revoke", server.Server.Basic("openid-client"), ("token", token))).Status);
        Assert.True(await server.IsActiveAsync("val-server", token));
        Assert.Equal(HttpStatusCode.OK, (await server.PostAsync("/revoke", server.Server.Basic("secretive"), ("token", token))).Status);
        Assert.False(await server.IsActiveAsync("val-server", token));
        Assert.False(await server.IsActiveAsync("val-server", Open(token)));
    }

    [Fact]
    public async Task A_header_with_the_name_of_another_token_opens_and_ends_nothing()
    {
        await GiveKeyAsync();
        var (_, victim) = await CodeAsync("openid val:pump-control");
        var (_, own) = await CodeAsync("openid val:pump-control");
        var parts = own.Split('.');
        parts[0] = victim.Split('.')[0];
        var spliced = string.Join('.', parts);
        Assert.False(await server.IsActiveAsync("val-server", spliced));
        await server.PostAsync("/revoke", server.Server.Basic("secretive"), ("token", spliced));
        Assert.True(await server.IsActiveAsync("val-server", victim));

        // An attacker who knows the reader's key and the name encrypts what he likes: it is not our key, nor our signature.
        Assert.True(JweRecipient.TryFromJwk(Keys.Keys[0], out var reader, out _));
        var forged = reader.Encrypt(Encoding.ASCII.GetBytes(Open(victim)), JweKeyManagement.EcdhEsA256Kw, JweContent.A256Gcm, new("at+jwt", "JWT", (string?)OpenIdServer.HeaderOf(victim)["jti"]), RandomNumberGenerator.Fill);
        Assert.False(await server.IsActiveAsync("val-server", forged));
    }

    [Fact]
    public async Task Tokens_for_our_own_endpoints_are_not_encrypted_and_work()
    {
        await GiveKeyAsync();
        var (_, token) = await CodeAsync("openid profile seal:key_management");
        Assert.Equal(3, token.Split('.').Length);
        Assert.Equal(HttpStatusCode.OK, (await server.GetAsync("/userinfo", token)).Status);
        Assert.True(await server.IsActiveAsync("secretive", token));
    }

    [Fact]
    public async Task An_encrypted_token_is_no_bearer_token_here_and_no_subject_token()
    {
        await GiveKeyAsync();
        var (_, token) = await CodeAsync("openid val:pump-control");
        Assert.Equal(HttpStatusCode.Unauthorized, (await server.GetAsync("/userinfo", token)).Status);
        await server.ChangeClientAsync("secretive", c => c with { Grants = [.. c.Grants, GrantType.TokenExchange] });
        (string, string)[] form = [("grant_type", ExchangeWorld.Exchange), ("subject_token_type", ExchangeWorld.AccessToken), ("subject_token", token)];
        (await server.PostAsync("/token", server.Server.Basic("secretive"), form)).AssertError(HttpStatusCode.BadRequest, "invalid_request");
    }

    [Fact]
    public async Task Scopes_of_two_audiences_are_refused_before_anybody_signs_in()
    {
        await GiveKeyAsync();
        await AddClientAsync();
        foreach (var scope in (string[])["openid val:pump-control val:fleet-tracking", "openid val:pump-control seal:key_management"])
        {
            var flow = server.NewFlow("secretive");
            flow.Parameters["scope"] = scope;
            var arrival = await server.NewUser().GoAsync(flow.AuthorizeAddress);
            Assert.Equal("invalid_scope", arrival["error"]);
        }
    }

    [Fact]
    public async Task Without_a_key_of_the_resource_server_there_is_no_token_and_the_code_stays_good()
    {
        await AddClientAsync();
        await server.ChangeClientAsync("val-server", c => c with { Keys = null });
        var flow = server.NewFlow("secretive");
        flow.Parameters["scope"] = "openid val:pump-control";
        var code = await flow.CodeAsync();
        var (status, body, _) = await flow.RedeemAsync(code);
        Assert.Equal((HttpStatusCode.BadRequest, "invalid_target"), (status, (string?)body["error"]));
        Assert.Null(body["access_token"]);
        (await server.PostAsync("/token", server.Server.Basic("secretive"), ("grant_type", "client_credentials"), ("scope", "val:pump-control"))).AssertError(HttpStatusCode.BadRequest, "invalid_target");
        await GiveKeyAsync();
        (status, body, _) = await flow.RedeemAsync(code);
        Assert.Equal(HttpStatusCode.OK, status);
        Assert.Equal("val:pump-control", (string?)OpenIdServer.ClaimsOf(Open((string)body["access_token"]!))["scope"]);

        // A refresh and a client's own token are encrypted too.
        (status, body, _) = await flow.RefreshAsync((string)body["refresh_token"]!);
        Assert.Equal((HttpStatusCode.OK, 5), (status, ((string)body["access_token"]!).Split('.').Length));
        var own = await server.PostAsync("/token", server.Server.Basic("secretive"), ("grant_type", "client_credentials"), ("scope", "val:pump-control"));
        Assert.Equal("secretive", (string?)OpenIdServer.ClaimsOf(Open((string)own.Json["access_token"]!))["sub"]);
    }

    [Fact]
    public async Task Two_resource_servers_with_keys_are_one_too_many()
    {
        await GiveKeyAsync();
        await AddClientAsync();
        await server.AddClientAsync(new() { ClientId = "val-server-2", Name = "Second", Grants = [GrantType.ClientCredentials], Audience = Audience, Keys = Keys });
        (await server.PostAsync("/token", server.Server.Basic("secretive"), ("grant_type", "client_credentials"), ("scope", "val:pump-control"))).AssertError(HttpStatusCode.BadRequest, "invalid_target");
        await server.ChangeClientAsync("val-server-2", c => c with { Keys = null });
        Assert.Equal(HttpStatusCode.OK, (await server.PostAsync("/token", server.Server.Basic("secretive"), ("grant_type", "client_credentials"), ("scope", "val:pump-control"))).Status);
    }

    private static string Open(string token)
    {
        Assert.True(JweCompact.TryRead(token, out var jwe, out var error), error.ToString());
        using var reader = JweKey.FromEcdh(ECDiffieHellman.Create(Key.ExportParameters(includePrivateParameters: true)));
        Assert.True(jwe.TryDecrypt(reader, out var plaintext));
        return Encoding.ASCII.GetString(plaintext);
    }

    private Task GiveKeyAsync() => server.ChangeClientAsync("val-server", c => c with { Keys = Keys });

    private async Task AddClientAsync()
    {
        if (await server.Service<IDirectory>().FindClientAsync("secretive", CancellationToken.None) is null)
            await server.AddClientAsync(new()
            {
                ClientId = "secretive",
                Name = "Secretive",
                Grants = [GrantType.AuthorizationCode, GrantType.RefreshToken, GrantType.ClientCredentials],
                RedirectUris = [OpenIdServer.Callback],
                Scopes = ScopeList.Of(["openid", "profile", "val:pump-control", "val:fleet-tracking", "seal:key_management"]),
                EncryptAccessTokens = true,
            });
    }

    private async Task<(JsonObject Answer, string Token)> CodeAsync(string scope)
    {
        await AddClientAsync();
        var flow = server.NewFlow("secretive");
        flow.Parameters["scope"] = scope;
        var answer = await flow.TokensAsync(server.NewUser());
        return (answer, (string)answer["access_token"]!);
    }
}
