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

/// <summary>Clients that are not who they say: assertions (private_key_jwt). Every bad one differs from a good one in one thing.</summary>
[Proves("RFC 7523", "2.2")]
[Proves("RFC 7523", "3")]
[Proves("RFC 8725", "3.1")]
public sealed class ClientAssertionAttackTests(ClientAssertionAttackTests.Registered registered) : IClassFixture<ClientAssertionAttackTests.Registered>
{
    private const string Id = "key-client";
    private const string Type = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

    private int _next;

    private OpenIdServer Server => registered.Server;

    private long Now => Server.Server.Time.GetUtcNow().ToUnixTimeSeconds();

    public sealed class Registered : IAsyncLifetime
    {
        public OpenIdServer Server { get; private set; } = null!;

        public ClientSigningKey Key { get; } = ClientSigningKey.FromEcdsa(ECDsa.Create(ECCurve.NamedCurves.nistP256));

        public ClientSigningKey OthersKey { get; } = ClientSigningKey.FromEcdsa(ECDsa.Create(ECCurve.NamedCurves.nistP256));

        public async ValueTask InitializeAsync()
        {
            Server = await OpenIdServer.StartAsync();
            await AddAsync(Id, Key, ClientProfile.OpenId);
            await AddAsync("seal-key-client", Key, ClientProfile.Seal);
            await AddAsync("other-key-client", OthersKey, ClientProfile.OpenId);
        }

        public async ValueTask DisposeAsync()
        {
            await Server.DisposeAsync();
            Key.Dispose();
            OthersKey.Dispose();
        }

        private Task AddAsync(string id, ClientSigningKey key, ClientProfile profile) => Server.AddClientAsync(new()
        {
            ClientId = id,
            Name = id,
            Profile = profile,
            AuthMethods = [ClientAuthMethod.PrivateKeyJwt],
            Keys = JsonWebKeySet.Of([key.PublicJwk!]),
            Grants = [GrantType.ClientCredentials],
            Scopes = ScopeList.Of(["val:pump-control"]),
        });
    }

    [Theory]
    [InlineData("issuer")]
    [InlineData("issuer in an array")]
    [InlineData("token endpoint")]
    [InlineData("nbf 8 s ahead")]
    [InlineData("no kid")]
    [InlineData("with client_id")]
    public async Task A_good_assertion_authenticates(string variant)
    {
        var claims = Claims();
        if (variant == "issuer in an array")
            claims["aud"] = new JsonArray(Server.Issuer);
        if (variant == "token endpoint")
            claims["aud"] = Server.Issuer + "/token";
        if (variant == "nbf 8 s ahead")
            (claims["nbf"], claims["iat"]) = (Now + 8, Now + 8);
        var assertion = variant == "no kid" ? Sign(claims, registered.Key, header: "{\"alg\":\"ES256\"}") : Sign(claims, registered.Key);
        var answer = variant == "with client_id" ? await PostAsync(assertion, ("client_id", Id)) : await PostAsync(assertion);
        Assert.Equal(HttpStatusCode.OK, answer.Status);
        Assert.Equal(Id, (string)OpenIdServer.ClaimsOf((string)answer.Json["access_token"]!)["client_id"]!);
    }

    [Theory]
    [InlineData("foreign aud")]
    [InlineData("no aud")]
    [InlineData("two auds")]
    [InlineData("aud with slash")]
    [InlineData("aud authorize")]
    [InlineData("expired")]
    [InlineData("exp now")]
    [InlineData("exp too far")]
    [InlineData("no exp")]
    [InlineData("exp text")]
    [InlineData("nbf ahead")]
    [InlineData("iat ahead")]
    [InlineData("no jti")]
    [InlineData("empty jti")]
    [InlineData("long jti")]
    [InlineData("iss is not sub")]
    [InlineData("no iss")]
    [InlineData("no sub")]
    [InlineData("other client")]
    [InlineData("unknown client")]
    [InlineData("secret client")]
    public async Task An_assertion_with_a_wrong_claim_is_invalid_client(string variant)
    {
        var claims = Claims();
        switch (variant)
        {
            case "foreign aud": claims["aud"] = "https://other.example"; break;
            case "no aud": claims.Remove("aud"); break;
            case "two auds": claims["aud"] = new JsonArray(Server.Issuer, "https://other.example"); break;
            case "aud with slash": claims["aud"] = Server.Issuer + "/"; break;
            case "aud authorize": claims["aud"] = Server.Issuer + "/authorize"; break;
            case "expired": claims["exp"] = Now - 300; break;
            case "exp now": claims["exp"] = Now; break;
            case "exp too far": claims["exp"] = Now + 3600; break;
            case "no exp": claims.Remove("exp"); break;
            case "exp text": claims["exp"] = "soon"; break;
            case "nbf ahead": claims["nbf"] = Now + 60; break;
            case "iat ahead": claims["iat"] = Now + 60; break;
            case "no jti": claims.Remove("jti"); break;
            case "empty jti": claims["jti"] = ""; break;
            case "long jti": claims["jti"] = new string('j', 257); break;
            case "iss is not sub": claims["iss"] = "other-key-client"; break;
            case "no iss": claims.Remove("iss"); break;
            case "no sub": claims.Remove("sub"); break;
            case "other client": (claims["iss"], claims["sub"]) = ("other-key-client", "other-key-client"); break;
            case "unknown client": (claims["iss"], claims["sub"]) = ("nobody", "nobody"); break;
            case "secret client": (claims["iss"], claims["sub"]) = ("machine-client", "machine-client"); break;
        }
        AssertRefused(await PostAsync(Sign(claims, registered.Key)));
    }

