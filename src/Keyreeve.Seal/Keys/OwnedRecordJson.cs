using System.Globalization;
using System.Text.Json;
using Keyreeve.Wire.Seal;

namespace Keyreeve.Seal;

/// <summary>A key record as its owner sees it: when and where, never what.</summary>
internal static class OwnedRecordJson
{
    /// <summary>With its versions, or alone in a list.</summary>
    public static void Write(Utf8JsonWriter json, KeyRecord record, IReadOnlyList<KeyVersion>? versions, long now)
    {
        json.WriteStartObject();
        json.WriteString("record"u8, KeyRecordName.Of(record.Identity));
        json.WriteString("serviceId"u8, record.ServiceId);
        if (MemberOf(record.Identity.Kind) is { } member)
            json.WriteString(member, record.Identity.Value);
        WriteTime(json, "updatedAt", record.UpdatedAt);
        WriteTime(json, "removedAt", record.RemovedAt);
        json.WriteNumber("version"u8, record.Version);
        if (versions is not null)
        {
            var active = KeyProvisioning.ActiveOf(versions, now);
            json.WriteStartArray("keyVersions"u8);
            foreach (var version in versions)
            {
                json.WriteStartObject();
                json.WriteNumber("number"u8, version.Number);
                WriteTime(json, "activatesAt", version.ActivatesAt);
                WriteTime(json, "expiresAt", version.ExpiresAt);
                WriteTime(json, "createdAt", version.CreatedAt);
                json.WriteBoolean("active"u8, version == active);
                json.WriteEndObject();
            }
            json.WriteEndArray();
        }
        json.WriteEndObject();
    }

    /// <summary>RFC 3339; left out for 0, which means never.</summary>
    private static void WriteTime(Utf8JsonWriter json, string member, long seconds)
    {
        if (seconds != 0)
            json.WriteString(member, DateTimeOffset.FromUnixTimeSeconds(seconds).ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture));
    }

    private static string? MemberOf(KmIdentityKind kind) => kind switch
    {
        KmIdentityKind.Service => null,
        KmIdentityKind.Client => "clientId",
        KmIdentityKind.Device => "deviceId",
        KmIdentityKind.User => "userId",
    };
}
