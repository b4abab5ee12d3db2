using System.Net;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Keyreeve.Core.Certificates;
using Keyreeve.Core.Identity;
using Keyreeve.Engines.Tls;
using Keyreeve.Server.Hosting;
using Keyreeve.Storage;
using Keyreeve.Testing;
using Keyreeve.Wire.Jose;
using Xunit;

namespace Keyreeve.Slices.Tests.OpenId;

/// <summary>Clients that are not who their certificates say, or that nobody vouches for.</summary>
[Proves("RFC 8705", "2.1")]
[Proves("RFC 8705", "2.1.2")]
public sealed class CertificateClientTests(CertificateWorld world) : IClassFixture<CertificateWorld>
{
    [Theory]
    [InlineData("subject_dn:CN=val\\, one,OU=a+OU=b,O=Outside,C=DE")]
    [InlineData("subject_dn:2.5.4.3=val\\2c one, OU=b + OU=a, o=#13074F757473696465, c=DE")]
    [InlineData("san_dns:val.example")]
    [InlineData("san_dns:VAL.example")]
    [InlineData("san_uri:urn:val:1")]
    [InlineData("san_ip:192.0.2.7")]
    [InlineData("san_ip:2001:DB8:0::1")]
    [InlineData("san_email:val@Example.org")]
    public async Task A_certificate_with_the_registered_name_authenticates(string name)
    {
        var id = "named-" + TestContext.Current.Test!.UniqueID;
        await world.AddNamedAsync(id, name);
        using var certificate = world.Pinned.Issue("", Everything, encodedSubject: Subject());
        var answer = await world.TokenAsync(certificate, id);
        Assert.Equal(HttpStatusCode.OK, answer.Status);
        Assert.Equal(id, (string)OpenIdServer.ClaimsOf((string)answer.Json["access_token"]!)["client_id"]!);
        // And another certificate of the same authority does not, whatever else it holds.
        using var others = world.Pinned.Issue("CN=\"val, one\"", n => n.AddDnsName("other.example"));
        AssertRefused(await world.TokenAsync(others, id));
    }

    [Theory]
    [InlineData("nothing")]
    [InlineData("wrong name")]
    [InlineData("wildcard")]
    [InlineData("name in the CN")]
    [InlineData("expired")]
    [InlineData("not yet valid")]
    [InlineData("for servers")]
    [InlineData("an authority")]
    [InlineData("revoked")]
    [InlineData("of a stranger")]
    [InlineData("self-signed")]
    [InlineData("of the operators' authority")]
    [InlineData("unknown client")]
    [InlineData("other client's")]
    [InlineData("disabled client")]
    public async Task Every_other_certificate_gets_the_same_401_and_no_alert(string variant)
    {
        var id = "victim-" + variant.GetHashCode(StringComparison.Ordinal);
        await world.AddAsync(id, ClientAuthMethod.TlsClientAuth, c => c with { TlsName = CertificateWorld.Named("san_dns:val.example"), Disabled = variant == "disabled client" });
        await world.AddNamedAsync("other-" + id, "san_dns:other.example");
        static void Val(SubjectAlternativeNameBuilder n) => n.AddDnsName("val.example");
        using var certificate = variant switch
        {
            "nothing" => null,
            "wrong name" => world.Pinned.Issue("CN=val", n => n.AddDnsName("val.example.org")),
            "wildcard" => world.Pinned.Issue("CN=val", n => n.AddDnsName("*.example")),
            "name in the CN" => world.Pinned.Issue("CN=val.example"),
            "expired" => world.Pinned.Issue("CN=val", Val, -1.5, -0.5),
            "not yet valid" => world.Pinned.Issue("CN=val", Val, 0.5, 1),
            "for servers" => world.Pinned.Issue("CN=val", Val, use: "1.3.6.1.5.5.7.3.1"),
            "an authority" => world.Pinned.Issue("CN=val", Val, isAuthority: true),
            "revoked" => new X509Certificate2(world.Revoked),
            "of a stranger" => world.Stranger.Issue("CN=val", Val),
            "self-signed" => OutsideAuthority.SelfSigned("CN=val"),
            "of the operators' authority" => X509Certificate2.CreateFromPemFile(world.Server.Server.Folder.AdminPem, world.Server.Server.Folder.AdminKey),
            "other client's" => world.Pinned.Issue("CN=other", n => n.AddDnsName("other.example")),
            _ => world.Pinned.Issue("CN=val", Val),
        };
        var answer = await world.TokenAsync(certificate, variant == "unknown client" ? "nobody-" + id : id);
        AssertRefused(answer);
        // The same words as for a wrong secret.
        Assert.Equal((await world.Server.PostAsync("/token", null, ("grant_type", "client_credentials"), ("client_id", "machine-client"), ("client_secret", "wrong"))).Text, answer.Text);
    }

