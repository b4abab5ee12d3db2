using System.Globalization;
using System.Text.Json.Nodes;
using Keyreeve.Core.Refusals;
using Keyreeve.Seal;

namespace Keyreeve.Server.Admin.KeyRecords;

/// <summary>/key-records/{id}/versions: what a record gives out, from when to when; never the payloads.</summary>
internal static class KeyVersions
{
    public static readonly AdminSchema Schema = new("KeyVersion",
        new AdminField("number", FieldKind.Number, "From 1, within the record.", ReadOnly: true),
        new AdminField("activatesAt", FieldKind.Time, "From when it is given out; null for what was made without a time.", ReadOnly: true),
        new AdminField("expiresAt", FieldKind.Time, "Until when; null for ever.", ReadOnly: true),
        new AdminField("createdAt", FieldKind.Time, "When it was made.", ReadOnly: true),
        new AdminField("active", FieldKind.Flag, "It is the one that is given out now.", ReadOnly: true));

    public static async Task<AdminAnswer> ListAsync(AdminRequest request)
    {
        if (!request.Page().Succeeded(out var page, out var refusal))
            return refusal;
        var after = 0L;
        if (page.After is not null && !long.TryParse(page.After, NumberStyles.None, CultureInfo.InvariantCulture, out after))
            return Refusal.About(RefusalCode.InvalidParameter, "after", "after is 'next' of the page before");
        if (KeyRecordJson.ReadId(request.Id) is not { } key || (await request.Admin.Parts.Stores.KeyRecords.ReadAsync([key], request.Cancel))[0] is not { Record: { RemovedAt: 0 } } stored)
            return AdminAnswer.NotFound("key record");
        var active = KeyProvisioning.ActiveOf(stored.Versions, request.Admin.Now.ToUnixTimeSeconds());
        return page.Of([.. stored.Versions.Where(v => v.Number > after)], v => Write(v, v == active), v => v.Number.ToString(CultureInfo.InvariantCulture));
    }

    /// <summary>Another version for a record that is there, now or at a time. The same payload again makes none.</summary>
    public static async Task<AdminAnswer> AddAsync(AdminRequest request)
    {
        if (!(await request.ReadAsync(KeyRecordJson.Material)).Succeeded(out var body, out var refusal))
            return refusal;
        if (await ShowKeyRecord.FindAsync(request) is not { } before)
            return AdminAnswer.NotFound("key record");
        if (!KeyRecordJson.ReadPayload(body, before.ServiceId, before.Identity).Succeeded(out var asked, out refusal))
            return refusal;
        var entry = request.Entry("key_record.changed", null, KeyRecord.Purpose(before.ServiceId, before.Identity), "version added");
        if (!(await KeyRecordJson.SaveAsync(request, asked, null, entry)).Succeeded(out var saved, out refusal))
            return AdminAnswer.OfSave(refusal);
        var json = KeyRecordJson.Write(saved.Record);
        return saved.What == Provisioned.Unchanged ? AdminAnswer.Ok(json, saved.Record.Version) : AdminAnswer.Created(KeyRecordJson.Path(saved.Record), json, saved.Record.Version);
    }

    private static JsonObject Write(KeyVersion version, bool active) => new()
    {
        ["number"] = version.Number,
        ["activatesAt"] = Times.OrNull(version.ActivatesAt),
        ["expiresAt"] = Times.OrNull(version.ExpiresAt),
        ["createdAt"] = Times.OfSeconds(version.CreatedAt),
        ["active"] = active,
    };
}
