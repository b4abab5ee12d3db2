using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json.Nodes;
using Keyreeve.Core.Certificates;
using Keyreeve.Engines.Tls;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Slices.Tests.Admin;

/// <summary>Certificates of the built-in authorities from their issuing to their revocation, with openssl as the second opinion.</summary>
public sealed class CertificateTests(AdminFixture admin) : IClassFixture<AdminFixture>, IDisposable
{
    private readonly OpenSslTool _openssl = new();

    public void Dispose() => _openssl.Dispose();

    [Fact]
    [Proves("TS 33.310", "6.1.3a")]
    public async Task A_certificate_for_a_request_says_what_the_profile_wants_and_takes_nothing_but_the_key_from_it()
    {
        var id = await AddClientAsync("san_uri:https://val.example/one");
        await _openssl.Run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "own.key", "-out", "own.csr", "-subj", "/CN=admin", "-addext", "subjectAltName=URI:https://val.example/two");
        var made = await IssueAsync(new JsonObject { ["clientId"] = id, ["csr"] = await File.ReadAllTextAsync(_openssl.File("own.csr")), ["days"] = 30 });
        Assert.Null(made["key"]);
        var text = await TextOfAsync(made);

        Assert.Contains("Version: 3 (0x2)", text, StringComparison.Ordinal);
        Assert.Contains("X509v3 Basic Constraints: critical\nCA:FALSE", text, StringComparison.Ordinal);
        Assert.Contains("X509v3 Key Usage: critical\nDigital Signature\n", text, StringComparison.Ordinal);
        Assert.Contains("X509v3 Extended Key Usage:\nTLS Web Client Authentication\n", text, StringComparison.Ordinal);
        Assert.Contains("X509v3 Subject Alternative Name:\nURI:https://val.example/one\n", text, StringComparison.Ordinal);
        Assert.Contains($"X509v3 CRL Distribution Points:\nFull Name:\nURI:http://localhost:{admin.Server.Server.EndPoints["health"].Port}/crl/val.crl", text, StringComparison.Ordinal);
        Assert.Contains("X509v3 Subject Key Identifier:", text, StringComparison.Ordinal);
        Assert.Contains("X509v3 Authority Key Identifier:", text, StringComparison.Ordinal);
        Assert.Contains("Signature Algorithm: ecdsa-with-SHA256", text, StringComparison.Ordinal);
        Assert.Contains($"Subject: CN = {id}", text, StringComparison.Ordinal);
        Assert.DoesNotContain("val.example/two", text, StringComparison.Ordinal);
        Assert.True(((string)made["serial"]!).Length <= 40);
        using var certificate = X509Certificate2.CreateFromPem((string)made["certificate"]!);
        Assert.Equal(TimeSpan.FromDays(30), certificate.NotAfter - certificate.NotBefore);
        Assert.Equal((string)made["serial"]!, certificate.SerialNumber.ToLowerInvariant());
        var shown = (await admin.GetAsync("/certificates/" + made["serial"])).Body;
        Assert.Equal(((string)made["certificate"]!, id, "val"), ((string)shown["certificate"]!, (string)shown["clientId"]!, (string)shown["authority"]!));
        Assert.Contains((await admin.GetAsync($"/certificates?clientId={id}")).Body["items"]!.AsArray(), c => (string)c!["serial"]! == (string)made["serial"]!);
    }

    [Fact]
    public async Task Without_a_request_a_key_is_made_that_is_shown_once_and_kept_nowhere()
    {
        var id = await AddClientAsync("san_uri:urn:val:made");
        var made = await IssueAsync(new JsonObject { ["clientId"] = id });
        using var certificate = X509Certificate2.CreateFromPem((string)made["certificate"]!, (string)made["key"]!);
        Assert.True(certificate.HasPrivateKey);
        Assert.Equal(HttpStatusCode.OK, await TokenAsync(id, certificate));
        Assert.Null((await admin.GetAsync("/certificates/" + made["serial"])).Body["key"]);
        Assert.DoesNotContain("PRIVATE KEY", await admin.AuditAsync(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"uris":["urn:a"],"authority":"root"}""", "authority")]
    [InlineData("""{"uris":["urn:a"],"authority":"operators"}""", "authority")]
    [InlineData("""{"uris":["urn:a"],"authority":"none"}""", "authority")]
    [InlineData("""{"uris":["urn:a"],"use":["both"]}""", "use")]
    [InlineData("""{"uris":["urn:a"],"days":1096}""", "days")]
    [InlineData("""{"uris":["urn:a"],"days":0}""", "days")]
    [InlineData("""{"uris":["/relative"]}""", "uris")]
    [InlineData("""{"addresses":["0x7f.1"]}""", "addresses")]
    [InlineData("""{}""", "uris")]
    [InlineData("""{"clientId":"nobody-here"}""", "clientId")]
    [InlineData("""{"uris":["urn:a"],"csr":"junk"}""", "csr")]
    [InlineData("""{"uris":["urn:a"],"uri":"urn:b"}""", "uri")]
    [InlineData("""{"uris":["urn:a"],"key":"mine"}""", "key")]
    public async Task What_does_not_fit_is_refused_by_name(string body, string param)
    {
        var answer = await admin.PostAsync("/certificates", body);
        Assert.Equal((HttpStatusCode.BadRequest, param), (answer.Status, answer.Param));
    }

    [Theory]
    [InlineData("""{"dnsNames":["elsewhere.example"]}""")]
    [InlineData("""{"dnsNames":["*.localhost.example"]}""")]
    [InlineData("""{"addresses":["192.0.2.7"]}""")]
    public async Task A_name_outside_the_authoritys_constraints_is_not_issued(string body) =>
        Assert.Equal(HttpStatusCode.BadRequest, (await admin.PostAsync("/certificates", body)).Status);

    [Fact]
    public async Task A_weak_key_and_a_request_that_its_key_did_not_sign_are_refused()
    {
        using var weak = RSA.Create(1024);
        var csr = new CertificateRequest("CN=weak", weak, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1).CreateSigningRequestPem();
        Assert.Equal("csr", (await admin.PostAsync("/certificates", new JsonObject { ["uris"] = new JsonArray("urn:weak"), ["csr"] = csr }.ToJsonString())).Param);
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var der = new CertificateRequest("CN=forged", key, HashAlgorithmName.SHA256).CreateSigningRequest();
        der[^1] ^= 1;
        var forged = PemEncoding.WriteString("CERTIFICATE REQUEST", der);
        Assert.Equal("csr", (await admin.PostAsync("/certificates", new JsonObject { ["uris"] = new JsonArray("urn:forged"), ["csr"] = forged }.ToJsonString())).Param);
    }

    [Fact]
    public async Task Nobody_gets_a_certificate_with_another_clients_name()
    {
        var id = await AddClientAsync("san_uri:urn:val:owned");
        var other = await AddClientAsync("san_uri:urn:val:others");
        foreach (var body in new[] { """{"uris":["urn:val:owned"]}""", $$"""{"clientId":"{{other}}","uris":["urn:val:owned"]}""" })
        {
            var answer = await admin.PostAsync("/certificates", body);
            Assert.Equal((HttpStatusCode.Conflict, "clientId"), (answer.Status, answer.Param));
        }
        await IssueAsync(new JsonObject { ["clientId"] = id, ["uris"] = new JsonArray("urn:val:owned") });
    }

    [Fact]
    public async Task Nobody_renews_a_certificate_whose_name_is_another_clients_by_now()
    {
        const string Name = "san_uri:urn:val:inherited";
        var former = await AddClientAsync(Name);
        var first = await IssueAsync(new JsonObject { ["clientId"] = former });
        var read = await admin.GetAsync("/clients/" + former);
        read.Body["tlsName"] = "san_uri:urn:val:moved-on";
        var put = await admin.PutAsync("/clients/" + former, read.Body.ToJsonString(), read.ETag);
        Assert.True(put.Status == HttpStatusCode.OK, put.Text);
        var next = await AddClientAsync(Name);
        var refused = await admin.PostAsync($"/certificates/{first["serial"]}/renew", "{}");
        Assert.Equal((HttpStatusCode.Conflict, "clientId"), (refused.Status, refused.Param));
        Assert.Contains(next, refused.Detail, StringComparison.Ordinal);
        // Nothing was issued in its place, and a certificate of its own it gets as before.
        Assert.Null((await admin.GetAsync("/certificates/" + first["serial"])).Body["replacedBy"]);
        var own = await IssueAsync(new JsonObject { ["clientId"] = next });
        Assert.Equal(HttpStatusCode.Created, (await admin.PostAsync($"/certificates/{own["serial"]}/renew", "{}")).Status);
    }

    [Fact]
    public async Task A_renewal_has_the_same_names_and_another_key_and_the_one_before_goes_on_until_it_is_revoked()
    {
        var id = await AddClientAsync("san_uri:urn:val:renewed");
        var first = await IssueAsync(new JsonObject { ["clientId"] = id, ["days"] = 20 });
        var renewed = await admin.PostAsync($"/certificates/{first["serial"]}/renew", "{}");
        Assert.Equal(HttpStatusCode.Created, renewed.Status);
        var (before, after) = (X509Certificate2.CreateFromPem((string)first["certificate"]!, (string)first["key"]!), X509Certificate2.CreateFromPem((string)renewed.Body["certificate"]!, (string)renewed.Body["key"]!));
        Assert.Equal(before.Extensions.Single(e => e.Oid!.Value == "2.5.29.17").RawData, after.Extensions.Single(e => e.Oid!.Value == "2.5.29.17").RawData);
        Assert.NotEqual(before.GetPublicKey(), after.GetPublicKey());
        Assert.Equal((before.Subject, before.NotAfter - before.NotBefore), (after.Subject, after.NotAfter - after.NotBefore));
        Assert.Equal((string)renewed.Body["serial"]!, (string)(await admin.GetAsync("/certificates/" + first["serial"])).Body["replacedBy"]!);
        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.OK), (await TokenAsync(id, before), await TokenAsync(id, after)));
        Assert.Equal(HttpStatusCode.Conflict, (await admin.PostAsync($"/certificates/{first["serial"]}/renew", "{}")).Status);

        Assert.Equal(HttpStatusCode.OK, (await admin.PostAsync($"/certificates/{first["serial"]}/revoke", """{"reason":"superseded"}""")).Status);
        Assert.Equal((HttpStatusCode.Unauthorized, HttpStatusCode.OK), (await TokenAsync(id, before), await TokenAsync(id, after)));
    }

    [Fact]
    [Proves("RFC 5280", "4.2.1.13")]
    [Proves("RFC 5280", "5.2.3")]
    [Proves("TS 33.310", "6.1.4a")]
    public async Task A_revoked_certificate_is_in_the_list_that_openssl_reads_and_refuses_it_by()
    {
        var id = await AddClientAsync("san_uri:urn:val:listed");
        var (good, bad) = (await IssueAsync(new JsonObject { ["clientId"] = id }), await IssueAsync(new JsonObject { ["clientId"] = id }));
        var before = await ListAsync("val");
        var revoked = await admin.PostAsync($"/certificates/{bad["serial"]}/revoke", """{"reason":"keyCompromise"}""");
        Assert.Equal((HttpStatusCode.OK, "keyCompromise"), (revoked.Status, (string?)revoked.Body["reason"]));
        Assert.NotNull(revoked.Body["revokedAt"]);
        var text = await ListAsync("val");
        Assert.DoesNotContain(((string)bad["serial"]!).ToUpperInvariant(), before, StringComparison.Ordinal);
        Assert.Contains($"Serial Number: {((string)bad["serial"]!).ToUpperInvariant()}", text, StringComparison.Ordinal);
        Assert.DoesNotContain(((string)good["serial"]!).ToUpperInvariant(), text, StringComparison.Ordinal);
        Assert.Contains("X509v3 CRL Reason Code:\nKey Compromise", text, StringComparison.Ordinal);
        Assert.Contains("X509v3 Authority Key Identifier:", text, StringComparison.Ordinal);
        Assert.Contains("Next Update: ", text, StringComparison.Ordinal);
        Assert.Equal(NumberIn(before) + 1, NumberIn(text));
        Assert.Contains("verify OK", (await _openssl.Run("crl", "-inform", "DER", "-in", "val.crl", "-CAfile", IssuerFile(good), "-noout")).Errors, StringComparison.Ordinal);
        await _openssl.Run("crl", "-inform", "DER", "-in", "val.crl", "-out", "val.pem");
        Assert.Equal(0, (await VerifyAsync(good)).ExitCode);
        var refused = await VerifyAsync(bad);
        Assert.NotEqual(0, refused.ExitCode);
        Assert.Contains("certificate revoked", refused.All, StringComparison.Ordinal);
        // What was said stays said.
        Assert.Equal(HttpStatusCode.Conflict, (await admin.PostAsync($"/certificates/{bad["serial"]}/revoke", "{}")).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await admin.PostAsync("/certificates/00/revoke")).Status);
    }

    [Theory]
    [InlineData("https")]
    [InlineData("mtls")]
    [InlineData("health")]
    public async Task Every_authority_has_a_list_on_every_listener_for_everybody(string listener)
    {
        using var http = admin.Server.NewClient(listener);
        foreach (var authority in (string[])["root", "servers", "operators", "val", "capif"])
        {
            using var answer = await http.GetAsync($"/crl/{authority}.crl");
            Assert.Equal((HttpStatusCode.OK, "application/pkix-crl"), (answer.StatusCode, answer.Content.Headers.ContentType?.MediaType));
            using var head = await http.SendAsync(new HttpRequestMessage(HttpMethod.Head, $"/crl/{authority}.crl"));
            Assert.Equal(answer.Content.Headers.ContentLength, head.Content.Headers.ContentLength);
        }
        Assert.Equal(HttpStatusCode.NotFound, (await http.GetAsync("/crl/other.crl")).StatusCode);
    }

    [Fact]
    public async Task A_revoked_certificate_is_refused_at_every_door_on_connections_that_were_open()
    {
        var id = await AddClientAsync("san_uri:urn:val:open");
        var made = await IssueAsync(new JsonObject { ["clientId"] = id });
        using var certificate = X509Certificate2.CreateFromPem((string)made["certificate"]!, (string)made["key"]!);
        using var http = admin.Server.NewClient("mtls", certificate);
        var token = await AskTokenAsync(http, id);
        Assert.Equal(HttpStatusCode.OK, (await GetAsync(http, "/ss-ipp/v1/configurations?val-server-id=" + id, token)).StatusCode);
        await admin.PostAsync($"/certificates/{made["serial"]}/revoke", "{}");
        foreach (var path in (string[])["/ss-ipp/v1/configurations?val-server-id=" + id, "/jwks", "/userinfo", "/admin/v1/users"])
        {
            using var answer = await GetAsync(http, path, token);
            Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
            Assert.Contains("the certificate was revoked", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
            Assert.NotEmpty(answer.Headers.WwwAuthenticate);
        }
        using var refused = await http.PostAsync("/token", Form(id));
        Assert.Equal(HttpStatusCode.Unauthorized, refused.StatusCode);
        Assert.Equal("invalid_client", (string)JsonNode.Parse(await refused.Content.ReadAsStringAsync())!["error"]!);
        // Another way to prove who one is does not help the one who shows it.
        using var basic = new HttpRequestMessage(HttpMethod.Post, "/token") { Content = new FormUrlEncodedContent(new Dictionary<string, string> { ["grant_type"] = "client_credentials" }) };
        basic.Headers.Authorization = admin.Server.Basic("machine-client");
        Assert.Equal(HttpStatusCode.Unauthorized, (await http.SendAsync(basic)).StatusCode);
    }

    [Fact]
    public async Task A_certificate_for_a_bare_name_is_revoked_with_the_client_that_has_the_name()
    {
        var early = await IssueAsync(new JsonObject { ["name"] = "early", ["uris"] = new JsonArray("urn:val:early") });
        var shared = await IssueAsync(new JsonObject { ["name"] = "shared", ["uris"] = new JsonArray("urn:val:shared") });
        var other = await IssueAsync(new JsonObject { ["name"] = "other", ["uris"] = new JsonArray("urn:val:early:other") });
        var first = await AddClientAsync("san_uri:urn:val:early");
        using var certificate = X509Certificate2.CreateFromPem((string)early["certificate"]!, (string)early["key"]!);
        Assert.Equal(HttpStatusCode.OK, await TokenAsync(first, certificate));
        var (one, two) = (await AddClientAsync("san_uri:urn:val:shared"), await AddClientAsync("san_uri:urn:val:shared"));
        Assert.Equal(HttpStatusCode.NoContent, (await admin.DeleteAsync("/clients/" + first)).Status);
        Assert.Equal(HttpStatusCode.Unauthorized, await TokenAsync(await AddClientAsync("san_uri:urn:val:early"), certificate));
        Assert.Equal("cessationOfOperation", (string?)(await admin.GetAsync("/certificates/" + early["serial"])).Body["reason"]);
        Assert.Null((await admin.GetAsync("/certificates/" + other["serial"])).Body["reason"]);
        // Of two who have the name the one that stays keeps it, and with the last it goes.
        Assert.Equal(HttpStatusCode.NoContent, (await admin.DeleteAsync("/clients/" + one)).Status);
        Assert.Null((await admin.GetAsync("/certificates/" + shared["serial"])).Body["reason"]);
        Assert.Equal(HttpStatusCode.NoContent, (await admin.DeleteAsync("/clients/" + two)).Status);
        Assert.Equal("cessationOfOperation", (string?)(await admin.GetAsync("/certificates/" + shared["serial"])).Body["reason"]);
    }

    [Fact]
    public async Task The_certificates_of_a_client_that_was_removed_do_not_stand_in_for_who_gets_its_name_next()
    {
        var first = await AddClientAsync("san_uri:urn:val:heir");
        var made = await IssueAsync(new JsonObject { ["clientId"] = first });
        var other = await IssueAsync(new JsonObject { ["clientId"] = await AddClientAsync("san_uri:urn:val:bystander") });
        using var certificate = X509Certificate2.CreateFromPem((string)made["certificate"]!, (string)made["key"]!);
        Assert.Equal(HttpStatusCode.OK, await TokenAsync(first, certificate));
        Assert.Equal(HttpStatusCode.NoContent, (await admin.DeleteAsync("/clients/" + first)).Status);
        var heir = await AddClientAsync("san_uri:urn:val:heir");
        Assert.Equal(HttpStatusCode.Unauthorized, await TokenAsync(heir, certificate));
        Assert.Equal("cessationOfOperation", (string?)(await admin.GetAsync("/certificates/" + made["serial"])).Body["reason"]);
        Assert.Null((await admin.GetAsync("/certificates/" + other["serial"])).Body["reason"]);
    }

    [Theory]
    [InlineData("-tls1_2")]
    [InlineData("-tls1_3")]
    public async Task Coming_back_with_a_session_of_before_does_not_help_a_revoked_certificate(string version)
    {
        var id = await AddClientAsync("san_uri:urn:val:session" + version);
        var made = await IssueAsync(new JsonObject { ["clientId"] = id });
        await File.WriteAllTextAsync(_openssl.File("own.pem"), (string)made["certificate"]!);
        await File.WriteAllTextAsync(_openssl.File("own.key"), (string)made["key"]!);
        var body = $"grant_type=client_credentials&client_id={id}";
        var request = $"POST /token HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {body.Length}\r\n\r\n{body}";
        string[] arguments =
        [
            "s_client", "-connect", "127.0.0.1:" + admin.Server.Server.EndPoints["mtls"].Port, "-servername", "localhost", "-CAfile", admin.Server.Folder.CaPem,
            "-cert", "own.pem", "-key", "own.key", "-alpn", "http/1.1", "-ign_eof", version,
        ];
        Assert.Contains("HTTP/1.1 200 OK", (await _openssl.Converse(null, request, closeInput: false, [.. arguments, "-sess_out", "session.pem"])).Output, StringComparison.Ordinal);
        await admin.PostAsync($"/certificates/{made["serial"]}/revoke", "{}");
        string[] back = File.Exists(_openssl.File("session.pem")) ? ["-sess_in", "session.pem"] : [];
        Assert.Contains("HTTP/1.1 401 Unauthorized", (await _openssl.Converse(null, request, closeInput: false, [.. arguments, .. back])).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_operators_certificate_is_registered_as_issued_and_ends_by_revocation_too()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var csr = new CertificateRequest("CN=x", key, HashAlgorithmName.SHA256).CreateSigningRequestPem();
        var added = await admin.PostAsync("/operators", new JsonObject { ["name"] = "second", ["csr"] = csr }.ToJsonString());
        Assert.Equal(HttpStatusCode.Created, added.Status);
        using var bare = X509Certificate2.CreateFromPem((string)added.Body["certificate"]!);
        using var certificate = bare.CopyWithPrivateKey(key);
        using var http = admin.Server.NewClient("mtls", certificate);
        Assert.Equal(HttpStatusCode.OK, (await http.GetAsync("/admin/v1/users")).StatusCode);
        var serial = certificate.SerialNumber.ToLowerInvariant();
        Assert.Equal("operators", (string)(await admin.GetAsync("/certificates/" + serial)).Body["authority"]!);
        Assert.Equal(HttpStatusCode.Conflict, (await admin.PostAsync($"/certificates/{serial}/renew", "{}")).Status);
        Assert.Equal(HttpStatusCode.OK, (await admin.PostAsync($"/certificates/{serial}/revoke")).Status);
        Assert.Equal(HttpStatusCode.Unauthorized, (await http.GetAsync("/admin/v1/users")).StatusCode);
        Assert.DoesNotContain(added.Body["thumbprint"]!.ToString(), (await admin.GetAsync("/operators")).Text, StringComparison.Ordinal);
        // The last one is left, here as where registrations are removed.
        var last = await admin.PostAsync($"/certificates/{admin.OperatorCertificate.SerialNumber.ToLowerInvariant()}/revoke");
        Assert.Equal(HttpStatusCode.Conflict, last.Status);
        Assert.Equal(HttpStatusCode.OK, (await admin.GetAsync("/users")).Status);
    }

    [Fact]
    public async Task The_common_name_is_for_people_and_never_reads_as_a_host()
    {
        var id = "val." + Guid.NewGuid().ToString("N")[..8] + ".example";
        await admin.PostAsync("/clients", new JsonObject { ["clientId"] = id, ["name"] = id, ["grants"] = new JsonArray("client_credentials"), ["scopes"] = "seal:user_profile" }.ToJsonString());
        Assert.Equal(id.Replace('.', '-'), (string)(await IssueAsync(new JsonObject { ["clientId"] = id, ["uris"] = new JsonArray("https://val.example/x") }))["name"]!);
        Assert.Equal("certificate", (string)(await IssueAsync(new JsonObject { ["uris"] = new JsonArray("urn:nameless") }))["name"]!);
    }

    [Fact]
    public async Task Issue_and_revocation_stand_in_the_audit_with_the_operator()
    {
        var made = await IssueAsync(new JsonObject { ["uris"] = new JsonArray("urn:audited"), ["name"] = "audited" });
        await admin.PostAsync($"/certificates/{made["serial"]}/revoke", """{"reason":"privilegeWithdrawn"}""");
        var audit = await admin.AuditAsync();
        Assert.Contains("\"certificate.issued\"", audit, StringComparison.Ordinal);
        var line = audit.Split('\n').Single(l => l.Contains("\"certificate.revoked\"", StringComparison.Ordinal) && l.Contains((string)made["serial"]!, StringComparison.Ordinal));
        Assert.Contains("privilegeWithdrawn: audited", line, StringComparison.Ordinal);
        Assert.Contains("operator:", line, StringComparison.Ordinal);
    }

    private async Task<string> AddClientAsync(string tlsName)
    {
        var id = "c-" + Guid.NewGuid().ToString("N")[..20];
        var made = await admin.PostAsync("/clients", new JsonObject
        {
            ["clientId"] = id,
            ["name"] = id,
            ["authMethods"] = new JsonArray("tls_client_auth"),
            ["tlsName"] = tlsName,
            ["requireCertificate"] = true,
            ["grants"] = new JsonArray("client_credentials"),
            ["scopes"] = "seal:identity_provisioning",
        }.ToJsonString());
        Assert.True(made.Status == HttpStatusCode.Created, made.Text);
        return id;
    }

    private async Task<JsonObject> IssueAsync(JsonObject body)
    {
        var made = await admin.PostAsync("/certificates", body.ToJsonString());
        Assert.True(made.Status == HttpStatusCode.Created, made.Text);
        return made.Body;
    }

    private static FormUrlEncodedContent Form(string id) => new(new Dictionary<string, string> { ["grant_type"] = "client_credentials", ["client_id"] = id });

    private async Task<HttpStatusCode> TokenAsync(string id, X509Certificate2 certificate)
    {
        using var http = admin.Server.NewClient("mtls", certificate);
        return (await http.PostAsync("/token", Form(id))).StatusCode;
    }

    private static async Task<string> AskTokenAsync(HttpClient http, string id)
    {
        using var answer = await http.PostAsync("/token", Form(id));
        return (string)JsonNode.Parse(await answer.Content.ReadAsStringAsync())!["access_token"]!;
    }

    private static async Task<HttpResponseMessage> GetAsync(HttpClient http, string path, string token)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        return await http.SendAsync(request);
    }

    private async Task<string> TextOfAsync(JsonObject made)
    {
        await File.WriteAllTextAsync(_openssl.File("leaf.pem"), (string)made["certificate"]!);
        return Squeeze((await _openssl.Run("x509", "-in", "leaf.pem", "-noout", "-text")).Output);
    }

    /// <summary>Fetches an authority's list to a file, and what openssl says of it.</summary>
    private async Task<string> ListAsync(string authority)
    {
        using var http = admin.Server.NewClient("health");
        await File.WriteAllBytesAsync(_openssl.File(authority + ".crl"), await http.GetByteArrayAsync($"/crl/{authority}.crl"));
        return Squeeze((await _openssl.Run("crl", "-inform", "DER", "-in", authority + ".crl", "-noout", "-text")).Output);
    }

    private static long NumberIn(string text) => long.Parse(text.Split('\n').SkipWhile(l => !l.StartsWith("X509v3 CRL Number:", StringComparison.Ordinal)).Skip(1).First(), System.Globalization.CultureInfo.InvariantCulture);

    private string IssuerFile(JsonObject made)
    {
        var chain = new X509Certificate2Collection();
        chain.ImportFromPem((string)made["certificate"]!);
        return _openssl.Pem("issuer.pem", chain[1]);
    }

    private async Task<OpenSslTool.Result> VerifyAsync(JsonObject made)
    {
        await File.WriteAllTextAsync(_openssl.File("leaf.pem"), (string)made["certificate"]!);
        return await _openssl.Run("verify", "-crl_check", "-CRLfile", "val.pem", "-CAfile", admin.Server.Folder.CaPem, "-untrusted", IssuerFile(made), "leaf.pem");
    }

    private static string Squeeze(string text) => string.Join('\n', text.Split('\n').Select(static l => l.Trim()));
}