    [Theory]
    [InlineData("CN=val+O=x")]
    [InlineData("O=x,CN=val")]
    [InlineData("CN=val")]
    [InlineData("CN=VAL,O=x")]
    [InlineData("CN=val\\,O=x")]
    [InlineData("OU=val,O=x")]
    public async Task A_subject_that_only_looks_alike_is_another(string registered)
    {
        var id = "alike-" + TestContext.Current.Test!.UniqueID;
        await world.AddNamedAsync(id, "subject_dn:" + registered);
        using var certificate = world.Pinned.Issue("CN=val, O=x");
        AssertRefused(await world.TokenAsync(certificate, id));
        await world.Server.ChangeClientAsync(id, c => c with { TlsName = CertificateWorld.Named("subject_dn:CN=val,O=x") });
        Assert.Equal(HttpStatusCode.OK, (await world.TokenAsync(certificate, id)).Status);
    }

    [Fact]
    public async Task The_client_id_is_required_and_the_certificate_decides_whether_it_is_true()
    {
        await world.AddNamedAsync("mine", "san_dns:mine.example");
        await world.AddNamedAsync("theirs", "san_dns:theirs.example");
        using var certificate = world.Pinned.Issue("CN=mine", n => n.AddDnsName("mine.example"));
        AssertRefused(await world.TokenAsync(certificate, null));
        AssertRefused(await world.TokenAsync(certificate, "theirs"));
        (await world.TokenAsync(certificate, "mine", ("client_id", "theirs"))).AssertError(HttpStatusCode.BadRequest, "invalid_request");
        Assert.Equal(HttpStatusCode.OK, (await world.TokenAsync(certificate, "mine")).Status);
    }

    [Fact]
    public async Task A_method_that_is_not_registered_is_refused_whatever_the_certificate_says()
    {
        await world.AddNamedAsync("tls-only", "san_dns:only.example");
        using var certificate = world.Pinned.Issue("CN=only", n => n.AddDnsName("only.example"));
        // The client of the certificate comes with a secret, which even is the right one.
        var secret = (string)world.Server.Server.Client("tls-only")["clientSecret"]!;
        AssertRefused(await world.TokenAsync(certificate, "tls-only", ("client_secret", secret)));
        AssertRefused(await world.PostAsync("mtls", certificate, "/token", world.Server.Server.Basic("tls-only").ToString(), ("grant_type", "client_credentials")));
        // A client of secrets comes with a certificate that has its name.
        await world.Server.ChangeClientAsync("machine-client", c => c with { CertificateThumbprints = [CertificateWorld.ThumbprintOf(certificate)] });
        AssertRefused(await world.TokenAsync(certificate, "machine-client"));
        Assert.Equal(HttpStatusCode.OK, (await world.PostAsync("mtls", certificate, "/token", world.Server.Server.Basic("machine-client").ToString(), ("grant_type", "client_credentials"))).Status);
    }

    [Theory]
    [InlineData("https")]
    [InlineData("mtls")]
    [Proves("RFC 8705", "6.5")]
    [Proves("TS 33.434", "5.1.1.3")]
    public async Task A_certificate_in_a_header_proves_nothing(string listener)
    {
        using var certificate = world.Pinned.Issue("CN=val", n => n.AddDnsName("header.example"));
        await world.AddNamedAsync("header-" + listener, "san_dns:header.example");
        await world.AddAsync("header-self-" + listener, ClientAuthMethod.SelfSignedTls, c => c with { CertificateThumbprints = [CertificateWorld.ThumbprintOf(certificate)], BoundTokens = true });
        using var http = world.Server.Server.NewClient(listener, listener == "https" ? certificate : null);
        var (pem, der) = (Uri.EscapeDataString(certificate.ExportCertificatePem()), Convert.ToBase64String(certificate.RawData));
        foreach (var (name, value) in new[]
        {
            ("X-Forwarded-Client-Cert", $"Hash={CertificateWorld.ThumbprintOf(certificate)};Cert=\"{pem}\";DNS=header.example"), ("X-SSL-Client-Cert", pem), ("X-SSL-Cert", pem),
            ("X-SSL-Client-Verify", "SUCCESS"), ("X-SSL-Client-S-DN", "CN=val"), ("X-TLS-Client-Cert", pem), ("Client-Cert", $":{der}:"), ("X-ARR-ClientCert", der), ("X-Client-Cert", der),
        })
            http.DefaultRequestHeaders.TryAddWithoutValidation(name, value);
        foreach (var id in (string[])["header-" + listener, "header-self-" + listener])
        {
            using var response = await http.PostAsync("/token", new FormUrlEncodedContent(new Dictionary<string, string> { ["grant_type"] = "client_credentials", ["client_id"] = id }));
            AssertRefused(new(response, await response.Content.ReadAsStringAsync()));
        }
    }

