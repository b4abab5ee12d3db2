using System.Net;
using System.Text.Json.Nodes;
using Xunit;

namespace Keyreeve.Slices.Tests.Admin;

public sealed class ClientRulesTests(AdminFixture admin) : IClassFixture<AdminFixture>
{
    [Theory]
    [InlineData("clientId", "\"u-0123456789abcdefghijkl\"", "clientId")]
    [InlineData("clientId", "\"p-0123456789abcdefghijkl\"", "clientId")]
    [InlineData("subjectType", "\"private\"", "subjectType")]
    [InlineData("sectorIdentifier", "\"a.example\"", "sectorIdentifier")]
    [InlineData("clientId", "\"with space\"", "clientId")]
    [InlineData("clientId", "\"\u00fcmlaut\"", "clientId")]
    [InlineData("clientId", "\"..\"", "clientId")]
    [InlineData("authMethods", "[\"none\"]", "authMethods")]
    [InlineData("authMethods", "[\"none\",\"client_secret_basic\"]", "authMethods")]
    [InlineData("authMethods", "[]", "authMethods")]
    [InlineData("authMethods", "[\"client_secret_jwt\"]", "authMethods")]
    [InlineData("authMethods", "[\"private_key_jwt\"]", "jwks")]
    [InlineData("jwks", "{\"keys\":[]}", "jwks")]
    [InlineData("jwks", "{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\"}]}", "jwks")]
    [InlineData("redirectUris", "[]", "redirectUris")]
    [InlineData("redirectUris", "[\"https://a.example/*\"]", "redirectUris")]
    [InlineData("redirectUris", "[\"http://a.example/\"]", "redirectUris")]
    [InlineData("redirectUris", "[\"https://[2001:db8::1]/\"]", "redirectUris")]
    [InlineData("redirectUris", "[\"https://a.example/#x\"]", "redirectUris")]
    [InlineData("grants", "[\"password\"]", "grants")]
    [InlineData("grants", "[\"refresh_token\"]", "grants")]
    [InlineData("scopes", "\"openid val:nothing\"", "scopes")]
    [InlineData("scopes", "\"opneid\"", "scopes")]
    [InlineData("pkceOptional", "true", "pkceOptional")]
    [InlineData("idTokenAlgorithm", "\"HS256\"", "idTokenAlgorithm")]
    [InlineData("idTokenAlgorithm", "\"none\"", "idTokenAlgorithm")]
    [InlineData("accessTokenSeconds", "9", "accessTokenSeconds")]
    [InlineData("accessTokenSeconds", "86401", "accessTokenSeconds")]
    [InlineData("ownedServices", "[\"nothing\"]", "ownedServices")]
    [InlineData("certificates", "[\"-----BEGIN CERTIFICATE-----\"]", "certificates")]
    [InlineData("tlsName", "\"san_dns:val.example\"", "tlsName")]
    [InlineData("tlsName", "\"san_dns:*.example\"", "tlsName")]
    [InlineData("tlsName", "\"san_dns\"", "tlsName")]
    [InlineData("tlsName", "\"cn:val\"", "tlsName")]
    [InlineData("tlsName", "\"san_ip:1\"", "tlsName")]
    [InlineData("tlsName", "\"subject_dn:val\"", "tlsName")]
    [InlineData("authMethods", "[\"tls_client_auth\"]", "tlsName")]
    [InlineData("authMethods", "[\"self_signed_tls_client_auth\"]", "certificates")]
    [InlineData("authMethods", "[\"tls_client_auth\",\"self_signed_tls_client_auth\"]", "authMethods")]
    [InlineData("scopes", "\"keyreeve.admin\"", "scopes")]
    [InlineData("kmRequestSignature", "\"required\"", "kmRequestSignature")]
    [InlineData("kmRequestSignature", "\"requierd\"", "kmRequestSignature")]
    [InlineData("kmRequestSignature", "true", "kmRequestSignature")]
    [InlineData("kmPayloadEncryption", "\"required\"", "kmPayloadEncryption")]
    [InlineData("kmPayloadEncryption", "\"optional\"", "kmPayloadEncryption")]
    [InlineData("secret", "\"forty-two-characters-are-one-too-few-here-4\"", "secret")]
    public async Task A_wrong_client_is_refused_naming_the_member(string member, string value, string param)
    {
        var json = new JsonObject { ["clientId"] = "wrong", ["name"] = "Wrong", ["redirectUris"] = new JsonArray("https://a.example/cb"), ["scopes"] = "openid" };
        json[member] = JsonNode.Parse(value);
        if (member == "secret")
            json[member] = new string('s', 42);
        var answer = await admin.PostAsync("/clients", json.ToJsonString());
        Assert.Equal((HttpStatusCode.BadRequest, param), (answer.Status, answer.Param));
        Assert.Equal(HttpStatusCode.NotFound, (await admin.GetAsync("/clients/wrong")).Status);
    }

