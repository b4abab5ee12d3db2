using System.Buffers;
using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Keyreeve.Core.Keys;
using Keyreeve.Wire.Jose;

namespace Keyreeve.Core.Tokens;

/// <summary>Writes and signs tokens: the only place where a credential is made of claims.</summary>
public sealed class TokenMinter(string issuer)
{
    // Claims go into base64url, never into HTML: the relaxed encoder keeps "sip:a+b@c" readable and the token short.
    private static readonly JsonWriterOptions Plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, SkipValidation = true };

    /// <summary><c>iss</c> of everything minted here.</summary>
    public string Issuer { get; } = issuer;

    /// <summary>A new <c>jti</c>.</summary>
    public static string NewJwtId()
    {
        Span<byte> octets = stackalloc byte[16];
        RandomNumberGenerator.Fill(octets);
        return Base64Url.EncodeToString(octets);
    }

    /// <summary>An access token: JWT in JWS compact form, typ at+jwt (RFC 9068). iss, sub, aud, exp come first and in that order.</summary>
    [Spec("TS 33.434", "A.2.2.1")]
    [Spec("RFC 9068", "2")]
    [Spec("RFC 8705", "3.1")]
    public string Mint(AccessTokenClaims claims, SigningKey key)
    {
        var payload = Payload.Value!;
        payload.Begin();
        var json = payload.Json;
        json.WriteStartObject();
        json.WriteString("iss"u8, Issuer);
        json.WriteString("sub"u8, claims.Subject);
        WriteAudience(json, claims.Audience);
        json.WriteNumber("exp"u8, claims.ExpiresAt);
        json.WriteNumber("iat"u8, claims.IssuedAt);
        json.WriteString("jti"u8, claims.JwtId);
        json.WriteString("client_id"u8, claims.ClientId);
        json.WriteString("scope"u8, claims.Scope);
        if (claims.Sector is not null)
            json.WriteString("sector"u8, claims.Sector);
        if (claims.GrantId is not null)
            json.WriteString("grant_id"u8, claims.GrantId);
        if (claims.Authentication is { } authentication)
            WriteAuthentication(json, authentication);
        WriteVal(json, claims.Val);
        if (claims.Actor is { } actor)
        {
            json.WritePropertyName("act"u8);
            actor.WriteTo(json);
        }
        if (claims.MayAct is { } mayAct)
        {
            json.WritePropertyName("may_act"u8);
            mayAct.WriteTo(json);
        }
        if (claims.DerivedFrom.Count > 0)
        {
            json.WritePropertyName("derived_from"u8);
            TokenAncestor.Write(json, claims.DerivedFrom);
        }
        if (claims.KeyProvisioning)
            json.WriteBoolean("SKeyProv"u8, true);
        if (claims.BoundTo is not null)
        {
            json.WriteStartObject("cnf"u8);
            json.WriteString("x5t#S256"u8, claims.BoundTo);
            json.WriteEndObject();
        }
        json.WriteEndObject();
        json.Flush();
        return JwsWriter.Write(key.HeaderAccessToken, payload.Octets, key);
    }

    /// <summary>An ID token (OpenID Connect Core section 2), with <c>at_hash</c> of the access token beside it.</summary>
    public string Mint(IdTokenClaims claims, string accessToken, SigningKey key)
    {
        var payload = Payload.Value!;
        payload.Begin();
        var json = payload.Json;
        json.WriteStartObject();
        json.WriteString("iss"u8, Issuer);
        json.WriteString("sub"u8, claims.Subject);
        if (claims.Sector is not null)
            json.WriteString("sector"u8, claims.Sector);
        json.WriteString("aud"u8, claims.ClientId);
        json.WriteNumber("exp"u8, claims.ExpiresAt);
        json.WriteNumber("iat"u8, claims.IssuedAt);
        WriteAuthentication(json, claims.Authentication);
        if (claims.Nonce is not null)
            json.WriteString("nonce"u8, claims.Nonce);
        json.WriteString("at_hash"u8, AccessTokenHash(accessToken, key.Algorithm));
        if (claims.SessionId is not null)
            json.WriteString("sid"u8, claims.SessionId);
        WriteVal(json, claims.Val);
        json.WriteEndObject();
        json.Flush();
        return JwsWriter.Write(key.HeaderIdToken, payload.Octets, key);
    }

    /// <summary>
    /// An introspection answer for one caller. Type and claim name keep it from being taken for the token itself: "iss", "aud" and "iat" are
    /// all that stands beside "token_introspection", whose value is the plain answer as it is.
    /// </summary>
    [Spec("RFC 9701", "5")]
    [Spec("RFC 9701", "8.1")]
    public string MintIntrospection(string clientId, ReadOnlySpan<byte> answer, DateTimeOffset now, SigningKey key)
    {
        var payload = Payload.Value!;
        payload.Begin();
        var json = payload.Json;
        json.WriteStartObject();
        json.WriteString("iss"u8, Issuer);
        json.WriteString("aud"u8, clientId);
        json.WriteNumber("iat"u8, now.ToUnixTimeSeconds());
        json.WritePropertyName("token_introspection"u8);
        json.WriteRawValue(answer, skipInputValidation: true);
        json.WriteEndObject();
        json.Flush();
        return JwsWriter.Write(key.HeaderIntrospection, payload.Octets, key);
    }

    /// <summary>Left half of the hash of the token's ASCII, the hash being that of the ID token's algorithm (OIDC Core 3.1.3.6).</summary>
    public static string AccessTokenHash(string accessToken, JwsAlgorithm algorithm)
    {
        var ascii = Encoding.ASCII.GetBytes(accessToken);
        var hash = algorithm == JwsAlgorithm.ES384 ? SHA384.HashData(ascii) : SHA256.HashData(ascii);
        return Base64Url.EncodeToString(hash.AsSpan(0, hash.Length / 2));
    }

    private static void WriteAudience(Utf8JsonWriter json, IReadOnlyList<string> audience)
    {
        // One audience as a string, several as an array: old parsers want the string.
        if (audience.Count == 1)
        {
            json.WriteString("aud"u8, audience[0]);
            return;
        }
        json.WriteStartArray("aud"u8);
        for (var i = 0; i < audience.Count; i++)
            json.WriteStringValue(audience[i]);
        json.WriteEndArray();
    }

    private static void WriteAuthentication(Utf8JsonWriter json, Authentication authentication)
    {
        json.WriteNumber("auth_time"u8, authentication.AuthTime / 1000);
        json.WriteString("acr"u8, authentication.Acr);
        json.WriteStartArray("amr"u8);
        foreach (var method in authentication.Amr.Split(' '))
            json.WriteStringValue(method);
        json.WriteEndArray();
    }

    [Spec("TS 33.434", "5.2.3")]
    private static void WriteVal(Utf8JsonWriter json, ValClaims? val)
    {
        if (val is null)
            return;
        if (val.ValUserId is not null)
            json.WriteString("val_user_id"u8, val.ValUserId);
        json.WriteStartArray("val_service_ids"u8);
        for (var i = 0; i < val.ValServiceIds.Count; i++)
            json.WriteStringValue(val.ValServiceIds[i]);
        json.WriteEndArray();
        if (val.ValUeId is not null)
            json.WriteString("val_ue_id"u8, val.ValUeId);
    }

    /// <summary>One writer a thread: minting allocates the token string and little else.</summary>
    private static readonly ThreadLocal<PayloadWriter> Payload = new(() => new PayloadWriter());

    private sealed class PayloadWriter
    {
        private readonly ArrayBufferWriter<byte> _buffer = new(1024);

        public PayloadWriter() => Json = new Utf8JsonWriter(_buffer, Plain);

        public Utf8JsonWriter Json { get; }

        public ReadOnlySpan<byte> Octets => _buffer.WrittenSpan;

        public void Begin()
        {
            _buffer.ResetWrittenCount();
            Json.Reset(_buffer);
        }
    }
}
