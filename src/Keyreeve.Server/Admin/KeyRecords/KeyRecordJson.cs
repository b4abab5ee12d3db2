using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Refusals;
using Keyreeve.Seal;
using Keyreeve.Server.Admin.Services;
using Keyreeve.Wire.Seal;

namespace Keyreeve.Server.Admin.KeyRecords;

/// <summary>A key management record as the admin API writes and reads it. The payload goes in and never comes out.</summary>
internal static class KeyRecordJson
{
    private static readonly AdminField[] MaterialFields =
    [
        new("payload", FieldKind.Text, "Key material, given to whoever may ask for it at the SKM-S; never shown here.", Required: true, WriteOnly: true),
        new("activatesAt", FieldKind.Time, "From when it is given out; now, when it is missing.", WriteOnly: true),
        new("expiresAt", FieldKind.Time, "Until when; for ever, when it is missing.", WriteOnly: true),
    ];

    private static readonly AdminField[] Fields =
    [
        new("id", FieldKind.Text, "Names the record in paths.", ReadOnly: true),
        new("serviceId", FieldKind.Text, "VAL service ID.", Required: true),
        new("clientId", FieldKind.Text, "At most one of clientId, deviceId, userId."),
        new("deviceId", FieldKind.Text, "VAL UE ID."),
        new("userId", FieldKind.Text, "VAL user ID."),
        new("updatedAt", FieldKind.Time, "When the payload was set.", ReadOnly: true),
        new("removedAt", FieldKind.Time, "When it was removed; it can be recovered until it is shredded.", ReadOnly: true),
        new("version", FieldKind.Number, "Row version, the ETag.", ReadOnly: true),
    ];

    public static readonly AdminSchema Schema = new("KeyRecord", Fields);

    public static readonly AdminSchema New = new("NewKeyRecord", [.. Fields, .. MaterialFields]);

    public static readonly AdminSchema Replacement = new("KeyRecordPayload", [.. Fields.Select(f => f with { Required = false }), .. MaterialFields]);

    public static readonly AdminSchema Material = new("KeyMaterial", MaterialFields);

    /// <summary>A line of an import.</summary>
    public static readonly AdminSchema Line = new("KeyRecordLine", [.. Fields.Where(f => !f.ReadOnly), .. MaterialFields]);

    public static string Path(KeyRecord record) => $"{AdminRoutes.Base}/key-records/{IdOf(record.ServiceId, record.Identity)}";

    /// <summary>base64url of "SERVICE KIND VALUE": a service ID has no space, so no two keys are written alike.</summary>
    public static string IdOf(string serviceId, KmIdentity identity) =>
        Base64Url.EncodeToString(Encoding.UTF8.GetBytes($"{serviceId} {(int)identity.Kind} {identity.Value}"));

    /// <summary>The key an id names, or null.</summary>
    public static (string ServiceId, KmIdentity Identity)? ReadId(string id)
    {
        if (id.Length > 4096 || !Base64Url.IsValid(id))
            return null;
        var octets = Base64Url.DecodeFromChars(id);
        if (!System.Text.Unicode.Utf8.IsValid(octets))
            return null;
        var parts = Encoding.UTF8.GetString(octets).Split(' ', 3);
        return parts.Length == 3 && parts[1] is ['0' or '1' or '2' or '3'] kind
            ? (parts[0], new KmIdentity((KmIdentityKind)(kind[0] - '0'), parts[2]))
            : null;
    }

    public static JsonObject Write(KeyRecord record)
    {
        var json = new JsonObject { ["id"] = IdOf(record.ServiceId, record.Identity), ["serviceId"] = record.ServiceId };
        if (MemberOf(record.Identity.Kind) is { } member)
            json[member] = record.Identity.Value;
        json["updatedAt"] = Times.OfSeconds(record.UpdatedAt);
        if (record.RemovedAt != 0)
            json["removedAt"] = Times.OfSeconds(record.RemovedAt);
        json["version"] = record.Version;
        return json;
    }

    /// <summary>
    /// The key of a new record. The service is a registered one (<see cref="ServiceNames.RegisteredAsync"/>). The user, device or client need not be: another
    /// server may manage them, and keys may come before people.
    /// </summary>
    public static Outcome<ProvisionedKey> Read(JsonBody body)
    {
        var service = body.RequiredText("serviceId", 200);
        if (body.Wrong is null && ServiceJson.WhyNot(service) is { } why)
            body.Fail("serviceId", why);
        var identities = new[] { KmIdentityKind.Client, KmIdentityKind.Device, KmIdentityKind.User }
            .Select(kind => (Kind: kind, Value: body.Text(MemberOf(kind)!))).Where(i => i.Value is not null).ToList();
        if (identities.Count > 1)
            body.Fail(MemberOf(identities[1].Kind)!, "a record has at most one of clientId, deviceId and userId (TS 33.434 5.3.2)");
        var identity = identities.Count == 1 ? new KmIdentity(identities[0].Kind, identities[0].Value!) : KmIdentity.ServiceOnly;
        return ReadPayload(body, service, identity);
    }

    /// <summary>A key with the payload of the body; the caller zeroes the octets.</summary>
    public static Outcome<ProvisionedKey> ReadPayload(JsonBody body, string serviceId, KmIdentity identity)
    {
        var octets = Encoding.UTF8.GetBytes(body.RequiredText("payload", KeyMaterial.MaxPayload, lines: true));
        if (octets.Length > KeyMaterial.MaxPayload)
            body.Fail("payload", $"payload has 1 to {KeyMaterial.MaxPayload} octets");
        var key = new ProvisionedKey(serviceId, identity, octets, body.Time("activatesAt"), body.Time("expiresAt") ?? 0);
        return body.Wrong is { } wrong ? wrong : key;
    }

    /// <summary>Seals and stores it, and zeroes the octets.</summary>
    public static async Task<Outcome<(KeyRecord Record, Provisioned What)>> SaveAsync(AdminRequest request, ProvisionedKey key, long? expectedVersion, AuditEntry entry)
    {
        try
        {
            return await request.Admin.Provisioning.SaveAsync(key, expectedVersion, request.Admin.Now.ToUnixTimeSeconds(), entry, CancellationToken.None);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(key.Payload);
        }
    }

    private static string? MemberOf(KmIdentityKind kind) => kind switch
    {
        KmIdentityKind.Service => null,
        KmIdentityKind.Client => "clientId",
        KmIdentityKind.Device => "deviceId",
        KmIdentityKind.User => "userId",
    };
}
