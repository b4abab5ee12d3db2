using System.Buffers;
using System.Security.Cryptography;
using System.Text.Json;
using Keyreeve.Core.Grants;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Policy;
using Keyreeve.Core.Snapshots;
using Keyreeve.Web.Clients;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Net.Http.Headers;

namespace Keyreeve.OpenId;

/// <summary>The discovery documents (OpenID Connect Discovery 1.0, RFC 8414). Written once per catalogue; the issuer comes from the settings, never from a Host header.</summary>
[Spec("RFC 8414", "3")]
[Spec("OpenID Connect Discovery 1.0", "4")]
[Spec("RFC 8705", "3.3")]
[Spec("RFC 8705", "5")]
public sealed class Metadata(SnapshotState state, ServerIdentity server)
{
    /// <summary>How long others may keep what we publish. A signing key is published longer than this before it signs.</summary>
    public const string PublicCache = "public, max-age=300";

    private Written? _written;

    internal static Task HandleAsync(HttpContext context)
    {
        var document = context.RequestServices.GetRequiredService<Metadata>().Document();
        return PublishAsync(context, document.Body, document.ETag);
    }

    internal static async Task PublishAsync(HttpContext context, byte[] body, string etag)
    {
        var response = context.Response;
        response.Headers.CacheControl = PublicCache;
        response.Headers.ETag = etag;
        response.Headers.XContentTypeOptions = "nosniff";
        response.Headers.AccessControlAllowOrigin = "*";
        if (Matches(context.Request, etag))
        {
            response.StatusCode = StatusCodes.Status304NotModified;
            return;
        }
        response.ContentType = "application/json";
        response.ContentLength = body.Length;
        if (!HttpMethods.IsHead(context.Request.Method))
            await response.Body.WriteAsync(body);
    }

    /// <summary>A list, weak or strong, or any (RFC 9110 13.1.2: If-None-Match compares weakly).</summary>
    private static bool Matches(HttpRequest request, string etag)
    {
        var now = new EntityTagHeaderValue(etag);
        return request.GetTypedHeaders().IfNoneMatch.Any(known => known.Equals(EntityTagHeaderValue.Any) || known.Compare(now, useStrongComparison: false));
    }

    private Written Document()
    {
        if (Volatile.Read(ref _written) is { } written && ReferenceEquals(written.Scopes, state.Scopes))
            return written;
        var scopes = state.Scopes;
        var body = Write(server, scopes);
        var now = new Written(scopes, body, "\"" + Convert.ToHexStringLower(SHA256.HashData(body)[..8]) + "\"");
        Volatile.Write(ref _written, now);
        return now;
    }

    private sealed record Written(ScopeCatalogue Scopes, byte[] Body, string ETag);

    private static byte[] Write(ServerIdentity server, ScopeCatalogue scopes)
    {
        var issuer = server.Issuer;
        var buffer = new ArrayBufferWriter<byte>(2048);
        using var json = new Utf8JsonWriter(buffer);
        json.WriteStartObject();
        json.WriteString("issuer", issuer);
        json.WriteString("authorization_endpoint", issuer + "/authorize");
        json.WriteString("pushed_authorization_request_endpoint", issuer + PushAuthorizationRequest.Path);
        json.WriteBoolean("require_pushed_authorization_requests", false);
        json.WriteString("token_endpoint", issuer + "/token");
        json.WriteString("userinfo_endpoint", issuer + "/userinfo");
        json.WriteString("jwks_uri", issuer + "/jwks");
        json.WriteString("introspection_endpoint", issuer + "/introspect");
        json.WriteString("revocation_endpoint", issuer + "/revoke");
        json.WriteString("end_session_endpoint", issuer + EndSession.Path);
        Strings(json, "scopes_supported", scopes.Supported);
        Strings(json, "response_types_supported", ["code"]);
        Strings(json, "response_modes_supported", ["query", "form_post"]);
        Strings(json, "grant_types_supported", Enum.GetValues<GrantType>().Select(WireNames.Of));
        Strings(json, "subject_types_supported", ["public", "pairwise"]);
        Strings(json, "id_token_signing_alg_values_supported", ["ES256", "RS256"]);
        Strings(json, "acr_values_supported", AuthenticationClass.Ordered);
        Strings(json, "claims_supported", ["iss", "sub", "aud", "exp", "iat", "auth_time", "acr", "amr", "nonce", "at_hash", "sid", "name", "preferred_username", "email", "val_user_id", "val_service_ids", "val_ue_id"]);
        Strings(json, "code_challenge_methods_supported", ["S256"]);
        foreach (var endpoint in (ReadOnlySpan<string>)["token_endpoint", "introspection_endpoint", "revocation_endpoint"])
        {
            List<string> methods = ["client_secret_basic", "client_secret_post", "private_key_jwt"];
            if (server.MtlsBase is not null)
                methods.AddRange(["tls_client_auth", "self_signed_tls_client_auth"]);
            // A public client may redeem and revoke its own; it may not introspect.
            if (endpoint != "introspection_endpoint")
                methods.Add("none");
            Strings(json, endpoint + "_auth_methods_supported", methods);
            Strings(json, endpoint + "_auth_signing_alg_values_supported", ["ES256", "ES384", "RS256", "PS256"]);
        }
        Strings(json, "introspection_signing_alg_values_supported", ["ES256", "RS256"]);
        Strings(json, "prompt_values_supported", ["none", "login", "consent", "select_account"]);
        Strings(json, "ui_locales_supported", Web.Pages.PageLanguage.Supported);
        json.WriteBoolean("authorization_response_iss_parameter_supported", true);
        json.WriteBoolean("claims_parameter_supported", false);
        json.WriteBoolean("request_parameter_supported", false);
        json.WriteBoolean("request_uri_parameter_supported", false);
        if (server.MtlsBase is { } mtls)
        {
            json.WriteBoolean("tls_client_certificate_bound_access_tokens", true);
            json.WriteStartObject("mtls_endpoint_aliases");
            json.WriteString("pushed_authorization_request_endpoint", mtls + PushAuthorizationRequest.Path);
            json.WriteString("token_endpoint", mtls + "/token");
            json.WriteString("introspection_endpoint", mtls + "/introspect");
            json.WriteString("revocation_endpoint", mtls + "/revoke");
            json.WriteString("userinfo_endpoint", mtls + "/userinfo");
            json.WriteEndObject();
        }
        json.WriteEndObject();
        json.Flush();
        return buffer.WrittenSpan.ToArray();
    }

    private static void Strings(Utf8JsonWriter json, string name, IEnumerable<string> values)
    {
        json.WriteStartArray(name);
        foreach (var value in values)
            json.WriteStringValue(value);
        json.WriteEndArray();
    }
}

/// <summary>The public signing keys (RFC 7517).</summary>
internal static class Jwks
{
    public static Task HandleAsync(HttpContext context)
    {
        var ring = context.RequestServices.GetRequiredService<SnapshotState>().Keys;
        return Metadata.PublishAsync(context, ring.Document, ring.ETag);
    }
}
