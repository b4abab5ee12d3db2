using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Keyreeve.Testing;
using Keyreeve.Wire.Jose;
using Xunit;

namespace Keyreeve.Slices.Tests.OpenId;

/// <summary>What the server publishes of itself, and on which door it answers.</summary>
[Proves("RFC 8414", "3")]
[Proves("OpenID Connect Discovery 1.0", "4")]
public sealed class DiscoveryTests(OpenIdServer server) : IClassFixture<OpenIdServer>
{
    private static readonly string[] Documents = ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"];

    [Fact]
    public async Task Both_documents_name_the_issuer_byte_for_byte_and_every_endpoint_under_it()
    {
        foreach (var path in Documents)
        {
            var answer = await server.GetAsync(path);
            Assert.Equal(HttpStatusCode.OK, answer.Status);
            Assert.Equal("application/json", answer.Response.Content.Headers.ContentType!.MediaType);
            Assert.Equal("public, max-age=300", answer.Response.Headers.CacheControl!.ToString());
            var json = answer.Json;
            Assert.Equal(server.Issuer, (string)json["issuer"]!);
            foreach (var endpoint in (string[])["authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri", "introspection_endpoint", "revocation_endpoint"])
                Assert.StartsWith(server.Issuer + "/", (string)json[endpoint]!, StringComparison.Ordinal);
            Assert.Equal(["code"], Strings("response_types_supported"));
            Assert.Equal(["query", "form_post"], Strings("response_modes_supported"));
            Assert.Equal(["public", "pairwise"], Strings("subject_types_supported"));
            Assert.Contains("RS256", Strings("id_token_signing_alg_values_supported"));
            Assert.DoesNotContain("none", Strings("id_token_signing_alg_values_supported"));
            Assert.Equal(["authorization_code", "refresh_token", "client_credentials", ExchangeWorld.Exchange, ExchangeWorld.Bearer], Strings("grant_types_supported"));
            Assert.Contains("openid", Strings("scopes_supported"));
            Assert.DoesNotContain(Strings("scopes_supported"), s => s.StartsWith("val:", StringComparison.Ordinal) || s.StartsWith("keyreeve", StringComparison.Ordinal));
            Assert.Equal(["S256"], Strings("code_challenge_methods_supported"));
            Assert.Equal(["3gpp:acr:password", "urn:keyreeve:acr:two-factor", "phr"], Strings("acr_values_supported"));
            Assert.True((bool)json["authorization_response_iss_parameter_supported"]!);
            foreach (var no in (string[])["claims_parameter_supported", "request_parameter_supported", "request_uri_parameter_supported"])
                Assert.False((bool)json[no]!);
            Assert.Contains("none", Strings("token_endpoint_auth_methods_supported"));
            Assert.DoesNotContain("none", Strings("introspection_endpoint_auth_methods_supported"));

            IEnumerable<string> Strings(string name) => json[name]!.AsArray().Select(v => (string)v!);
        }
    }

    [Theory]
    [InlineData("X-Forwarded-Host", "attacker.example")]
    [InlineData("X-Forwarded-Proto", "http")]
    [InlineData("X-Forwarded-Prefix", "/attacker.example")]
    [InlineData("X-Original-URL", "/attacker.example")]
    [InlineData("Forwarded", "host=attacker.example;proto=http")]
    public async Task A_forged_header_changes_nothing(string name, string value)
    {
        foreach (var path in Documents.Append("/jwks"))
        {
            var request = new HttpRequestMessage(HttpMethod.Get, path);
            request.Headers.TryAddWithoutValidation(name, value);
            var forged = await server.SendAsync(request);
            Assert.Equal((await server.GetAsync(path)).Text, forged.Text);
        }
        var authorize = new HttpRequestMessage(HttpMethod.Get, server.NewFlow().AuthorizeAddress + "&prompt=none");
        authorize.Headers.TryAddWithoutValidation(name, value);
        var answer = await server.SendAsync(authorize);
        Assert.Equal(("login_required", server.Issuer), (answer["error"], answer["iss"]));
        Assert.DoesNotContain("attacker", answer.Location, StringComparison.Ordinal);
    }

