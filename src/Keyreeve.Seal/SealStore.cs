using Keyreeve.Core.Audit;
using Keyreeve.Core.Keys;

namespace Keyreeve.Seal;

/// <summary>A key of a VAL service as the store keeps it: it wraps the data keys of the service's records, and the root wraps it.</summary>
public sealed record ServiceKek
{
    /// <summary>VAL service ID.</summary>
    public required string ServiceId { get; init; }

    /// <summary>From 1; the highest wraps what is new. A number is never used twice.</summary>
    public required long Version { get; init; }

    /// <summary>Version of the root that wraps it.</summary>
    public required long Root { get; init; }

    /// <summary>The key, wrapped; empty when it was destroyed.</summary>
    public required byte[] Wrapped { get; init; }

    /// <summary>Unix seconds.</summary>
    public required long CreatedAt { get; init; }

    /// <summary>Unix seconds of its destruction, or 0.</summary>
    public long DestroyedAt { get; init; }

    /// <summary>What it is wrapped for: lengths first.</summary>
    public static string PurposeOf(string serviceId, long version) =>
        string.Create(System.Globalization.CultureInfo.InvariantCulture, $"service_keks/{serviceId.Length}:{serviceId}/{version}");
}

/// <summary>Root keys and the keys of VAL services, as the store keeps them.</summary>
public interface ISealStore
{
    /// <summary>All roots, by version.</summary>
    Task<IReadOnlyList<SealRoot>> RootsAsync(CancellationToken cancel);

    /// <summary>
    /// Adds a root; the former ones become sealed by it. False, and nothing is done, when <paramref name="current"/> is not the newest any more.
    /// </summary>
    Task<bool> AddRootAsync(SealRoot root, long current, IReadOnlyList<(long Version, byte[] Wrapped)> former, AuditEntry entry, CancellationToken cancel);

    /// <summary>Deletes a former root that wraps no key any more; false when it still does.</summary>
    Task<bool> RetireRootAsync(long version, AuditEntry entry, CancellationToken cancel);

    /// <summary>The newest key of a service, also a destroyed one; null when it never had one.</summary>
    Task<ServiceKek?> FindKekAsync(string serviceId, CancellationToken cancel);

    /// <summary>One key of a service, or null.</summary>
    Task<ServiceKek?> FindKekAsync(string serviceId, long version, CancellationToken cancel);

    /// <summary>The keys of services that were not destroyed.</summary>
    Task<IReadOnlyList<ServiceKek>> KeksOfAsync(IReadOnlyCollection<string> serviceIds, CancellationToken cancel);

    /// <summary>Keys that are not destroyed, in the order of (service, version), after a given one.</summary>
    Task<IReadOnlyList<ServiceKek>> KeksAsync((string ServiceId, long Version)? after, int limit, CancellationToken cancel);

    /// <summary>Services with more than one key that is not destroyed: a rotation that is not finished.</summary>
    Task<IReadOnlyList<string>> RotatingAsync(int limit, CancellationToken cancel);

    /// <summary>Keys that another root than <paramref name="root"/> wraps.</summary>
    Task<IReadOnlyList<ServiceKek>> WrappedElsewhereAsync(long root, int limit, CancellationToken cancel);

    /// <summary>How many keys there are that are not destroyed, and how many of them another root than <paramref name="root"/> wraps.</summary>
    Task<(long All, long Elsewhere)> CountKeksAsync(long root, CancellationToken cancel);

    /// <summary>Adds a key when the one before it is still the newest and the root that wraps it too; false when not.</summary>
    Task<bool> AddKekAsync(ServiceKek kek, AuditEntry? entry, CancellationToken cancel);

    /// <summary>Puts keys wrapped by another root in the place of those that were read, where these still stand; returns how many.</summary>
    Task<int> RewrapKeksAsync(IReadOnlyList<(ServiceKek Before, ServiceKek After)> changes, CancellationToken cancel);

    /// <summary>Destroys a former key of a service that wraps nothing any more; false when it still does.</summary>
    Task<bool> RetireKekAsync(string serviceId, long version, AuditEntry entry, CancellationToken cancel);

    /// <summary>Destroys every key of a service, and what of it the release before has sealed. Returns how many keys it were.</summary>
    Task<int> DestroyAsync(string serviceId, long now, AuditEntry entry, CancellationToken cancel);
}