    [Theory]
    [InlineData("alg none")]
    [InlineData("no signature")]
    [InlineData("HS256 with the public key")]
    [InlineData("foreign key under our kid")]
    [InlineData("signature of zeros")]
    [InlineData("changed payload")]
    [InlineData("key in the header")]
    [InlineData("b64 false")]
    [InlineData("unknown crit")]
    [InlineData("duplicate member")]
    [InlineData("junk")]
    public async Task An_assertion_that_is_not_signed_by_the_registered_key_is_invalid_client(string variant)
    {
        var claims = Claims();
        var key = registered.Key;
        var parts = Sign(claims, key).Split('.');
        var kid = key.PublicJwk!.Kid;
        var assertion = variant switch
        {
            "alg none" => Encode("{\"alg\":\"none\"}") + "." + parts[1] + ".",
            "no signature" => parts[0] + "." + parts[1] + ".",
            "HS256 with the public key" => Sign(claims, ClientSigningKey.FromSecret(Encoding.UTF8.GetBytes(PublicJson(key)), kid)),
            "foreign key under our kid" => Sign(claims, registered.OthersKey, $"{{\"alg\":\"ES256\",\"kid\":\"{kid}\"}}"),
            "signature of zeros" => parts[0] + "." + parts[1] + "." + Base64UrlStrict.Encode(new byte[64]),
            "changed payload" => parts[0] + "." + Encode(Claims().ToJsonString()) + "." + parts[2],
            "key in the header" => Sign(claims, registered.OthersKey, $"{{\"alg\":\"ES256\",\"jwk\":{PublicJson(registered.OthersKey)}}}"),
            "b64 false" => Sign(claims, key, "{\"alg\":\"ES256\",\"b64\":false,\"crit\":[\"b64\"]}"),
            "unknown crit" => Sign(claims, key, "{\"alg\":\"ES256\",\"crit\":[\"x\"],\"x\":1}"),
            "duplicate member" => JwsWriter.Write(JwsWriter.Header(key, null), Encoding.UTF8.GetBytes(claims.ToJsonString()[..^1] + ",\"sub\":\"" + Id + "\"}"), key),
            _ => "a.b.c",
        };
        AssertRefused(await PostAsync(assertion));
    }

    [Fact]
    public async Task An_assertion_is_good_once()
    {
        var assertion = Sign(Claims(), registered.Key);
        Assert.Equal(HttpStatusCode.OK, (await PostAsync(assertion)).Status);
        AssertRefused(await PostAsync(assertion));
        // At another endpoint of this server it is the same assertion.
        AssertRefused(await Server.PostAsync("/introspect", null, ("token", "x"), ("client_assertion_type", Type), ("client_assertion", assertion)));
    }

    [Fact]
    public async Task Eight_times_at_once_it_is_good_once()
    {
        var assertion = Sign(Claims(), registered.Key);
        var answers = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => PostAsync(assertion)));
        Assert.Single(answers, a => a.Status == HttpStatusCode.OK);
        Assert.All(answers.Where(a => a.Status != HttpStatusCode.OK), AssertRefused);
    }

    [Fact]
    public async Task For_a_SEAL_client_the_issuer_is_the_only_audience()
    {
        var claims = Claims("seal-key-client");
        Assert.Equal(HttpStatusCode.OK, (await PostAsync(Sign(claims, registered.Key))).Status);
        claims = Claims("seal-key-client");
        claims["aud"] = Server.Issuer + "/token";
        AssertRefused(await PostAsync(Sign(claims, registered.Key)));
    }

    [Theory]
    [InlineData("urn:ietf:params:oauth:client-assertion-type:saml2-bearer")]
    [InlineData("")]
    public async Task Another_assertion_type_is_invalid_client(string type) =>
        AssertRefused(await Server.PostAsync("/token", null, ("grant_type", "client_credentials"), ("client_assertion_type", type), ("client_assertion", Sign(Claims(), registered.Key))));

    [Fact]
    public async Task Another_client_id_beside_the_assertion_is_invalid_client() =>
        AssertRefused(await PostAsync(Sign(Claims(), registered.Key), ("client_id", "other-key-client")));

    private static void AssertRefused(Answer answer) => answer.AssertError(HttpStatusCode.Unauthorized, "invalid_client");

    private static string PublicJson(ClientSigningKey key)
    {
        using var stream = new MemoryStream();
        using (var json = new System.Text.Json.Utf8JsonWriter(stream))
            key.PublicJwk!.WritePublic(json);
        return Encoding.UTF8.GetString(stream.ToArray());
    }

    private static string Encode(string json) => Base64UrlStrict.Encode(Encoding.UTF8.GetBytes(json));

    private static string Sign(JsonObject claims, ClientSigningKey key, string? header = null) =>
        JwsWriter.Write(header is null ? JwsWriter.Header(key, null) : Encoding.UTF8.GetBytes(header), Encoding.UTF8.GetBytes(claims.ToJsonString()), key);

    private JsonObject Claims(string client = Id) => new()
    {
        ["iss"] = client,
        ["sub"] = client,
        ["aud"] = Server.Issuer,
        ["iat"] = Now,
        ["exp"] = Now + 60,
        ["jti"] = $"{TestContext.Current.Test!.UniqueID}-{_next++}",
    };

    private Task<Answer> PostAsync(string assertion, params (string, string)[] more) =>
        Server.PostAsync("/token", null, [("grant_type", "client_credentials"), ("client_assertion_type", Type), ("client_assertion", assertion), .. more]);
}
