using System.Security.Cryptography;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Refusals;
using Keyreeve.Wire.Seal;

namespace Keyreeve.Seal;

/// <summary>Key material as it is provisioned.</summary>
/// <param name="ServiceId">VAL service ID.</param>
/// <param name="Identity">The identity beside it.</param>
/// <param name="Payload">The payload; who made the octets zeroes them.</param>
/// <param name="ActivatesAt">Unix seconds from which it is given out; null for at once.</param>
/// <param name="ExpiresAt">Unix seconds from which it is not any more, or 0.</param>
public sealed record ProvisionedKey(string ServiceId, KmIdentity Identity, byte[] Payload, long? ActivatesAt, long ExpiresAt);

/// <summary>What became of it.</summary>
public enum Provisioned
{
    /// <summary>A new record.</summary>
    Added,

    /// <summary>A new version of a record, or another expiry of one.</summary>
    Changed,

    /// <summary>It was there already.</summary>
    Unchanged,
}

/// <summary>
/// Puts key material into the store: an idempotent replacement. The same payload with the same activation is no new version; a payload without an
/// activation that is the one given out now is not either.
/// </summary>
public sealed class KeyProvisioning(IKeyRecordStore records, ISealStore seal, RecordVault vault)
{
    /// <summary>Versions of a record. Our choice: what was superseded goes first.</summary>
    public const int MaxVersions = 16;

    /// <summary>Somebody else was faster so often: then the caller hears of it.</summary>
    private const int Tries = 10;

    private static readonly Refusal Exists = Refusal.Of(RefusalCode.Conflict, "the key record exists already");
    private static readonly Refusal Changed = new(RefusalCode.Conflict, "the key record was changed since it was read", "the key record was changed since it was read: read again");

    /// <summary>One record. With an expected row version (0: it must not be there) another one is a Conflict, unless the record is as it is asked for.</summary>
    public async Task<Outcome<(KeyRecord Record, Provisioned What)>> SaveAsync(ProvisionedKey key, long? expectedVersion, long now, AuditEntry entry, CancellationToken cancel)
    {
        var saved = await SaveManyAsync([key], expectedVersion, now, _ => entry, cancel);
        return saved[0];
    }

    /// <summary>
    /// Many, each for itself, in one write. A record that comes twice gets both, in two writes. <paramref name="entryOf"/> makes the line out of how
    /// many are written. With <paramref name="isImport"/>, what a record has had is there already, also when something newer is given out now: a file
    /// that is imported again, or a batch whose answer was not heard, takes nothing back.
    /// </summary>
    public async Task<IReadOnlyList<Outcome<(KeyRecord Record, Provisioned What)>>> SaveManyAsync(IReadOnlyList<ProvisionedKey> keys, long? expectedVersion, long now,
        Func<int, AuditEntry> entryOf, CancellationToken cancel, bool isImport = false)
    {
        var results = new Outcome<(KeyRecord, Provisioned)>[keys.Count];
        Array.Fill(results, Changed);
        var left = Enumerable.Range(0, keys.Count).ToList();
        for (var tries = 0; left.Count > 0 && tries < Tries;)
        {
            var (batch, later, seen) = (new List<int>(left.Count), new List<int>(), new HashSet<(string, KmIdentity)>());
            foreach (var i in left)
                (seen.Add((keys[i].ServiceId, keys[i].Identity)) ? batch : later).Add(i);
            var again = await TryAsync(keys, batch, results, expectedVersion, now, entryOf, isImport, cancel);
            if (expectedVersion is not null)
                break;
            if (again.Count > 0)
                tries++;
            left = [.. again.Concat(later).Order()];
        }
        return results;
    }

    private async Task<List<int>> TryAsync(IReadOnlyList<ProvisionedKey> keys, List<int> batch, Outcome<(KeyRecord, Provisioned)>[] results, long? expectedVersion,
        long now, Func<int, AuditEntry> entryOf, bool isImport, CancellationToken cancel)
    {
        var keks = new Dictionary<string, ServiceKek>(StringComparer.Ordinal);
        var stored = await records.ReadAsync([.. batch.Select(i => (keys[i].ServiceId, keys[i].Identity))], cancel);
        var (saves, of) = (new List<KeySave>(batch.Count), new List<(int Index, Provisioned What)>(batch.Count));
        for (var b = 0; b < batch.Count; b++)
        {
            var (key, i) = (keys[batch[b]], batch[b]);
            if (records.WhyNot(key.ServiceId, key.Identity) is { } unstorable)
            {
                results[i] = unstorable;
                continue;
            }
            if (await KekOfAsync(key.ServiceId, keks, now, cancel) is not { } kek)
            {
                results[i] = RecordVault.SealedHere;
                continue;
            }
            if (!(await DecideAsync(key, stored[b], kek, now, isImport, cancel)).Succeeded(out var decided, out var refusal))
                results[i] = refusal;
            // Also with another version than expected: what is asked for is there (RFC 9110 13.1.1), asked for by who did not hear the answer.
            else if (decided.Save is null)
                results[i] = (stored[b].Record!, Provisioned.Unchanged);
            else if (expectedVersion is { } expected && expected != (stored[b].Record?.Version ?? 0))
                results[i] = expected == 0 ? Exists : Changed;
            else
            {
                saves.Add(decided.Save);
                of.Add((i, decided.What));
            }
        }
        if (saves.Count == 0)
            return [];
        var again = new List<int>();
        var written = await records.SaveAsync(saves, entryOf(saves.Count), cancel);
        for (var s = 0; s < written.Count; s++)
            if (written[s] is { } record)
                results[of[s].Index] = (record, of[s].What);
            else
                again.Add(of[s].Index);
        return again;
    }

