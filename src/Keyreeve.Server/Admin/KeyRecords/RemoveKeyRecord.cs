using Keyreeve.Seal;

namespace Keyreeve.Server.Admin.KeyRecords;

/// <summary>DELETE /key-records/{id}: it is given to nobody any more.</summary>
internal static class RemoveKeyRecord
{
    public static async Task<AdminAnswer> HandleAsync(AdminRequest request)
    {
        if (await ShowKeyRecord.FindAsync(request) is not { } record)
            return AdminAnswer.NotFound("key record");
        var version = request.IfMatchOf(record.Version);
        if (version is not null && version != record.Version)
            return AdminAnswer.Changed;
        var entry = request.Entry("key_record.removed", null, KeyRecord.Purpose(record.ServiceId, record.Identity), null);
        return await request.Admin.Parts.Stores.KeyRecords.RemoveAsync(record.ServiceId, record.Identity, version, request.Admin.Now.ToUnixTimeSeconds(), entry, CancellationToken.None)
            ? AdminAnswer.Nothing
            : AdminAnswer.NotFound("key record");
    }
}
