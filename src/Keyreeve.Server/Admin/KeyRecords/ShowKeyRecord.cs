using Keyreeve.Seal;

namespace Keyreeve.Server.Admin.KeyRecords;

/// <summary>GET /key-records/{id}: when and where, never what.</summary>
internal static class ShowKeyRecord
{
    public static async Task<AdminAnswer> HandleAsync(AdminRequest request) =>
        await FindAsync(request) is { } record ? AdminAnswer.Ok(KeyRecordJson.Write(record), record.Version) : AdminAnswer.NotFound("key record");

    /// <summary>The record of the path, or null.</summary>
    public static async Task<KeyRecord?> FindAsync(AdminRequest request) =>
        KeyRecordJson.ReadId(request.Id) is var (service, identity)
            ? await request.Admin.Parts.Stores.KeyRecords.FindAsync(service, identity, request.Cancel)
            : null;
}
