using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Keyreeve.Core.Refusals;
using Keyreeve.Seal;
using Keyreeve.Server.Admin.KeyRecords;
using Keyreeve.Server.Admin.Services;
using Keyreeve.Wire.Seal;

namespace Keyreeve.Server.Admin.Profiles;

/// <summary>The profile of a VAL user or VAL UE as the admin API writes and reads it. Lists do not show documents; who wants one asks for it.</summary>
internal static class ProfileJson
{
    private static readonly AdminField Document = new("document", FieldKind.Object, "The profile, any JSON object; given to VAL servers and the user as text.", Required: true);

    private static readonly AdminField[] Fields =
    [
        new("id", FieldKind.Text, "Names the profile in paths.", ReadOnly: true),
        new("serviceId", FieldKind.Text, "VAL service ID; the service must exist.", Required: true),
        new("valUserId", FieldKind.Text, "Exactly one of valUserId and valUeId."),
        new("valUeId", FieldKind.Text, "VAL UE ID."),
        new("updatedAt", FieldKind.Time, "When the document was set.", ReadOnly: true),
        new("version", FieldKind.Number, "Row version, the ETag.", ReadOnly: true),
    ];

    public static readonly AdminSchema Item = new("ProfileItem", Fields);

    public static readonly AdminSchema Schema = new("Profile", [.. Fields, Document]);

    public static readonly AdminSchema Replacement = new("ProfileDocument", [.. Fields.Select(f => f with { Required = false }), Document]);

    public static string IdOf(ValProfile profile) => KeyRecordJson.IdOf(profile.ServiceId, profile.Target);

    public static string Path(ValProfile profile) => $"{AdminRoutes.Base}/profiles/{IdOf(profile)}";

    /// <summary>The key an id names, or null.</summary>
    public static (string ServiceId, KmIdentity Target)? ReadId(string id) =>
        KeyRecordJson.ReadId(id) is var (service, target) && MemberOf(target.Kind) is not null ? (service, target) : null;

    /// <summary>Without the document.</summary>
    public static JsonObject Write(ValProfile profile) => new()
    {
        ["id"] = IdOf(profile),
        ["serviceId"] = profile.ServiceId,
        [MemberOf(profile.Target.Kind)!] = profile.Target.Value,
        ["updatedAt"] = Times.OfSeconds(profile.UpdatedAt),
        ["version"] = profile.Version,
    };

    /// <summary>A new profile, with its document sealed.</summary>
    public static async Task<Outcome<ValProfile>> ReadAsync(JsonBody body, AdminRequest request)
    {
        var service = body.RequiredText("serviceId", 200);
        var (user, ue) = (body.Text("valUserId"), body.Text("valUeId"));
        if (body.Wrong is null && user is null == ue is null)
            body.Fail("valUserId", "a profile has exactly one of valUserId and valUeId");
        if (body.Wrong is { } wrong)
            return wrong;
        if (await ServiceNames.WhyUnknownAsync(request, "serviceId", [service]) is { } unknown)
            return unknown;
        return ReadDocument(body, service, user is not null ? new(KmIdentityKind.User, user) : new(KmIdentityKind.Device, ue!), request);
    }

    /// <summary>The profile of a key with the document of the body, sealed.</summary>
    public static Outcome<ValProfile> ReadDocument(JsonBody body, string serviceId, KmIdentity target, AdminRequest request)
    {
        if (body.Wrong is { } wrong)
            return wrong;
        if (body.Find("document") is not { ValueKind: JsonValueKind.Object } document)
            return Refusal.About(body.Has("document") ? RefusalCode.InvalidParameter : RefusalCode.MissingParameter, "document", "document is a JSON object");
        var octets = Encoding.UTF8.GetBytes(document.GetRawText());
        if (octets.Length > ValProfile.MaxDocument)
            return Refusal.About(RefusalCode.InvalidParameter, "document", $"document has at most {ValProfile.MaxDocument} octets");
        var profile = new ValProfile
        {
            ServiceId = serviceId,
            Target = target,
            SealedDocument = request.Admin.Parts.Kek.Seal(ValProfile.Purpose(serviceId, target), octets),
            UpdatedAt = request.Admin.Now.ToUnixTimeSeconds(),
        };
        CryptographicOperations.ZeroMemory(octets);
        return profile;
    }

    public static string? MemberOf(KmIdentityKind kind) => kind switch
    {
        KmIdentityKind.User => "valUserId",
        KmIdentityKind.Device => "valUeId",
        _ => null,
    };
}
