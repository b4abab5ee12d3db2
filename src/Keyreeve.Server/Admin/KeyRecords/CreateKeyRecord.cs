using Keyreeve.Core.Refusals;
using Keyreeve.Seal;

namespace Keyreeve.Server.Admin.KeyRecords;

/// <summary>POST /key-records</summary>
internal static class CreateKeyRecord
{
    public static async Task<AdminAnswer> HandleAsync(AdminRequest request)
    {
        if (!(await request.ReadAsync(KeyRecordJson.New)).Succeeded(out var body, out var refusal)
            || !KeyRecordJson.Read(body, request).Succeeded(out var asked, out refusal))
            return refusal;
        // Version 0 is that of a record that is not there.
        var entry = request.Entry("key_record.created", null, KeyRecord.Purpose(asked.ServiceId, asked.Identity), null);
        if (!(await request.Admin.Parts.Stores.KeyRecords.SaveAsync(asked, 0, entry, CancellationToken.None)).Succeeded(out var record, out refusal))
            return refusal.Code == RefusalCode.Conflict ? Refusal.Of(RefusalCode.Conflict, "the key record exists already") : refusal;
        return AdminAnswer.Created(KeyRecordJson.Path(record), KeyRecordJson.Write(record), record.Version);
    }
}
