using Keyreeve.Seal;

namespace Keyreeve.Server.Admin.KeyRecords;

/// <summary>GET /key-records/{id}: when and where, never what.</summary>
internal static class ShowKeyRecord
{
    public static async Task<AdminAnswer> HandleAsync(AdminRequest request) =>
        await FindAsync(request) is not { } record ? AdminAnswer.NotFound("key record")
        : request.Knows(record.Version) ? AdminAnswer.NotModified(record.Version)
        : AdminAnswer.Ok(KeyRecordJson.Write(record), record.Version);

    /// <summary>The record of the path, or null; a removed one is not there.</summary>
    public static async Task<KeyRecord?> FindAsync(AdminRequest request) =>
        KeyRecordJson.ReadId(request.Id) is { } key && (await request.Admin.Parts.Stores.KeyRecords.ReadAsync([key], request.Cancel))[0].Record is { RemovedAt: 0 } record
            ? record
            : null;
}