    [Fact]
    public async Task Intermediates_that_come_with_the_certificate_complete_the_path()
    {
        await world.AddNamedAsync("deep", "san_dns:deep.example");
        var issuing = new OutsideAuthority("CN=Issuing, O=Outside", world.Pinned);
        using var certificate = issuing.Issue("CN=deep", n => n.AddDnsName("deep.example"));
        AssertRefused(await world.TokenAsync(certificate, "deep"));
        // Here lists are demanded, and nobody has one of the intermediate authority.
        Assert.Equal(HttpStatusCode.Unauthorized, await WithChainAsync(world.Server, certificate, issuing.Certificate));
        await using var without = await OpenIdServer.StartAsync("Clients:TrustAnchors=" + world.AnchorsFile);
        await without.AddClientAsync(new()
        {
            ClientId = "deep",
            Name = "Deep",
            AuthMethods = [ClientAuthMethod.TlsClientAuth],
            TlsName = CertificateWorld.Named("san_dns:deep.example"),
            Grants = [GrantType.ClientCredentials],
            Scopes = Keyreeve.Wire.OAuth.ScopeList.Of(["val:fleet-tracking"]),
        });
        Assert.Equal(HttpStatusCode.OK, await WithChainAsync(without, certificate, issuing.Certificate));
        Assert.Equal(HttpStatusCode.Unauthorized, await WithChainAsync(without, certificate, world.Stranger.Certificate));

        static async Task<HttpStatusCode> WithChainAsync(OpenIdServer server, X509Certificate2 leaf, X509Certificate2 above)
        {
            var roots = new X509Certificate2Collection();
            roots.ImportFromPemFile(server.Server.Folder.CaPem);
            using var handler = TlsProfile.CreateHandler(roots, leaf);
            handler.SslOptions.ClientCertificateContext = SslStreamCertificateContext.Create(leaf, [above], offline: true);
            using var http = new HttpClient(handler) { BaseAddress = new Uri($"https://localhost:{server.Server.Server.EndPoints["mtls"].Port}") };
            return (await http.PostAsync("/token", new FormUrlEncodedContent(new Dictionary<string, string> { ["grant_type"] = "client_credentials", ["client_id"] = "deep" }))).StatusCode;
        }
    }

    [Fact]
    public async Task A_certificate_of_the_built_in_VAL_authority_authenticates_and_of_another_role_does_not()
    {
        await world.AddNamedAsync("built-in", "san_uri:urn:val:built-in");
        var parts = world.Server.Service<ServerParts>();
        foreach (var (role, status) in new[] { (CaRole.ValMc, HttpStatusCode.OK), (CaRole.Operators, HttpStatusCode.Unauthorized), (CaRole.Capif, HttpStatusCode.Unauthorized) })
        {
            var (_, pem, key) = parts.Pki.IssueClient(role, new EntityRequest { CommonName = "val", Use = EntityUse.Client, Uris = [new("urn:val:built-in")] }, parts.Clock.GetUtcNow());
            using var certificate = X509Certificate2.CreateFromPem(pem, key);
            Assert.Equal(status, (await world.TokenAsync(certificate, "built-in")).Status);
        }
    }

