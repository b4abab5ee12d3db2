using Keyreeve.Core.Audit;
using Keyreeve.Core.Refusals;
using Keyreeve.Wire.Seal;

namespace Keyreeve.Seal;

/// <summary>What became of a record.</summary>
/// <param name="Record">As it is now.</param>
/// <param name="Result">What that is beside what it was.</param>
public sealed record ChangedRecord(KeyRecord Record, KpResult Result);

/// <summary>
/// Changes one key record, whichever door it came in by: the door has decided that it may. To ask for the same once more changes nothing and is a
/// success, so that who did not hear the answer asks again. A change that has begun is finished, whether or not the caller still waits.
/// </summary>
public sealed class ChangeKeyRecord(KeyProvisioning provisioning, IKeyRecordStore records, RecordQuota quota, TimeProvider clock)
{
    private static readonly Refusal Missing = new(RefusalCode.KeyInformationNotAvailable, "there is no such key record", "there is no such key record: it never was, or was shredded");

    private long Now => clock.GetUtcNow().ToUnixTimeSeconds();

    /// <summary>
    /// Gives a record key material. With an expected row version (0: it must not be there) another one is a Conflict without a parameter, unless the
    /// record has this very material: then it was this caller, or one who wanted the same. A removed record is a Conflict with one.
    /// </summary>
    public Task<Outcome<ChangedRecord>> SetAsync(string serviceId, KmIdentity identity, KeyMaterial material, long? expectedVersion, AuditEntry entry) =>
        quota.InPlaceAsync(serviceId, identity, () => SaveAsync(serviceId, identity, material, expectedVersion, entry));

    private async Task<Outcome<ChangedRecord>> SaveAsync(string serviceId, KmIdentity identity, KeyMaterial material, long? expectedVersion, AuditEntry entry)
    {
        var key = new ProvisionedKey(serviceId, identity, material.Payload, material.ActivatesAt, material.ExpiresAt);
        if (!(await provisioning.SaveAsync(key, expectedVersion, Now, entry, CancellationToken.None)).Succeeded(out var saved, out var refusal))
            return refusal;
        return new ChangedRecord(saved.Record, saved.What switch
        {
            Provisioned.Added => KpResult.Added,
            Provisioned.Changed => KpResult.Changed,
            Provisioned.Unchanged => KpResult.Unchanged,
        });
    }

    /// <summary>Removes a record; it can be recovered until it is shredded.</summary>
    public async Task<Outcome<ChangedRecord>> RemoveAsync(string serviceId, KmIdentity identity, long? expectedVersion, AuditEntry entry)
    {
        var removed = await records.RemoveAsync(serviceId, identity, expectedVersion, Now, entry, CancellationToken.None);
        if (await FindAsync(serviceId, identity) is not { } record)
            return Missing;
        return removed ? new ChangedRecord(record, KpResult.Removed)
            : record.RemovedAt != 0 ? new ChangedRecord(record, KpResult.Unchanged)
            : Refusal.Of(RefusalCode.Conflict, "the key record was changed since it was read");
    }

    /// <summary>Takes a removal back.</summary>
    public async Task<Outcome<ChangedRecord>> RecoverAsync(string serviceId, KmIdentity identity, AuditEntry entry)
    {
        if (await records.RestoreAsync(serviceId, identity, Now, entry, CancellationToken.None) is { } recovered)
            return new ChangedRecord(recovered, KpResult.Recovered);
        return await FindAsync(serviceId, identity) is { RemovedAt: 0 } record ? new ChangedRecord(record, KpResult.Unchanged) : Missing;
    }

    private async Task<KeyRecord?> FindAsync(string serviceId, KmIdentity identity) => (await records.ReadAsync([(serviceId, identity)], CancellationToken.None))[0].Record;
}
