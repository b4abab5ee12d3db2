using System.Net;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Keyreeve.Slices.Tests.OpenId;
using Keyreeve.Testing;
using Keyreeve.Wire.Jose;
using Xunit;

namespace Keyreeve.Slices.Tests.Conformance;

/// <summary>Config OP: oidcc-config-certification-test-plan, whose one module looks at the discovery document and the keys from every side.</summary>
[Proves("OpenID Connect Discovery 1.0", "4")]
public sealed partial class ConfigOpTests(OpenIdServer server) : IClassFixture<OpenIdServer>
{
    [Fact]
    public async Task Oidcc_discovery_endpoint_verification_document()
    {
        var answer = await server.GetAsync("/.well-known/openid-configuration");
        Assert.Equal((HttpStatusCode.OK, "application/json"), (answer.Status, answer.Response.Content.Headers.ContentType!.MediaType));
        var json = answer.Json;
        var issuer = new Uri((string)json["issuer"]!);
        Assert.Equal((server.Issuer, "https", "", ""), ((string)json["issuer"]!, issuer.Scheme, issuer.Query, issuer.Fragment));
        Assert.Equal(server.Issuer, server.Http.BaseAddress!.GetLeftPart(UriPartial.Authority));
        foreach (var required in (string[])["authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint"])
            Assert.True(Uri.TryCreate((string?)json[required], UriKind.Absolute, out _), required);
        foreach (var (name, value) in json)
            if (name.EndsWith("_endpoint", StringComparison.Ordinal) || name.EndsWith("_uri", StringComparison.Ordinal))
                Assert.StartsWith("https://", (string)value!, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Oidcc_discovery_endpoint_verification_supported_values()
    {
        var json = (await server.GetAsync("/.well-known/openid-configuration")).Json;
        foreach (var (name, value) in json)
            if (name.EndsWith("_supported", StringComparison.Ordinal) && value is JsonArray list)
                Assert.Equal(list.Count, list.Select(v => (string)v!).Distinct(StringComparer.Ordinal).Count());
        Assert.Contains("code", Strings(json, "response_types_supported"));
        Assert.Contains("public", Strings(json, "subject_types_supported"));
        Assert.Contains("RS256", Strings(json, "id_token_signing_alg_values_supported"));
        Assert.Contains("authorization_code", Strings(json, "grant_types_supported"));
        Assert.Contains("client_secret_basic", Strings(json, "token_endpoint_auth_methods_supported"));
        Assert.Contains("openid", Strings(json, "scopes_supported"));
        // scope-token = 1*( %x21 / %x23-5B / %x5D-7E ) (RFC 6749 3.3)
        Assert.All(Strings(json, "scopes_supported"), s => Assert.Matches("^[\\x21\\x23-\\x5B\\x5D-\\x7E]+$", s));
        Assert.All(Strings(json, "ui_locales_supported"), l => Assert.Matches(CanonicalTag(), l));
        Assert.Equal(["S256"], Strings(json, "code_challenge_methods_supported"));
        foreach (var flag in (string[])["claims_parameter_supported", "request_parameter_supported", "request_uri_parameter_supported"])
            Assert.Contains(json[flag]!.GetValueKind(), (JsonValueKind[])[JsonValueKind.True, JsonValueKind.False]);
    }

    [Fact]
    public async Task Oidcc_discovery_endpoint_verification_members_are_registered_ones()
    {
        // What the registries of OpenID Connect Discovery and RFC 8414 know; the suite warns of anything else.
        var unknown = (await server.GetAsync("/.well-known/openid-configuration")).Json.Select(m => m.Key).Where(name => !Registered().IsMatch(name));
        Assert.Empty(unknown);
    }

    [Fact]
    public async Task Oidcc_discovery_endpoint_verification_keys()
    {
        var json = (await server.GetAsync("/.well-known/openid-configuration")).Json;
        var document = await server.GetAsync(new Uri((string)json["jwks_uri"]!).PathAndQuery);
        Assert.Equal(HttpStatusCode.OK, document.Status);
        Assert.True(JsonWebKeySet.TryRead(Encoding.UTF8.GetBytes(document.Text), out var keys, out _));
        Assert.NotEmpty(keys.Keys);
        Assert.Equal(keys.Keys.Count, keys.Keys.Select(k => k.Kid).Distinct(StringComparer.Ordinal).Count());
        Assert.All(keys.Keys, jwk =>
        {
            Assert.True(JwsKey.TryFromJwk(jwk, out var key, out _));
            key.Dispose();
        });
        foreach (var algorithm in Strings(json, "id_token_signing_alg_values_supported"))
            Assert.Contains(document.Json["keys"]!.AsArray(), k => (string)k!["alg"]! == algorithm);
        Assert.DoesNotContain(document.Json["keys"]!.AsArray(), k => k!["d"] is not null);
    }

    private static List<string> Strings(JsonObject of, string name) => [.. of[name]!.AsArray().Select(v => (string)v!)];

    [GeneratedRegex("^[a-z]{2,3}(-[A-Z][a-z]{3})?(-[A-Z]{2})?$")]
    private static partial Regex CanonicalTag();

    [GeneratedRegex("""
        ^(issuer|jwks_uri|mtls_endpoint_aliases|registration_endpoint|introspection_encryption_(alg|enc)_values_supported
        |(authorization|token|userinfo|end_session|pushed_authorization_request|device_authorization|introspection|revocation)_endpoint
        |(scopes|response_types|response_modes|grant_types|acr_values|subject_types|claims|claims_locales|ui_locales|display_values|claim_types|prompt_values)_supported
        |(claims|request|request_uri|authorization_response_iss)_parameter_supported|code_challenge_methods_supported
        |(id_token|userinfo|request_object|introspection)_(signing_alg|encryption_alg|encryption_enc)_values_supported
        |(token|introspection|revocation)_endpoint_auth_(methods|signing_alg_values)_supported
        |dpop_signing_alg_values_supported|require_pushed_authorization_requests|require_signed_request_object|tls_client_certificate_bound_access_tokens
        |(back|front)channel_logout(_session)?_supported|authorization_details_types_supported|require_request_uri_registration|service_documentation|op_policy_uri|op_tos_uri)$
        """, RegexOptions.IgnorePatternWhitespace)]
    private static partial Regex Registered();
}