    [Fact]
    [Proves("RFC 7517", "5")]
    public async Task The_JWKS_has_public_keys_only_each_under_its_own_kid_for_one_algorithm()
    {
        var answer = await server.GetAsync("/jwks");
        var keys = answer.Json["keys"]!.AsArray().Select(k => k!.AsObject()).ToList();
        Assert.Contains("ES256", keys.Select(k => (string)k["alg"]!));
        Assert.Contains("RS256", keys.Select(k => (string)k["alg"]!));
        Assert.Equal(keys.Count, keys.Select(k => (string)k["kid"]!).Distinct().Count());
        Assert.All(keys, key =>
        {
            Assert.Equal("sig", (string)key["use"]!);
            Assert.DoesNotContain(key, m => m.Key is "d" or "p" or "q" or "dp" or "dq" or "qi" or "oth" or "k");
        });
        Assert.True(JsonWebKeySet.TryRead(Encoding.UTF8.GetBytes(answer.Text), out var set, out _));
        Assert.Equal(keys.Count, set.Keys.Count);
        Assert.All(set.Keys, key => Assert.Equal(key.Kid, key.Thumbprint()));
    }

    [Fact]
    public async Task What_has_not_changed_is_304()
    {
        foreach (var path in Documents.Append("/jwks"))
        {
            var etag = (await server.GetAsync(path)).Response.Headers.ETag!;
            Assert.Equal(HttpStatusCode.NotModified, await IfNoneMatchAsync(path, etag.ToString()));
            Assert.Equal(HttpStatusCode.NotModified, await IfNoneMatchAsync(path, "\"other\", " + etag));
            Assert.Equal(HttpStatusCode.NotModified, await IfNoneMatchAsync(path, "W/" + etag));
            Assert.Equal(HttpStatusCode.NotModified, await IfNoneMatchAsync(path, "*"));
            Assert.Equal(HttpStatusCode.OK, await IfNoneMatchAsync(path, "\"other\""));
            Assert.Equal(HttpStatusCode.OK, await IfNoneMatchAsync(path, "junk"));
        }
    }

    [Fact]
    public async Task HEAD_says_what_GET_would()
    {
        foreach (var path in Documents.Append("/jwks"))
        {
            var head = await server.SendAsync(new(HttpMethod.Head, path));
            var get = await server.GetAsync(path);
            Assert.Equal(HttpStatusCode.OK, head.Status);
            Assert.Empty(head.Text);
            Assert.Equal(get.Response.Headers.ETag, head.Response.Headers.ETag);
            Assert.Equal(Encoding.UTF8.GetByteCount(get.Text), head.Response.Content.Headers.ContentLength);
        }
    }

    [Theory]
    [InlineData("GET", "/authorize")]
    [InlineData("POST", "/authorize")]
    [InlineData("GET", "/authorize/resume")]
    [InlineData("GET", "/login")]
    [InlineData("POST", "/login")]
    [InlineData("GET", "/consent")]
    [InlineData("POST", "/consent")]
    [InlineData("GET", "/")]
    public async Task Pages_are_not_on_the_listener_for_machines(string method, string path)
    {
        using var mtls = server.Server.NewClient("mtls");
        var response = await mtls.SendAsync(new(new HttpMethod(method), path));
        Assert.Equal(HttpStatusCode.NotFound, response.StatusCode);
        Assert.False(response.Headers.Contains("Set-Cookie"));
    }

    [Fact]
    public async Task Machines_get_tokens_and_metadata_on_theirs()
    {
        using var mtls = server.Server.NewClient("mtls");
        var request = new HttpRequestMessage(HttpMethod.Post, "/token")
        {
            Content = new FormUrlEncodedContent([KeyValuePair.Create("grant_type", "client_credentials")]),
            Headers = { Authorization = server.Server.Basic("val-server") },
        };
        Assert.Equal(HttpStatusCode.OK, (await mtls.SendAsync(request)).StatusCode);
        foreach (var path in Documents.Append("/jwks"))
            Assert.Equal((await server.GetAsync(path)).Text, await mtls.GetStringAsync(path));
        var aliases = (await server.GetAsync(Documents[0])).Json["mtls_endpoint_aliases"]!;
        Assert.Equal(mtls.BaseAddress!.GetLeftPart(UriPartial.Authority) + "/token", (string)aliases["token_endpoint"]!);
    }

