using Keyreeve.Core.Refusals;
using Keyreeve.Seal;

namespace Keyreeve.Server.Admin.KeyRecords;

/// <summary>POST /key-records/{id}/shred: a removed record is destroyed before its time. In two steps, so that nobody destroys by one mistake.</summary>
internal static class ShredKeyRecord
{
    public static async Task<AdminAnswer> HandleAsync(AdminRequest request)
    {
        var store = request.Admin.Parts.Stores.KeyRecords;
        if (KeyRecordJson.ReadId(request.Id) is not { } key || (await store.ReadAsync([key], request.Cancel))[0].Record is not { } record)
            return AdminAnswer.NotFound("key record");
        if (record.RemovedAt == 0)
            return Refusal.Of(RefusalCode.Conflict, "the key record is in use: remove it first");
        var entry = request.Entry("key_record.shredded", null, KeyRecord.Purpose(record.ServiceId, record.Identity), null);
        return await store.ShredAsync(record.ServiceId, record.Identity, entry, CancellationToken.None) ? AdminAnswer.Nothing : AdminAnswer.NotFound("key record");
    }
}