    private async Task<Outcome<Decision>> DecideAsync(ProvisionedKey key, StoredKeys stored, ServiceKek kek, long now, bool isImport, CancellationToken cancel)
    {
        var name = KeyRecord.Purpose(key.ServiceId, key.Identity);
        if (stored.Record is { RemovedAt: not 0 })
            return Refusal.About(RefusalCode.Conflict, "serviceId", "the key record was removed and can still be recovered: recover it first (or an operator shreds it)");
        if (key.ExpiresAt != 0 && key.ExpiresAt <= (key.ActivatesAt ?? now))
            return Refusal.About(RefusalCode.InvalidParameter, "expiresAt", "expiresAt is after activatesAt");
        var newest = NewestOf(stored.Versions, now);
        // Without an activation: what is given out now is the one to compare with.
        var same = key.ActivatesAt is { } at ? stored.Versions.Where(v => v.ActivatesAt == at).MaxBy(v => v.Number) : ActiveOf(stored.Versions, now);
        if (same is not null && await HoldsAsync(same))
            return same.ExpiresAt == key.ExpiresAt ? new Decision(null, Provisioned.Unchanged) : Sealing(same.Number, same.ActivatesAt, []);
        if (isImport)
            foreach (var version in stored.Versions)
                if (version != same && (key.ActivatesAt is null || key.ActivatesAt == version.ActivatesAt) && await HoldsAsync(version))
                    return new Decision(null, Provisioned.Unchanged);
        long[] dropped = [];
        if (stored.Versions.Count >= MaxVersions)
        {
            if (stored.Versions.Where(v => v != newest).MinBy(v => (v.ActivatesAt, v.Number)) is not { } oldest || oldest.ActivatesAt > now)
                return Refusal.About(RefusalCode.Conflict, "activatesAt", $"the key record has {MaxVersions} versions, and none of them is past");
            dropped = [oldest.Number];
        }
        // At once is at once on every node: not later where a clock is behind. The higher number goes before the one that was activated last.
        return Sealing((stored.Record?.Latest ?? 0) + 1, key.ActivatesAt ?? newest?.ActivatesAt ?? 0, dropped);

        // What does not open is replaced by what does.
        async ValueTask<bool> HoldsAsync(KeyVersion version)
        {
            var of = version.KekVersion == 0 ? null : version.KekVersion == kek.Version ? kek : await seal.FindKekAsync(key.ServiceId, version.KekVersion, cancel);
            if (!vault.Open(name, version, of).Succeeded(out var payload, out _))
                return false;
            var holds = CryptographicOperations.FixedTimeEquals(payload, key.Payload);
            CryptographicOperations.ZeroMemory(payload);
            return holds;
        }

        Outcome<Decision> Sealing(long number, long activatesAt, long[] makingRoom)
        {
            if (!vault.Seal(name, number, activatesAt, key.ExpiresAt, now, kek, key.Payload).Succeeded(out var version, out var refusal))
                return refusal;
            var record = stored.Record ?? new KeyRecord { ServiceId = key.ServiceId, Identity = key.Identity, UpdatedAt = now };
            return new Decision(new(record with { UpdatedAt = now, Latest = Math.Max(record.Latest, number) }, version, makingRoom), stored.Record is null ? Provisioned.Added : Provisioned.Changed);
        }
    }

    /// <summary>The version that is given out at a time: the one that was activated last, unless it is over. What it has superseded does not come back.</summary>
    public static KeyVersion? ActiveOf(IEnumerable<KeyVersion> versions, long now) => NewestOf(versions, now) is { } newest && newest.IsActive(now) ? newest : null;

    private static KeyVersion? NewestOf(IEnumerable<KeyVersion> versions, long now) => versions.Where(v => v.ActivatesAt <= now).MaxBy(v => (v.ActivatesAt, v.Number));

    /// <summary>The newest key of a service, made when there is none or it was destroyed; null while sealed, or when the roots change faster than this follows.</summary>
    private async Task<ServiceKek?> KekOfAsync(string serviceId, Dictionary<string, ServiceKek> known, long now, CancellationToken cancel)
    {
        if (vault.IsSealed)
            return null;
        if (known.TryGetValue(serviceId, out var kek))
            return kek;
        for (var i = 0; i < Tries; i++)
        {
            var newest = await seal.FindKekAsync(serviceId, cancel);
            if (newest is not null)
                await vault.FollowAsync(newest, cancel);
            if (newest is null or { DestroyedAt: not 0 })
            {
                if (vault.NewKek(serviceId, (newest?.Version ?? 0) + 1, now) is not { } made)
                    return null;
                if (!await seal.AddKekAsync(made, null, cancel))
                {
                    // Another node made the service's key, or a new root: this one hears of it before it tries again.
                    if (vault.CatchUpAsync is { } catchUp)
                        await catchUp(cancel);
                    continue;
                }
                newest = made;
            }
            known.Add(serviceId, newest);
            return newest;
        }
        return null;
    }

    /// <param name="Save">What is written, or null when nothing is.</param>
    /// <param name="What">What that makes of the record.</param>
    private readonly record struct Decision(KeySave? Save, Provisioned What);
}
