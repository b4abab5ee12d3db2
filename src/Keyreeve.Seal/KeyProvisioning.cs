using System.Security.Cryptography;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Keys;
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

    /// <summary>Records of an import that are looked for before all of them are. Our choice.</summary>
    private const int Sample = 16;

    /// <summary>Octets of a data key and two nonces.</summary>
    private const int FreshForOne = 32 + 12 + 12;

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
        using var fresh = new FreshOctets(keys.Count == 1 ? 0 : FreshForOne * Math.Min(keys.Count, 64));
        var round = new Round(keys, results, expectedVersion, now, entryOf, isImport, fresh);
        var left = Enumerable.Range(0, keys.Count).ToList();
        for (var tries = 0; left.Count > 0 && tries < Tries;)
        {
            var (batch, later, seen) = (new List<int>(left.Count), new List<int>(), new HashSet<(string, KmIdentity)>(left.Count));
            foreach (var i in left)
                (seen.Add((keys[i].ServiceId, keys[i].Identity)) ? batch : later).Add(i);
            var again = await TryAsync(round, batch, await ReadAsync(keys, batch, isImport && tries == 0, cancel), cancel);
            if (expectedVersion is not null)
                break;
            if (again.Count > 0)
                tries++;
            left = [.. again.Concat(later).Order()];
        }
        return results;
    }

    /// <summary>
    /// What the records have; null when it looks as if none were there. A file that is imported for the first time finds nothing: of its batches a few
    /// records are looked for. What is there nevertheless the store leaves out, and at the next try all are read.
    /// </summary>
    private async Task<IReadOnlyList<StoredKeys>?> ReadAsync(IReadOnlyList<ProvisionedKey> keys, List<int> batch, bool mayGuess, CancellationToken cancel)
    {
        if (mayGuess && batch.Count > 2 * Sample)
        {
            var some = await records.ReadAsync([.. Enumerable.Range(0, Sample).Select(n => KeyOf(batch[n * (batch.Count - 1) / (Sample - 1)]))], cancel);
            if (some.All(stored => stored.Record is null))
                return null;
        }
        return await records.ReadAsync([.. batch.Select(KeyOf)], cancel);

        (string, KmIdentity) KeyOf(int i) => (keys[i].ServiceId, keys[i].Identity);
    }

    private async Task<List<int>> TryAsync(Round round, List<int> batch, IReadOnlyList<StoredKeys>? read, CancellationToken cancel)
    {
        var (keys, results, keks) = (round.Keys, round.Results, new Dictionary<string, ServiceKek>(StringComparer.Ordinal));
        var (saves, of) = (new List<KeySave>(batch.Count), new List<(int Index, Provisioned What)>(batch.Count));
        for (var b = 0; b < batch.Count; b++)
        {
            var (key, i) = (keys[batch[b]], batch[b]);
            if (records.WhyNot(key.ServiceId, key.Identity) is { } unstorable)
            {
                results[i] = unstorable;
                continue;
            }
            if (vault.IsSealed || !keks.TryGetValue(key.ServiceId, out var kek) && (kek = await KekOfAsync(key.ServiceId, keks, round.Now, cancel)) is null)
            {
                results[i] = RecordVault.SealedHere;
                continue;
            }
            var stored = read is null ? StoredKeys.None : read[b];
            if (!(stored.Versions.Count == 0 ? DecideFirst(round, key, stored, kek) : await DecideAsync(round, key, stored, kek, cancel)).Succeeded(out var decided, out var refusal))
                results[i] = refusal;
            // Also with another version than expected: what is asked for is there (RFC 9110 13.1.1), asked for by who did not hear the answer.
            else if (decided.Save is null)
                results[i] = (stored.Record!, Provisioned.Unchanged);
            else if (round.ExpectedVersion is { } expected && expected != (stored.Record?.Version ?? 0))
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
        var written = await records.SaveAsync(saves, round.EntryOf, cancel);
        for (var s = 0; s < written.Count; s++)
            if (written[s] is { } record)
                results[of[s].Index] = (record, of[s].What);
            else
                again.Add(of[s].Index);
        return again;
    }

    /// <summary>Of a record without any version there is nothing to compare with.</summary>
    private Outcome<Decision> DecideFirst(Round round, ProvisionedKey key, StoredKeys stored, ServiceKek kek) =>
        WhyNot(key, stored, round.Now) is { } refusal ? refusal : Seal(round, key, stored, kek, (stored.Record?.Latest ?? 0) + 1, key.ActivatesAt ?? 0, []);

    private async Task<Outcome<Decision>> DecideAsync(Round round, ProvisionedKey key, StoredKeys stored, ServiceKek kek, CancellationToken cancel)
    {
        var (now, name) = (round.Now, KeyRecord.Purpose(key.ServiceId, key.Identity));
        if (WhyNot(key, stored, now) is { } refusal)
            return refusal;
        var newest = NewestOf(stored.Versions, now);
        // Without an activation: what is given out now is the one to compare with.
        var same = key.ActivatesAt is { } at ? stored.Versions.Where(v => v.ActivatesAt == at).MaxBy(v => v.Number) : ActiveOf(stored.Versions, now);
        if (same is not null && await HoldsAsync(same))
            return same.ExpiresAt == key.ExpiresAt ? new Decision(null, Provisioned.Unchanged) : Seal(round, key, stored, kek, same.Number, same.ActivatesAt, []);
        if (round.IsImport)
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
        return Seal(round, key, stored, kek, (stored.Record?.Latest ?? 0) + 1, key.ActivatesAt ?? newest?.ActivatesAt ?? 0, dropped);

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
    }

    private static Refusal? WhyNot(ProvisionedKey key, StoredKeys stored, long now) =>
        stored.Record is { RemovedAt: not 0 } ? Refusal.About(RefusalCode.Conflict, "serviceId", "the key record was removed and can still be recovered: recover it first (or an operator shreds it)")
        : key.ExpiresAt != 0 && key.ExpiresAt <= (key.ActivatesAt ?? now) ? Refusal.About(RefusalCode.InvalidParameter, "expiresAt", "expiresAt is after activatesAt")
        : null;

    private Outcome<Decision> Seal(Round round, ProvisionedKey key, StoredKeys stored, ServiceKek kek, long number, long activatesAt, long[] makingRoom)
    {
        var name = KeyRecord.Purpose(key.ServiceId, key.Identity);
        if (!vault.Seal(name, number, activatesAt, key.ExpiresAt, round.Now, kek, key.Payload, round.Fresh).Succeeded(out var version, out var refusal))
            return refusal;
        var record = stored.Record is { } was
            ? was with { UpdatedAt = round.Now, Latest = Math.Max(was.Latest, number) }
            : new KeyRecord { ServiceId = key.ServiceId, Identity = key.Identity, UpdatedAt = round.Now, Latest = number };
        return new Decision(new(record, version, makingRoom), stored.Record is null ? Provisioned.Added : Provisioned.Changed);
    }

    /// <summary>The version that is given out at a time: the one that was activated last, unless it is over. What it has superseded does not come back.</summary>
    public static KeyVersion? ActiveOf(IEnumerable<KeyVersion> versions, long now) => NewestOf(versions, now) is { } newest && newest.IsActive(now) ? newest : null;

    private static KeyVersion? NewestOf(IEnumerable<KeyVersion> versions, long now) => versions.Where(v => v.ActivatesAt <= now).MaxBy(v => (v.ActivatesAt, v.Number));

    /// <summary>
    /// The newest key of a service, made when there is none or it was destroyed, and kept in <paramref name="known"/>; null while sealed, or when the roots
    /// change faster than this follows.
    /// </summary>
    private async Task<ServiceKek?> KekOfAsync(string serviceId, Dictionary<string, ServiceKek> known, long now, CancellationToken cancel)
    {
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

    /// <summary>What the decisions about many have in common.</summary>
    private sealed record Round(IReadOnlyList<ProvisionedKey> Keys, Outcome<(KeyRecord, Provisioned)>[] Results, long? ExpectedVersion, long Now,
        Func<int, AuditEntry> EntryOf, bool IsImport, FreshOctets Fresh);

    /// <param name="Save">What is written, or null when nothing is.</param>
    /// <param name="What">What that makes of the record.</param>
    private readonly record struct Decision(KeySave? Save, Provisioned What);
}
