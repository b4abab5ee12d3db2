using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Unicode;

namespace Keyreeve.Wire.Seal;

/// <summary>
/// A <see cref="KeyRecordLine"/> in one pass over its octets, without a document: nearly every line of a million is as it should be. It takes nothing that
/// the document's reader would not take in the same way; what it does not take it leaves to that one, which says what is wrong.
/// </summary>
internal static class PlainKeyRecordLine
{
    /// <summary>The line, or null when it is to be read by the other way; never throws.</summary>
    public static KeyRecordLine? Find(ReadOnlySpan<byte> json)
    {
        if (json.Length > KeyMaterial.MaxLength || !Utf8.IsValid(json))
            return null;
        byte[]? payload = null;
        KeyRecordLine? line = null;
        try
        {
            return line = Find(json, ref payload);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return null;
        }
        finally
        {
            if (line is null)
                CryptographicOperations.ZeroMemory(payload);
        }
    }

    private static KeyRecordLine? Find(ReadOnlySpan<byte> json, ref byte[]? payload)
    {
        var reader = new Utf8JsonReader(json);
        var (service, identity) = ((string?)null, KmIdentity.ServiceOnly);
        var (activates, expires) = ((long?)null, (long?)null);
        // A member that comes again, and a second identity, are what the other one refuses.
        for (var seen = Member.None; reader.Read();)
        {
            if (reader.TokenType == JsonTokenType.StartObject && reader.CurrentDepth == 0)
                continue;
            if (reader.TokenType == JsonTokenType.EndObject)
                break;
            var member = reader.TokenType == JsonTokenType.PropertyName ? MemberAt(ref reader) : Member.None;
            if (member == Member.None || (seen & member) != Member.None || !reader.Read())
                return null;
            seen |= member;
            if (member is Member.ActivatesAt or Member.ExpiresAt)
            {
                if (reader.TokenType == JsonTokenType.Null)
                    continue;
                if (reader.TokenType != JsonTokenType.String || !KeyMaterial.TryReadTime(reader.GetString()!, out var seconds))
                    return null;
                if (member == Member.ActivatesAt)
                    activates = seconds;
                else
                    expires = seconds;
            }
            else if (reader.TokenType != JsonTokenType.String)
            {
                return null;
            }
            else if (member == Member.Payload)
            {
                if (!KeyMaterial.TryCopyPayload(ref reader, out payload))
                    return null;
            }
            else
            {
                var text = reader.GetString()!;
                if (KmRequest.WhyNot("", text, 255) is not null || member != Member.ServiceId && identity != KmIdentity.ServiceOnly)
                    return null;
                (service, identity) = member == Member.ServiceId ? (text, identity) : (service, new(KindOf(member), text));
            }
        }
        // To the end: behind the object nothing follows.
        return !reader.Read() && service is not null && payload is not null && KeyMaterial.WhyNotInOrder(activates, expires) is null
            ? new(service, identity, new(payload, activates, expires ?? 0))
            : null;
    }

    private static KmIdentityKind KindOf(Member member) =>
        member == Member.ClientId ? KmIdentityKind.Client : member == Member.DeviceId ? KmIdentityKind.Device : KmIdentityKind.User;

    private static Member MemberAt(ref Utf8JsonReader reader) =>
        reader.ValueTextEquals("serviceId"u8) ? Member.ServiceId
        : reader.ValueTextEquals("userId"u8) ? Member.UserId
        : reader.ValueTextEquals("payload"u8) ? Member.Payload
        : reader.ValueTextEquals("deviceId"u8) ? Member.DeviceId
        : reader.ValueTextEquals("clientId"u8) ? Member.ClientId
        : reader.ValueTextEquals("activatesAt"u8) ? Member.ActivatesAt
        : reader.ValueTextEquals("expiresAt"u8) ? Member.ExpiresAt
        : Member.None;

    [Flags]
    private enum Member
    {
        None = 0,
        ServiceId = 1,
        ClientId = 2,
        DeviceId = 4,
        UserId = 8,
        Payload = 16,
        ActivatesAt = 32,
        ExpiresAt = 64,
    }
}