    [Fact]
    [Proves("RFC 5280", "5.1")]
    public async Task A_newer_list_counts_on_connections_that_are_open_and_a_bad_one_changes_nothing()
    {
        await world.AddNamedAsync("soon-revoked", "san_dns:soon.example");
        using var certificate = world.Pinned.Issue("CN=soon", n => n.AddDnsName("soon.example"));
        using var http = world.Server.Server.NewClient("mtls", certificate);
        var authorities = world.Server.Service<ClientAuthorities>();
        Assert.Equal(HttpStatusCode.OK, await AskAsync());
        await File.WriteAllTextAsync(world.CrlFile, world.Pinned.Crl(world.Revoked, certificate));
        authorities.ReloadIfChanged();
        Assert.Equal(HttpStatusCode.Unauthorized, await AskAsync());
        // One that a stranger signed in the authority's name, and junk.
        using var impostor = new OutsideAuthority("CN=Pinned, O=Outside");
        foreach (var bad in (string[])[impostor.Crl(), world.Stranger.Crl(), "junk"])
        {
            await File.WriteAllTextAsync(world.CrlFile, bad);
            Assert.Throws<Keyreeve.Server.Settings.SettingsException>(() => authorities.ReloadIfChanged());
            Assert.Equal(HttpStatusCode.Unauthorized, await AskAsync());
        }
        await File.WriteAllTextAsync(world.CrlFile, world.Pinned.Crl(world.Revoked));
        authorities.ReloadIfChanged();
        Assert.Equal(HttpStatusCode.OK, await AskAsync());

        async Task<HttpStatusCode> AskAsync() =>
            (await http.PostAsync("/token", new FormUrlEncodedContent(new Dictionary<string, string> { ["grant_type"] = "client_credentials", ["client_id"] = "soon-revoked" }))).StatusCode;
    }

    [Fact]
    public async Task Introspection_and_revocation_take_the_certificate_too()
    {
        await world.AddNamedAsync("both", "san_dns:both.example");
        using var certificate = world.Pinned.Issue("CN=both", n => n.AddDnsName("both.example"));
        var token = (string)(await world.TokenAsync(certificate, "both")).Json["access_token"]!;
        var shown = await world.PostAsync("mtls", certificate, "/introspect", null, ("client_id", "both"), ("token", token));
        Assert.True((bool)shown.Json["active"]!);
        AssertRefused(await world.PostAsync("mtls", null, "/introspect", null, ("client_id", "both"), ("token", token)));
        AssertRefused(await world.PostAsync("mtls", null, "/revoke", null, ("client_id", "both"), ("token", token)));
        Assert.Equal(HttpStatusCode.OK, (await world.PostAsync("mtls", certificate, "/revoke", null, ("client_id", "both"), ("token", token))).Status);
        Assert.False((bool)(await world.PostAsync("mtls", certificate, "/introspect", null, ("client_id", "both"), ("token", token))).Json["active"]!);
    }

    [Fact]
    [Proves("RFC 8705", "2.2")]
    public async Task A_registered_certificate_authenticates_without_chain_and_expiry_and_no_other_does()
    {
        using var first = OutsideAuthority.SelfSigned("CN=self", toDays: -1);
        using var second = OutsideAuthority.SelfSigned("CN=self");
        using var third = OutsideAuthority.SelfSigned("CN=self");
        await world.AddAsync("self", ClientAuthMethod.SelfSignedTls, c => c with { CertificateThumbprints = [CertificateWorld.ThumbprintOf(first)], Keys = KeysOf(second) });
        Assert.Equal(HttpStatusCode.OK, (await world.TokenAsync(first, "self")).Status);
        Assert.Equal(HttpStatusCode.OK, (await world.TokenAsync(second, "self")).Status);
        AssertRefused(await world.TokenAsync(third, "self"));
        AssertRefused(await world.TokenAsync(null, "self"));
        using var trusted = world.Pinned.Issue("CN=self");
        AssertRefused(await world.TokenAsync(trusted, "self"));
        // The renewal is over: the old one goes out.
        await world.Server.ChangeClientAsync("self", c => c with { CertificateThumbprints = [] });
        AssertRefused(await world.TokenAsync(first, "self"));
        Assert.Equal(HttpStatusCode.OK, (await world.TokenAsync(second, "self")).Status);
    }

