using Keyreeve.Seal;

namespace Keyreeve.Server.Admin.KeyRecords;

/// <summary>POST /key-records/{id}/recover: a removal taken back, with all versions as they were.</summary>
internal static class RecoverKeyRecord
{
    public static async Task<AdminAnswer> HandleAsync(AdminRequest request)
    {
        if (KeyRecordJson.ReadId(request.Id) is not var (service, identity))
            return AdminAnswer.NotFound("key record");
        var entry = request.Entry("key_record.recovered", null, KeyRecord.Purpose(service, identity), null);
        return (await request.Admin.ChangeKeyRecord.RecoverAsync(service, identity, entry)).Succeeded(out var changed, out var refusal)
            ? AdminAnswer.Ok(KeyRecordJson.Write(changed.Record), changed.Record.Version)
            : refusal;
    }
}