    [Fact]
    [Keyreeve.Testing.Proves("OpenID Connect Core 1.0", "8.1")]
    public async Task A_sector_is_the_host_of_the_redirect_URIs_or_is_named_and_stays_when_the_client_is_sent_back()
    {
        const string pairwise = "\"profile\":\"openid\",\"subjectType\":\"pairwise\"";
        var made = await admin.PostAsync("/clients", $$"""{"clientId":"sector-a","name":"A","redirectUris":["https://A.example/cb","https://a.example/other"],"scopes":"openid",{{pairwise}}}""");
        Assert.Equal((HttpStatusCode.Created, "pairwise", "a.example"), (made.Status, (string?)made.Body["subjectType"], (string?)made.Body["sectorIdentifier"]));
        made.Body.Remove("clientSecret");
        var again = await admin.PutAsync("/clients/sector-a", made.Body.ToJsonString(), made.ETag);
        Assert.Equal((HttpStatusCode.OK, "a.example"), (again.Status, (string?)again.Body["sectorIdentifier"]));
        var named = await admin.PostAsync("/clients", $$"""{"clientId":"sector-b","name":"B","redirectUris":["http://127.0.0.1:8400/callback"],"scopes":"openid",{{pairwise}},"sectorIdentifier":"B.example"}""");
        Assert.Equal((HttpStatusCode.Created, "b.example"), (named.Status, (string?)named.Body["sectorIdentifier"]));

        foreach (var (rest, param) in ((string, string)[])
            [
                ("\"redirectUris\":[\"http://127.0.0.1:8400/callback\"],\"scopes\":\"openid\"", "sectorIdentifier"),
                ("\"redirectUris\":[\"com.example.app:/cb\"],\"scopes\":\"openid\"", "sectorIdentifier"),
                ("\"redirectUris\":[\"https://a.example/cb\",\"https://b.example/cb\"],\"scopes\":\"openid\"", "sectorIdentifier"),
                ("\"redirectUris\":[\"https://a.example/cb\"],\"scopes\":\"openid\",\"sectorIdentifier\":\"https://a.example/\"", "sectorIdentifier"),
                ("\"redirectUris\":[\"https://a.example/cb\"],\"scopes\":\"openid seal:key_management\"", "subjectType"),
                ("\"redirectUris\":[\"https://a.example/cb\"],\"scopes\":\"openid seal:user_profile\"", "subjectType"),
                ("\"redirectUris\":[\"https://a.example/cb\"],\"scopes\":\"openid\",\"grants\":[\"authorization_code\",\"urn:ietf:params:oauth:grant-type:token-exchange\"]", "subjectType"),
            ])
        {
            var answer = await admin.PostAsync("/clients", $$"""{"clientId":"sector-c","name":"C",{{rest}},{{pairwise}}}""");
            Assert.Equal((HttpStatusCode.BadRequest, param), (answer.Status, answer.Param));
        }
    }

    [Fact]
    public async Task A_public_client_has_no_client_credentials_and_always_PKCE()
    {
        const string json = """{"clientId":"pub","name":"P","profile":"openid","authMethods":["none"],"redirectUris":["com.example.app:/cb"],"MEMBER":VALUE}""";
        foreach (var (member, value) in new[] { ("pkceOptional", "true"), ("grants", "[\"client_credentials\"]"), ("consent", "\"implied\"") })
            Assert.Equal(member, (await admin.PostAsync("/clients", json.Replace("MEMBER", member, StringComparison.Ordinal).Replace("VALUE", value, StringComparison.Ordinal))).Param);
        var made = await admin.PostAsync("/clients", json.Replace("MEMBER", "scopes", StringComparison.Ordinal).Replace("VALUE", "\"openid\"", StringComparison.Ordinal));
        Assert.Equal(HttpStatusCode.Created, made.Status);
        Assert.Equal("always", (string)made.Body["consent"]!);
        Assert.Null(made.Body["clientSecret"]);
    }