    [Fact]
    public async Task The_reason_stands_in_the_audit()
    {
        var path = Directory.CreateTempSubdirectory("keyreeve-test-").FullName;
        try
        {
            string database;
            await using (var server = await TestServer.StartAsync(path, keep: true))
            {
                database = server.Folder.Database;
                using var stranger = world.Stranger.Issue("CN=val", n => n.AddUri(new Uri("urn:val:server")));
                using var http = server.NewClient("mtls", stranger);
                var admin = new Admin.AdminFixtureOf(server);
                var client = System.Text.Json.Nodes.JsonNode.Parse(await (await admin.GetAsync("/clients/val-server")).Content.ReadAsStringAsync())!.AsObject();
                client["authMethods"] = new System.Text.Json.Nodes.JsonArray("tls_client_auth");
                client["tlsName"] = "san_uri:urn:val:server";
                Assert.Equal(HttpStatusCode.OK, (await admin.PutAsync("/clients/val-server", client.ToJsonString(), $"\"{client["version"]}\"")).StatusCode);
                for (var i = 0; i < 2; i++)
                    await http.PostAsync("/token", new FormUrlEncodedContent(new Dictionary<string, string> { ["grant_type"] = "client_credentials", ["client_id"] = "val-server" }));
            }
            await using var engine = await SqliteEngine.OpenAsync(database, TimeProvider.System, "test", CancellationToken.None);
            var audit = new Stores(engine).Audit;
            var lines = new List<string>();
            foreach (var (node, _, _) in await audit.HeadsAsync(CancellationToken.None))
                lines.AddRange((await audit.ReadAsync(node, 0, 10_000, CancellationToken.None)).Select(l => System.Text.Encoding.UTF8.GetString(l.Json)));
            Assert.Contains(lines, l => l.Contains("2 x ClientAuthenticationFailed within a minute: client val-server: its certificate was refused: UntrustedIssuer", StringComparison.Ordinal));
        }
        finally
        {
            Directory.Delete(path, recursive: true);
        }
    }

    private static JsonWebKeySet KeysOf(X509Certificate2 certificate)
    {
        using var key = certificate.GetECDsaPublicKey()!;
        var parameters = key.ExportParameters(false);
        var json = $$"""{"keys":[{"kty":"EC","crv":"P-256","x":"{{Base64UrlStrict.Encode(parameters.Q.X!)}}","y":"{{Base64UrlStrict.Encode(parameters.Q.Y!)}}","x5c":["{{Convert.ToBase64String(certificate.RawData)}}"]}]}""";
        return JsonWebKeySet.TryRead(System.Text.Encoding.UTF8.GetBytes(json), out var keys, out var error) ? keys : throw new InvalidOperationException(error.ToString());
    }

    private static void Everything(SubjectAlternativeNameBuilder names)
    {
        names.AddDnsName("first.example");
        names.AddDnsName("val.example");
        names.AddUri(new Uri("urn:val:1"));
        names.AddIpAddress(IPAddress.Parse("192.0.2.7"));
        names.AddIpAddress(IPAddress.Parse("2001:db8::1"));
        names.AddEmailAddress("val@example.ORG");
    }

    /// <summary>C=DE, O=Outside, OU=a+OU=b, CN="val, one", the last as UTF8String: in the order of the encoding.</summary>
    private static X500DistinguishedName Subject()
    {
        var writer = new System.Formats.Asn1.AsnWriter(System.Formats.Asn1.AsnEncodingRules.DER);
        using (writer.PushSequence())
        {
            Relative(writer, ("2.5.4.6", "DE", System.Formats.Asn1.UniversalTagNumber.PrintableString));
            Relative(writer, ("2.5.4.10", "Outside", System.Formats.Asn1.UniversalTagNumber.PrintableString));
            Relative(writer, ("2.5.4.11", "a", System.Formats.Asn1.UniversalTagNumber.UTF8String), ("2.5.4.11", "b", System.Formats.Asn1.UniversalTagNumber.UTF8String));
            Relative(writer, ("2.5.4.3", "val, one", System.Formats.Asn1.UniversalTagNumber.UTF8String));
        }
        return new(writer.Encode());

        static void Relative(System.Formats.Asn1.AsnWriter writer, params (string Type, string Value, System.Formats.Asn1.UniversalTagNumber Encoding)[] attributes)
        {
            using (writer.PushSetOf())
                foreach (var (type, value, encoding) in attributes)
                    using (writer.PushSequence())
                    {
                        writer.WriteObjectIdentifier(type);
                        writer.WriteCharacterString(encoding, value);
                    }
        }
    }

    private static void AssertRefused(Answer answer) => answer.AssertError(HttpStatusCode.Unauthorized, "invalid_client");
}
