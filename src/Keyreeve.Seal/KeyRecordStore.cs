using Keyreeve.Core.Audit;
using Keyreeve.Core.Refusals;
using Keyreeve.Wire.Seal;

namespace Keyreeve.Seal;

/// <summary>A key management record: its key is the tagged union of TS 33.434 5.3.2, its payload is opaque and sealed.</summary>
[Spec("TS 33.434", "5.3.2")]
public sealed record KeyRecord
{
    /// <summary>VAL service ID.</summary>
    public required string ServiceId { get; init; }

    /// <summary>The identity beside it.</summary>
    public required KmIdentity Identity { get; init; }

    /// <summary>The payload, sealed for <see cref="Purpose"/>.</summary>
    public required byte[] SealedPayload { get; init; }

    /// <summary>Unix seconds of the last change.</summary>
    public required long UpdatedAt { get; init; }

    /// <summary>Row version, the ETag of the admin API.</summary>
    public long Version { get; init; }

    /// <summary>What the payload is sealed for: lengths first, so that no two keys write alike, and a swapped row does not open.</summary>
    public static string Purpose(string serviceId, KmIdentity identity) =>
        string.Create(System.Globalization.CultureInfo.InvariantCulture, $"key_records/{serviceId.Length}:{serviceId}/{(int)identity.Kind}/{identity.Value.Length}:{identity.Value}");
}

/// <summary>Key management records as the store keeps them. Matches are exact and ordinal; there is no fallback to a more general record.</summary>
public interface IKeyRecordStore
{
    /// <summary>The record of a key, or null.</summary>
    Task<KeyRecord?> FindAsync(string serviceId, KmIdentity identity, CancellationToken cancel);

    /// <summary>Records in the order of (service, kind, identity), after the given one.</summary>
    Task<IReadOnlyList<KeyRecord>> ListAsync(string? serviceId, (string ServiceId, KmIdentity Identity)? after, int limit, CancellationToken cancel);

    /// <summary>Adds or replaces; with an expected version a mismatch is a Conflict.</summary>
    Task<Outcome<KeyRecord>> SaveAsync(KeyRecord record, long? expectedVersion, AuditEntry entry, CancellationToken cancel);

    /// <summary>Adds or replaces many in one transaction.</summary>
    Task SaveManyAsync(IReadOnlyList<KeyRecord> records, AuditEntry entry, CancellationToken cancel);

    /// <summary>Removes a record.</summary>
    Task<bool> RemoveAsync(string serviceId, KmIdentity identity, AuditEntry entry, CancellationToken cancel);
}