    [Fact]
    public async Task Clients_of_certificates_and_of_operator_scopes_are_registered_and_read_back()
    {
        const string tls = "{\"clientId\":\"tls\",\"name\":\"T\",\"authMethods\":[\"tls_client_auth\"],\"tlsName\":\"subject_dn:CN=val,O=x\",\"boundTokens\":true,\"grants\":[\"client_credentials\"],\"scopes\":\"SCOPE\"}";
        var made = await admin.PostAsync("/clients", tls.Replace("SCOPE", "keyreeve.admin", StringComparison.Ordinal));
        Assert.Equal(HttpStatusCode.Created, made.Status);
        Assert.Null(made.Body["clientSecret"]);
        var read = await admin.GetAsync("/clients/tls");
        Assert.Equal(("subject_dn:CN=val,O=x", true), ((string)read.Body["tlsName"]!, (bool)read.Body["boundTokens"]!));
        Assert.Equal(HttpStatusCode.OK, (await admin.PutAsync("/clients/tls", read.Text, read.ETag)).Status);
        // What makes the scope safe cannot be taken away from under it.
        read.Body["boundTokens"] = false;
        Assert.Equal("scopes", (await admin.PutAsync("/clients/tls", read.Body.ToJsonString(), (await admin.GetAsync("/clients/tls")).ETag)).Param);
    }

    [Fact]
    public async Task Demands_of_key_management_are_registered_with_their_keys_and_do_not_outlive_them()
    {
        using var signing = System.Security.Cryptography.ECDsa.Create(System.Security.Cryptography.ECCurve.NamedCurves.nistP256);
        using var reading = System.Security.Cryptography.ECDiffieHellman.Create(System.Security.Cryptography.ECCurve.NamedCurves.nistP256);
        var (sig, enc) = (Keyreeve.Wire.Jose.JsonWebKey.FromEcdsa(signing, "s"), Keyreeve.Wire.Jose.JsonWebKey.FromEcdh(reading, "e"));
        var client = new JsonObject
        {
            ["clientId"] = "km",
            ["name"] = "KM",
            ["grants"] = new JsonArray("client_credentials"),
            ["scopes"] = "seal:key_management",
            ["kmRequestSignature"] = "required",
            ["kmPayloadEncryption"] = "required",
            ["jwks"] = Set(enc),
        };
        Assert.Equal("kmRequestSignature", (await admin.PostAsync("/clients", client.ToJsonString())).Param);
        client["jwks"] = Set(sig);
        Assert.Equal("kmPayloadEncryption", (await admin.PostAsync("/clients", client.ToJsonString())).Param);
        client["jwks"] = Set(sig, enc);
        Assert.Equal(HttpStatusCode.Created, (await admin.PostAsync("/clients", client.ToJsonString())).Status);
        var read = await admin.GetAsync("/clients/km");
        Assert.Equal(("required", "required"), ((string)read.Body["kmRequestSignature"]!, (string)read.Body["kmPayloadEncryption"]!));
        // The keys go, and the demand stands: refused, rather than found out at the next key request.
        read.Body["jwks"] = null;
        Assert.Equal("kmRequestSignature", (await admin.PutAsync("/clients/km", read.Body.ToJsonString(), read.ETag)).Param);
        (read.Body["kmRequestSignature"], read.Body["kmPayloadEncryption"]) = (null, "none");
        var changed = await admin.PutAsync("/clients/km", read.Body.ToJsonString(), read.ETag);
        Assert.Equal((HttpStatusCode.OK, "optional", "none"), (changed.Status, (string)changed.Body["kmRequestSignature"]!, (string)changed.Body["kmPayloadEncryption"]!));

        static JsonNode Set(params Keyreeve.Wire.Jose.JsonWebKey[] keys)
        {
            var buffer = new System.Buffers.ArrayBufferWriter<byte>();
            using (var json = new System.Text.Json.Utf8JsonWriter(buffer))
                Keyreeve.Wire.Jose.JsonWebKeySet.Of(keys).WritePublic(json);
            return JsonNode.Parse(buffer.WrittenSpan)!;
        }
    }

