using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using Keyreeve.Core.Events;
using Keyreeve.Core.Outbox;
using Keyreeve.Core.Policy;

namespace Keyreeve.Seal;

/// <summary>
/// What is told of failed key requests, as Security Event Tokens (RFC 8417): to the operator's receivers, and to the owner of the VAL
/// service where it is registered with an address. No VAL user, VAL UE, token or payload stands in either.
/// </summary>
[Spec("TS 33.434", "5.3.3")]
public sealed class KeyFailureEvents(string issuer, IReadOnlyList<EventReceiver> operators)
{
    /// <summary>The type of the event. Our own: no specification has one.</summary>
    public const string EventType = "urn:keyreeve:event-type:key-requests-failed";

    // Claims go into base64url, never into HTML.
    private static readonly JsonWriterOptions Plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>The messages of one failure.</summary>
    /// <param name="failure">What failed.</param>
    /// <param name="service">The VAL service as it is registered now, or null.</param>
    /// <param name="now">When it is told.</param>
    public IEnumerable<OutboxMessage> Of(KeyFailure failure, ScopeDefinition? service, DateTimeOffset now)
    {
        foreach (var receiver in operators)
            yield return Message("events:" + receiver.Name, receiver.Url, receiver.Audience, failure, failure.ClientId, forOperator: true, now);
        // The owner knows the clients of its service from their tokens; it does not learn from us which other clients there are.
        if (service?.KeyFailuresUri is { } owner)
            yield return Message("service:" + failure.ServiceId, owner, service.Audience, failure, failure.IsOfService ? failure.ClientId : null, forOperator: false, now);
    }

    private OutboxMessage Message(string receiver, string url, string audience, KeyFailure failure, string? clientId, bool forOperator, DateTimeOffset now)
    {
        var id = OutboxMessage.NewId();
        return new()
        {
            Id = id,
            Receiver = receiver,
            Url = url,
            ContentType = SecurityEvent.MediaType,
            Body = Claims(id, audience, failure, clientId, forOperator, now),
            Form = OutboxForm.Claims,
        };
    }

    [Spec("RFC 8417", "2.2")]
    private byte[] Claims(string jwtId, string audience, KeyFailure failure, string? clientId, bool forOperator, DateTimeOffset now)
    {
        var buffer = new ArrayBufferWriter<byte>(512);
        using (var json = new Utf8JsonWriter(buffer, Plain))
        {
            json.WriteStartObject();
            json.WriteString("iss"u8, issuer);
            json.WriteString("aud"u8, audience);
            json.WriteNumber("iat"u8, now.ToUnixTimeSeconds());
            json.WriteString("jti"u8, jwtId);
            json.WriteStartObject("events"u8);
            json.WriteStartObject(EventType);
            json.WriteNumber("event_timestamp"u8, now.ToUnixTimeSeconds());
            if (failure.ServiceId is not null)
                json.WriteString("val_service_id"u8, failure.ServiceId);
            if (clientId is not null)
                json.WriteString("client_id"u8, clientId);
            json.WriteStartObject("error_codes"u8);
            foreach (var code in failure.Reasons.GroupBy(r => KmErrors.TextOf(KmErrors.Of(r.Key).Code), r => r.Value).OrderBy(g => g.Key, StringComparer.Ordinal))
                json.WriteNumber(code.Key, code.Sum());
            json.WriteEndObject();
            // Which check it was is not said to peers; the owner of a VAL service may be one.
            if (forOperator)
            {
                json.WriteStartObject("reasons"u8);
                foreach (var (reason, count) in failure.Reasons.OrderBy(r => r.Key))
                    json.WriteNumber(reason.ToString(), count);
                json.WriteEndObject();
            }
            json.WriteEndObject();
            json.WriteEndObject();
            json.WriteEndObject();
        }
        return buffer.WrittenSpan.ToArray();
    }
}
