using Keyreeve.Core.Refusals;
using Keyreeve.Seal;
using Keyreeve.Server.Admin.Services;
using Keyreeve.Wire.Seal;

namespace Keyreeve.Server.Admin.KeyRecords;

/// <summary>PUT /key-records/{id}: a new payload under the same key, or, with If-None-Match: *, a new record. Sent again it changes nothing.</summary>
internal static class ReplaceKeyRecord
{
    public static async Task<AdminAnswer> HandleAsync(AdminRequest request)
    {
        if (request.IfMatch is null && !request.IfNoneMatch)
            return AdminAnswer.IfMatchRequired;
        if (request.IfMatch is not null && request.IfNoneMatch)
            return Refusal.About(RefusalCode.InvalidParameter, "If-None-Match", "If-None-Match stands alone");
        if (!(await request.ReadAsync(KeyRecordJson.Replacement)).Succeeded(out var body, out var refusal))
            return refusal;
        if (KeyRecordJson.ReadId(request.Id) is not var (service, identity) || IsNoKey(service, identity))
            return AdminAnswer.NotFound("key record");
        // A record that was removed meanwhile does not come back by a change of it.
        var before = request.IfNoneMatch ? null : await ShowKeyRecord.FindAsync(request);
        if (before is null && !request.IfNoneMatch)
            return AdminAnswer.NotFound("key record");
        // Members that name another key would be a mistake nobody notices: the payload would land under the path's key.
        var written = KeyRecordJson.Write(new KeyRecord { ServiceId = service, Identity = identity, UpdatedAt = 0 });
        foreach (var member in (string[])["serviceId", "clientId", "deviceId", "userId"])
            if (body.Text(member) is { } named && named != (string?)written[member])
                body.Fail(member, $"{member} is not that of the record in the path; the key of a record cannot be changed");
        if (!KeyRecordJson.ReadPayload(body, service, identity).Succeeded(out var asked, out refusal))
            return refusal;
        if (request.IfNoneMatch && (await ServiceNames.RegisteredAsync(request, [service]))(service) is { } unregistered)
            return unregistered;
        var entry = request.Entry(request.IfNoneMatch ? "key_record.created" : "key_record.changed", null, KeyRecord.Purpose(service, identity), request.IfNoneMatch ? null : "changed: payload");
        if (!(await KeyRecordJson.SaveAsync(request, asked, before is null ? 0 : request.IfMatchOf(before.Version), entry)).Succeeded(out var saved, out refusal))
            return AdminAnswer.OfSave(refusal);
        var json = KeyRecordJson.Write(saved.Record);
        return saved.What == Provisioned.Added ? AdminAnswer.Created(KeyRecordJson.Path(saved.Record), json, saved.Record.Version) : AdminAnswer.Ok(json, saved.Record.Version);
    }

    private static bool IsNoKey(string service, KmIdentity identity) =>
        ServiceJson.WhyNot(service) is not null || (identity.Kind == KmIdentityKind.Service ? identity.Value.Length > 0 : !KmRequest.IsIdentity(identity.Value));
}