    [Fact]
    public async Task The_owner_of_a_VAL_service_is_registered_with_an_address_that_the_server_would_connect_to()
    {
        const string service = """{"serviceId":"told","name":"T","audience":"https://t.example","keyFailuresUri":"URI"}""";
        foreach (var uri in (string[])["http://t.example/", "https://user@t.example/", "ftp://t.example/", "https://t.example/#x", "x"])
            Assert.Equal("keyFailuresUri", (await admin.PostAsync("/services", service.Replace("URI", uri, StringComparison.Ordinal))).Param);
        Assert.Equal(HttpStatusCode.Created, (await admin.PostAsync("/services", service.Replace("URI", "https://t.example/failures", StringComparison.Ordinal))).Status);
        var read = await admin.GetAsync("/services/told");
        Assert.Equal("https://t.example/failures", (string)read.Body["keyFailuresUri"]!);
        read.Body["keyFailuresUri"] = null;
        Assert.Null((await admin.PutAsync("/services/told", read.Body.ToJsonString(), read.ETag)).Body["keyFailuresUri"]);
    }

    [Fact]
    public async Task Secrets_are_rotated_without_a_gap_and_never_shown_again()
    {
        var made = await admin.PostAsync("/clients", """{"clientId":"rot","name":"R","profile":"openid","grants":["client_credentials"],"scopes":"val:pump-control"}""");
        var first = (string)made.Body["clientSecret"]!;
        Assert.Equal(43, first.Length);
        Assert.DoesNotContain(first, (await admin.GetAsync("/clients/rot")).Text, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.Conflict, (await admin.DeleteAsync("/clients/rot/secrets/oldest")).Status);
        Assert.Equal(HttpStatusCode.Conflict, (await admin.DeleteAsync("/clients/rot/secrets/" + made.Body["secrets"]![0]!["id"])).Status);
        var second = (string)(await admin.PostAsync("/clients/rot/secrets")).Body["clientSecret"]!;
        // A third is refused and is worth nothing.
        var third = new string('t', 43);
        Assert.Equal(HttpStatusCode.Conflict, (await admin.PostAsync("/clients/rot/secrets", $$"""{"secret":"{{third}}"}""")).Status);
        Assert.Equal(HttpStatusCode.Unauthorized, await TokenAsync(third));
        Assert.Equal(HttpStatusCode.OK, await TokenAsync(first));
        Assert.Equal(HttpStatusCode.OK, await TokenAsync(second));
        Assert.Equal(HttpStatusCode.NoContent, (await admin.DeleteAsync("/clients/rot/secrets/oldest")).Status);
        Assert.Equal(HttpStatusCode.Unauthorized, await TokenAsync(first));
        Assert.Equal(HttpStatusCode.OK, await TokenAsync(second));
        Assert.DoesNotContain(second, await admin.AuditAsync(), StringComparison.Ordinal);

        async Task<HttpStatusCode> TokenAsync(string secret)
        {
            using var http = admin.Server.NewClient();
            http.DefaultRequestHeaders.Authorization = System.Net.Http.Headers.AuthenticationHeaderValue.Parse(Keyreeve.Wire.OAuth.BasicCredentials.Write("rot", secret));
            return (await http.PostAsync("/token", new FormUrlEncodedContent(new Dictionary<string, string> { ["grant_type"] = "client_credentials" }))).StatusCode;
        }
    }

    [Fact]
    public async Task A_plain_client_that_registers_no_algorithm_gets_RS256_ID_tokens_and_a_SEAL_client_ES256()
    {
        foreach (var (profile, algorithm) in ((string, string)[])[("openid", "RS256"), ("seal", "ES256")])
        {
            var made = await admin.PostAsync("/clients", $$"""{"clientId":"default-{{profile}}","name":"D","profile":"{{profile}}","redirectUris":["https://a.example/"],"scopes":"openid"}""");
            Assert.Equal((HttpStatusCode.Created, algorithm), (made.Status, (string)made.Body["idTokenAlgorithm"]!));
        }
    }

    [Fact]
    public async Task What_was_read_can_be_sent_back()
    {
        foreach (var id in (string[])["seal-client", "openid-client", "val-server", "machine-client"])
        {
            var read = await admin.GetAsync("/clients/" + id);
            var sent = await admin.PutAsync("/clients/" + id, read.Text, read.ETag);
            Assert.Equal(HttpStatusCode.OK, sent.Status);
            read.Body["version"] = (long)read.Body["version"]! + 1;
            Assert.Equal(read.Body.ToJsonString(), sent.Body.ToJsonString());
        }
    }
}
