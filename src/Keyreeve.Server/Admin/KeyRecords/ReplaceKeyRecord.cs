using Keyreeve.Seal;

namespace Keyreeve.Server.Admin.KeyRecords;

/// <summary>PUT /key-records/{id}: a new payload under the same key.</summary>
internal static class ReplaceKeyRecord
{
    public static async Task<AdminAnswer> HandleAsync(AdminRequest request)
    {
        if (request.IfMatch is not { } version)
            return AdminAnswer.IfMatchRequired;
        if (!(await request.ReadAsync(KeyRecordJson.Replacement)).Succeeded(out var body, out var refusal))
            return refusal;
        if (await ShowKeyRecord.FindAsync(request) is not { } before)
            return AdminAnswer.NotFound("key record");
        // Members that name another key would be a mistake nobody notices: the payload would land under the path's key.
        foreach (var member in (string[])["serviceId", "clientId", "deviceId", "userId"])
            if (body.Text(member) is { } named && named != (string?)KeyRecordJson.Write(before)[member])
                body.Fail(member, $"{member} is not that of the record in the path; the key of a record cannot be changed");
        // Version 0 would mean "make it": a record that was removed meanwhile does not come back.
        if (version <= 0)
            return AdminAnswer.Changed;
        if (!KeyRecordJson.ReadPayload(body, before.ServiceId, before.Identity).Succeeded(out var asked, out refusal))
            return refusal;
        var entry = request.Entry("key_record.changed", null, KeyRecord.Purpose(asked.ServiceId, asked.Identity), "changed: payload");
        if (!(await KeyRecordJson.SaveAsync(request, asked, version, entry)).Succeeded(out var saved, out refusal))
            return AdminAnswer.OfSave(refusal);
        return AdminAnswer.Ok(KeyRecordJson.Write(saved.Record), saved.Record.Version);
    }
}