    [Fact]
    [Proves("RFC 8705", "3.3")]
    [Proves("RFC 8705", "5")]
    public async Task Client_certificates_are_announced_with_the_listener_that_takes_them_and_not_without_it()
    {
        var with = (await server.GetAsync(Documents[0])).Json;
        Assert.True((bool)with["tls_client_certificate_bound_access_tokens"]!);
        var port = server.Server.Server.EndPoints["mtls"].Port;
        Assert.Equal(["pushed_authorization_request_endpoint", "token_endpoint", "introspection_endpoint", "revocation_endpoint", "userinfo_endpoint"], with["mtls_endpoint_aliases"]!.AsObject().Select(a => a.Key));
        Assert.All(with["mtls_endpoint_aliases"]!.AsObject(), a => Assert.Equal(port, new Uri((string)a.Value!).Port));
        foreach (var endpoint in (string[])["token", "introspection", "revocation"])
            Assert.Equal(["tls_client_auth", "self_signed_tls_client_auth"], Methods(with, endpoint).Where(m => m.Contains("tls", StringComparison.Ordinal)));
        await using var alone = await OpenIdServer.StartAsync("Listeners:mtls:Address=off");
        var without = (await alone.GetAsync(Documents[0])).Json;
        Assert.Null(without["tls_client_certificate_bound_access_tokens"]);
        Assert.Null(without["mtls_endpoint_aliases"]);
        Assert.DoesNotContain("tls_client_auth", Methods(without, "token"));

        static IEnumerable<string> Methods(System.Text.Json.Nodes.JsonObject document, string endpoint) =>
            document[endpoint + "_endpoint_auth_methods_supported"]!.AsArray().Select(m => (string)m!);
    }

    [Theory]
    [InlineData("POST", "/token")]
    [InlineData("POST", "/introspect")]
    [InlineData("GET", "/authorize")]
    [InlineData("GET", "/jwks")]
    [InlineData("GET", "/userinfo")]
    [InlineData("GET", "/.well-known/openid-configuration")]
    [InlineData("GET", "/")]
    public async Task Nothing_of_it_is_on_the_plain_listener_for_health(string method, string path)
    {
        using var health = server.Server.NewClient("health");
        Assert.Equal(HttpStatusCode.NotFound, (await health.SendAsync(new(new HttpMethod(method), path))).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await health.GetAsync("/healthz")).StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await server.GetAsync("/healthz")).Status);
    }

    [Theory]
    [InlineData("attacker.example")]
    [InlineData("attacker.example:1")]
    [InlineData("localhost@attacker.example")]
    public async Task A_forged_Host_header_changes_nothing(string host)
    {
        foreach (var path in Documents)
        {
            var answer = await RawAsync($"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
            Assert.DoesNotContain("attacker", answer, StringComparison.Ordinal);
            if (answer.StartsWith("HTTP/1.1 200", StringComparison.Ordinal))
                Assert.EndsWith((await server.GetAsync(path)).Text, answer, StringComparison.Ordinal);
            else
                Assert.StartsWith("HTTP/1.1 400", answer, StringComparison.Ordinal);
        }
        var authorize = await RawAsync($"GET {server.NewFlow().AuthorizeAddress}&prompt=none HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        Assert.DoesNotContain("attacker", authorize, StringComparison.Ordinal);
    }

    /// <summary>Octets as they are, over TLS: the HTTP client would take a forged Host for the name to be authenticated.</summary>
    private async Task<string> RawAsync(string request)
    {
        var roots = new X509Certificate2Collection();
        roots.ImportFromPemFile(server.Server.Folder.CaPem);
        var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        policy.CustomTrustStore.AddRange(roots);
        using var tcp = new TcpClient();
        await tcp.ConnectAsync(server.Server.Server.EndPoints["https"]);
        await using var tls = new SslStream(tcp.GetStream());
        await tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions { TargetHost = "localhost", CertificateChainPolicy = policy });
        await tls.WriteAsync(Encoding.ASCII.GetBytes(request));
        using var reader = new StreamReader(tls, Encoding.UTF8);
        return await reader.ReadToEndAsync();
    }

    private async Task<HttpStatusCode> IfNoneMatchAsync(string path, string value)
    {
        var request = new HttpRequestMessage(HttpMethod.Get, path);
        request.Headers.TryAddWithoutValidation("If-None-Match", value);
        return (await server.SendAsync(request)).Status;
    }
}
