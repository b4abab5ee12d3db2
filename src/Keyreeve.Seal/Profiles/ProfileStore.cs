using System.Globalization;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Refusals;
using Keyreeve.Wire.Seal;

namespace Keyreeve.Seal;

/// <summary>
/// The profile of a VAL user or VAL UE in one VAL service: an opaque JSON document, sealed. It may hold what only the user, the VAL
/// server and the operator should read.
/// </summary>
[Spec("TS 33.434", "4.1")]
public sealed record ValProfile
{
    /// <summary>Octets of a document. Our choice: a page of settings is a few kilobytes.</summary>
    public const int MaxDocument = 64 * 1024;

    /// <summary>VAL service ID.</summary>
    public required string ServiceId { get; init; }

    /// <summary>A VAL user (kind User) or VAL UE (kind Device).</summary>
    public required KmIdentity Target { get; init; }

    /// <summary>The document, sealed for <see cref="Purpose"/>.</summary>
    public required byte[] SealedDocument { get; init; }

    /// <summary>Unix seconds of the last change.</summary>
    public required long UpdatedAt { get; init; }

    /// <summary>Row version, the ETag of the admin API.</summary>
    public long Version { get; init; }

    /// <summary>What the document is sealed for: lengths first, so that no two keys write alike, and a swapped row does not open.</summary>
    public static string Purpose(string serviceId, KmIdentity target) =>
        string.Create(CultureInfo.InvariantCulture, $"val_profiles/{serviceId.Length}:{serviceId}/{(int)target.Kind}/{target.Value.Length}:{target.Value}");
}

/// <summary>VAL profiles as the store keeps them. Matches are exact and ordinal.</summary>
public interface IProfileStore
{
    /// <summary>The profile of a key, or null.</summary>
    Task<ValProfile?> FindAsync(string serviceId, KmIdentity target, CancellationToken cancel);

    /// <summary>All profiles of a VAL user or VAL UE, in the order of their VAL services.</summary>
    Task<IReadOnlyList<ValProfile>> OfAsync(KmIdentity target, CancellationToken cancel);

    /// <summary>Profiles in the order of (service, kind, identity), after the given one.</summary>
    Task<IReadOnlyList<ValProfile>> ListAsync(string? serviceId, (string ServiceId, KmIdentity Target)? after, int limit, CancellationToken cancel);

    /// <summary>Adds or replaces; with an expected version (0: must not be there) a mismatch is a Conflict.</summary>
    Task<Outcome<ValProfile>> SaveAsync(ValProfile profile, long? expectedVersion, AuditEntry entry, CancellationToken cancel);

    /// <summary>Removes a profile.</summary>
    Task<bool> RemoveAsync(string serviceId, KmIdentity target, AuditEntry entry, CancellationToken cancel);
}
