using System.Net;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Keyreeve.Slices.Tests.OpenId;
using Keyreeve.Testing;
using Keyreeve.Wire.Jose;
using Xunit;

namespace Keyreeve.Slices.Tests.Admin;

[Proves("TS 33.434", "5.4")]
public sealed class IssuerTests(AdminFixture admin) : IClassFixture<AdminFixture>
{
    private const string Grants = "[\"client_credentials\",\"urn:ietf:params:oauth:grant-type:jwt-bearer\",\"urn:ietf:params:oauth:grant-type:token-exchange\"]";

    [Fact]
    public async Task An_issuer_is_added_shown_changed_listed_and_removed()
    {
        var subject = await admin.AddUserAsync("linked");
        var made = await admin.PostAsync("/issuers", Body("https://a.partner.example/x", json => json["links"] = new JsonArray($"c=1={subject}")));
        Assert.Equal((HttpStatusCode.Created, "\"1\""), (made.Status, made.ETag));
        Assert.Equal(HttpStatusCode.Conflict, (await admin.PostAsync("/issuers", Body("https://a.partner.example/x"))).Status);
        var path = "/issuers/" + Uri.EscapeDataString("https://a.partner.example/x");
        var shown = await admin.GetAsync(path);
        Assert.Equal(made.Body.ToJsonString(), shown.Body.ToJsonString());
        Assert.Equal($"c=1={subject}", (string?)shown.Body["links"]![0]);
        Assert.Equal((HttpStatusCode)428, (await admin.PutAsync(path, shown.Text, null)).Status);
        Assert.Equal(HttpStatusCode.PreconditionFailed, (await admin.PutAsync(path, shown.Text, "\"9\"")).Status);
        shown.Body["federated"] = true;
        var changed = await admin.PutAsync(path, shown.Body.ToJsonString(), shown.ETag);
        Assert.Equal((HttpStatusCode.OK, true, 2L), (changed.Status, (bool)changed.Body["federated"]!, (long)changed.Body["version"]!));
        Assert.Contains((await admin.GetAsync("/issuers")).Body["items"]!.AsArray(), i => (string?)i!["issuer"] == "https://a.partner.example/x");
        Assert.Contains("federated", await admin.AuditAsync(), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.NoContent, (await admin.DeleteAsync(path)).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await admin.GetAsync(path)).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await admin.DeleteAsync(path)).Status);
    }

    [Theory]
    [InlineData("issuer", "\"not a uri\"", "issuer")]
    [InlineData("issuer", "\"https://a.example/x|y\"", "issuer")]
    [InlineData("issuer", "\"https://a.example/#x\"", "issuer")]
    [InlineData("issuer", "\"OURS\"", "issuer")]
    [InlineData("name", "null", "name")]
    [InlineData("jwks", "null", "jwks")]
    [InlineData("jwks", "{\"keys\":[]}", "jwks")]
    [InlineData("jwks", "{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\"}]}", "jwks")]
    [InlineData("jwksUri", "\"https://a.example/jwks\"", "jwks")]
    [InlineData("jwksUri", "\"http://a.example/jwks\"", "jwksUri")]
    [InlineData("algorithms", "[\"HS256\"]", "algorithms")]
    [InlineData("algorithms", "[\"none\"]", "algorithms")]
    [InlineData("algorithms", "[\"RS256\"]", "jwks")]
    [InlineData("scopes", "\"openid\"", "scopes")]
    [InlineData("scopes", "\"keyreeve.admin\"", "scopes")]
    [InlineData("scopes", "\"val:nothing\"", "scopes")]
    [InlineData("clients", "[\"nobody\"]", "clients")]
    [InlineData("links", "[\"carol\"]", "links")]
    [InlineData("links", "[\"carol=bob\"]", "links")]
    [InlineData("links", "[\"carol=u-0123456789abcdefghijkl\"]", "links")]
    [InlineData("acr", "\"strong\"", "acr")]
    [InlineData("federated", "1", "federated")]
    [InlineData("introspectionUri", "\"http://a.example/introspect\"", "introspectionUri")]
    [InlineData("introspectionUri", "\"https://a.example/introspect\"", "introspectionClientId")]
    [InlineData("introspectionClientId", "\"serving\"", "introspectionUri")]
    [InlineData("introspectionSecret", "\"secret\"", "introspectionUri")]
    [InlineData("tokenSeconds", "9", "tokenSeconds")]
    public async Task A_wrong_issuer_is_refused_naming_the_member(string member, string value, string param)
    {
        var answer = await admin.PostAsync("/issuers", Body("https://wrong.example", json => json[member] = JsonNode.Parse(value.Replace("OURS", admin.Server.Issuer, StringComparison.Ordinal))));
        Assert.Equal((HttpStatusCode.BadRequest, param), (answer.Status, answer.Param));
        Assert.Empty((await admin.GetAsync("/issuers")).Body["items"]!.AsArray().Where(i => (string?)i!["name"] == "Wrong"));
    }

    [Fact]
    public async Task The_secret_at_an_issuer_goes_in_never_comes_out_and_is_sent_nowhere_else()
    {
        const string issuer = "https://asked.example";
        var made = await admin.PostAsync("/issuers", Body(issuer, json => Ask(json, "https://asked.example/introspect", "serving", "the secret of serving")));
        Assert.Equal(HttpStatusCode.Created, made.Status);
        Assert.Equal(("https://asked.example/introspect", "serving"), ((string?)made.Body["introspectionUri"], (string?)made.Body["introspectionClientId"]));
        var path = "/issuers/" + Uri.EscapeDataString(issuer);
        var shown = await admin.GetAsync(path);
        Assert.DoesNotContain("secret", shown.Text, StringComparison.OrdinalIgnoreCase);
        shown.Body["tokenSeconds"] = 60;
        // What was read can be sent back: the secret stays with its address.
        var kept = await admin.PutAsync(path, shown.Body.ToJsonString(), shown.ETag);
        Assert.Equal((HttpStatusCode.OK, 60), (kept.Status, (int)kept.Body["tokenSeconds"]!));
        shown.Body["introspectionUri"] = "https://elsewhere.example/introspect";
        var moved = await admin.PutAsync(path, shown.Body.ToJsonString(), kept.ETag);
        Assert.Equal((HttpStatusCode.BadRequest, "introspectionSecret"), (moved.Status, moved.Param));
        Assert.DoesNotContain("the secret of serving", await admin.AuditAsync(), StringComparison.Ordinal);
        await admin.DeleteAsync(path);

        static void Ask(JsonObject json, string uri, string client, string secret) =>
            (json["introspectionUri"], json["introspectionClientId"], json["introspectionSecret"]) = (uri, client, secret);
    }

    [Fact]
    public async Task Tokens_end_with_the_issuer_they_stand_on_and_begin_again_with_it()
    {
        await admin.PostAsync("/clients", $$"""{"clientId":"gate","name":"G","grants":{{Grants}},"scopes":"val:pump-control","audience":"https://val.example/pump-control","secret":"{{new string('s', 43)}}"}""");
        var partner = new Partner("https://ending.example");
        var path = "/issuers/" + Uri.EscapeDataString(partner.Issuer);
        var body = Body(partner.Issuer, json =>
        {
            json["jwks"] = Jwks(partner.Registration([]).Keys!);
            json["federated"] = true;
        });
        var made = await admin.PostAsync("/issuers", body);
        Assert.Equal(HttpStatusCode.Created, made.Status);
        var token = await TokenAsync(partner);
        Assert.True(await IsActiveAsync(token));
        made.Body["disabled"] = true;
        var disabled = await admin.PutAsync(path, made.Body.ToJsonString(), made.ETag);
        Assert.Equal(HttpStatusCode.OK, disabled.Status);
        Assert.False(await IsActiveAsync(token));
        made.Body["disabled"] = false;
        Assert.Equal(HttpStatusCode.OK, (await admin.PutAsync(path, made.Body.ToJsonString(), disabled.ETag)).Status);
        Assert.False(await IsActiveAsync(token));
        admin.Server.Time.Advance(TimeSpan.FromSeconds(4));
        token = await TokenAsync(partner);
        Assert.True(await IsActiveAsync(token));
        Assert.Equal(HttpStatusCode.NoContent, (await admin.DeleteAsync(path)).Status);
        Assert.False(await IsActiveAsync(token));
    }

    [Theory]
    [InlineData("""{"clientId":"x","name":"X","profile":"openid","authMethods":["none"],"redirectUris":["com.example.app:/cb"],"grants":["authorization_code","urn:ietf:params:oauth:grant-type:token-exchange"]}""", "grants")]
    [InlineData("""{"clientId":"x","name":"X","grants":["client_credentials"],"mayImpersonate":true}""", "mayImpersonate")]
    [InlineData("""{"clientId":"x","name":"X","grants":["client_credentials"],"scopes":"val:fleet-tracking","encryptAccessTokens":true}""", "encryptAccessTokens")]
    [InlineData("""{"clientId":"x","name":"X","grants":["client_credentials"],"authMethods":["private_key_jwt"],"jwks":{"keys":[{"kty":"EC","crv":"P-256","use":"enc","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}}""", "jwks")]
    public async Task A_client_whose_registration_does_not_fit_the_new_grants_is_refused(string json, string param)
    {
        var answer = await admin.PostAsync("/clients", json);
        Assert.Equal((HttpStatusCode.BadRequest, param), (answer.Status, answer.Param));
    }

    private string Body(string issuer, Action<JsonObject>? change = null)
    {
        using var key = ClientSigningKey.FromEcdsa(ECDsa.Create(ECCurve.NamedCurves.nistP256));
        var json = new JsonObject
        {
            ["issuer"] = issuer,
            ["name"] = "Wrong",
            ["jwks"] = Jwks(JsonWebKeySet.Of([key.PublicJwk!])),
            ["scopes"] = "val:pump-control",
            ["clients"] = new JsonArray(issuer.Contains("ending", StringComparison.Ordinal) ? "gate" : "val-server"),
        };
        change?.Invoke(json);
        return json.ToJsonString();
    }

    private static JsonNode Jwks(JsonWebKeySet keys)
    {
        using var stream = new MemoryStream();
        using (var writer = new System.Text.Json.Utf8JsonWriter(stream))
            keys.WritePublic(writer);
        return JsonNode.Parse(stream.ToArray())!;
    }

    private async Task<string> TokenAsync(Partner partner)
    {
        var answer = await PostAsync("/token", ("grant_type", ExchangeWorld.Bearer), ("assertion", partner.Sign(partner.Claims(admin.Server.Issuer, admin.Server.Time.GetUtcNow()))));
        return (string?)answer["access_token"] ?? throw new InvalidOperationException(answer.ToJsonString());
    }

    private async Task<bool> IsActiveAsync(string token) => (bool)(await PostAsync("/introspect", ("token", token)))["active"]!;

    private async Task<JsonObject> PostAsync(string path, params (string Name, string Value)[] form)
    {
        using var http = admin.Server.NewClient();
        http.DefaultRequestHeaders.Authorization = System.Net.Http.Headers.AuthenticationHeaderValue.Parse(Keyreeve.Wire.OAuth.BasicCredentials.Write("gate", new string('s', 43)));
        using var content = new FormUrlEncodedContent(form.Select(f => KeyValuePair.Create(f.Name, f.Value)));
        return JsonNode.Parse(await (await http.PostAsync(path, content)).Content.ReadAsStringAsync())!.AsObject();
    }
}
