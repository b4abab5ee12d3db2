using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using Keyreeve.Core.Tokens;

namespace Keyreeve.Core.Events;

/// <summary>
/// A revocation as a Security Event Token (RFC 8417): the claims; the signature comes when it is sent. The event types are those of
/// OpenID's OAuth Event Types. Their payload here names the claim of access tokens that a receiver compares, so that it needs no
/// knowledge of ours: exactly one of <c>jti</c>, <c>sub</c>, <c>client_id</c> and <c>grant_id</c>.
/// </summary>
public static class SecurityEvent
{
    /// <summary>Media type (RFC 8417 section 7.2); the JWT's typ is what follows the slash.</summary>
    public const string MediaType = "application/secevent+jwt";

    /// <summary>One token was revoked.</summary>
    public const string TokenRevoked = "https://schemas.openid.net/secevent/oauth/event-type/token-revoked";

    /// <summary>All tokens of a user, client or grant were revoked, up to a moment.</summary>
    public const string TokensRevoked = "https://schemas.openid.net/secevent/oauth/event-type/tokens-revoked";

    // Claims go into base64url, never into HTML.
    private static readonly JsonWriterOptions Plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>The claims set. No <c>exp</c> and no <c>sub</c>, so that nobody takes it for another kind of token (RFC 8417 4.5, 4.6).</summary>
    /// <param name="issuer"><c>iss</c>.</param>
    /// <param name="audience"><c>aud</c>: this receiver and nobody else.</param>
    /// <param name="jwtId"><c>jti</c>: the same through every attempt.</param>
    /// <param name="revocation">What was revoked.</param>
    /// <param name="now">When.</param>
    [Spec("RFC 8417", "2.2")]
    public static byte[] Claims(string issuer, string audience, string jwtId, Revocation revocation, DateTimeOffset now)
    {
        var buffer = new ArrayBufferWriter<byte>(512);
        using (var json = new Utf8JsonWriter(buffer, Plain))
        {
            json.WriteStartObject();
            json.WriteString("iss"u8, issuer);
            json.WriteString("aud"u8, audience);
            json.WriteNumber("iat"u8, now.ToUnixTimeSeconds());
            json.WriteString("jti"u8, jwtId);
            WriteSubject(json, issuer, revocation);
            json.WriteStartObject("events"u8);
            json.WriteStartObject(revocation.Kind == RevocationKind.JwtId ? TokenRevoked : TokensRevoked);
            json.WriteNumber("event_timestamp"u8, now.ToUnixTimeSeconds());
            json.WriteString(ClaimOf(revocation.Kind), revocation.Value);
            // Absent: without end. Such a token never lives again, whenever it says it was issued.
            if (revocation.Kind != RevocationKind.JwtId && revocation.IssuedUntil != long.MaxValue)
                json.WriteNumber("issued_until"u8, revocation.IssuedUntil);
            json.WriteEndObject();
            json.WriteEndObject();
            json.WriteEndObject();
        }
        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>Who it is about, as a subject identifier (RFC 9493): a user by iss_sub; what has no format of its own is opaque, by its identifier.</summary>
    [Spec("RFC 9493", "3.2")]
    private static void WriteSubject(Utf8JsonWriter json, string issuer, Revocation revocation)
    {
        json.WriteStartObject("sub_id"u8);
        if (revocation.Kind == RevocationKind.Subject)
        {
            json.WriteString("format"u8, "iss_sub"u8);
            json.WriteString("iss"u8, issuer);
            json.WriteString("sub"u8, revocation.Value);
        }
        else
        {
            json.WriteString("format"u8, "opaque"u8);
            json.WriteString("id"u8, revocation.Value);
        }
        json.WriteEndObject();
    }

    private static string ClaimOf(RevocationKind kind) => kind switch
    {
        RevocationKind.JwtId => "jti",
        RevocationKind.Subject => "sub",
        RevocationKind.Client => "client_id",
        RevocationKind.Grant => "grant_id",
        _ => throw new ArgumentOutOfRangeException(nameof(kind)),
    };
}
