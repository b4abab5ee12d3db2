using Keyreeve.Core.Refusals;
using Keyreeve.Seal;
using Keyreeve.Server.Admin.Services;

namespace Keyreeve.Server.Admin.KeyRecords;

/// <summary>POST /key-records</summary>
internal static class CreateKeyRecord
{
    public static async Task<AdminAnswer> HandleAsync(AdminRequest request)
    {
        if (!(await request.ReadAsync(KeyRecordJson.New)).Succeeded(out var body, out var refusal)
            || !KeyRecordJson.Read(body).Succeeded(out var asked, out refusal))
            return refusal;
        if ((await ServiceNames.RegisteredAsync(request, [asked.ServiceId]))(asked.ServiceId) is { } unregistered)
            return unregistered;
        // Version 0 is that of a record that is not there.
        var entry = request.Entry("key_record.created", null, KeyRecord.Purpose(asked.ServiceId, asked.Identity), null);
        if (!(await KeyRecordJson.SaveAsync(request, asked, 0, entry)).Succeeded(out var saved, out refusal))
            return refusal;
        // Made by somebody before, with this very payload.
        if (saved.What == Provisioned.Unchanged)
            return Refusal.Of(RefusalCode.Conflict, "the key record exists already");
        return AdminAnswer.Created(KeyRecordJson.Path(saved.Record), KeyRecordJson.Write(saved.Record), saved.Record.Version);
    }
}
