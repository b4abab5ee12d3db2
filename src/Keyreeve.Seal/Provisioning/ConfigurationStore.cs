using Keyreeve.Core.Audit;
using Keyreeve.Core.Refusals;
using Keyreeve.Wire.Seal;

namespace Keyreeve.Seal;

/// <summary>A configuration that a VAL server provisioned: resource "Individual VAL Services Configuration" of TS 29.549.</summary>
/// <param name="ConfigId">Names the resource; made by us.</param>
/// <param name="Config">The document; its <see cref="ValServicesConfig.ValServerId"/> is the owner.</param>
/// <param name="Version">Row version, the ETag.</param>
public sealed record StoredConfiguration(string ConfigId, ValServicesConfig Config, long Version);

/// <summary>
/// Configurations as the store keeps them. What one gives counts from the moment it is written, for every read of a user or device on
/// every node; a user who loses a VAL service by a change has the access tokens ended in its transaction.
/// </summary>
public interface IConfigurationStore
{
    /// <summary>Configurations of one VAL server. Our choice.</summary>
    const int MaxConfigurations = 500;

    /// <summary>Identities in all configurations of one VAL server. Our choice: a list of all of them is a few megabytes.</summary>
    const int MaxTargets = 50_000;

    /// <summary>The VAL server's configuration of an ID, or null; another one's is not found.</summary>
    Task<StoredConfiguration?> FindAsync(string valServerId, string configId, CancellationToken cancel);

    /// <summary>The VAL server's configurations, all or those of the IDs, in the order of their IDs.</summary>
    Task<IReadOnlyList<StoredConfiguration>> ListAsync(string valServerId, IReadOnlyList<string>? configIds, CancellationToken cancel);

    /// <summary>
    /// Adds or replaces. Conflict when the version is another, NotOwner when the VAL server does not own a service any more,
    /// TooManyConfigurations (as Conflict about "valSvcConf") when it has no room left.
    /// </summary>
    Task<Outcome<StoredConfiguration>> SaveAsync(StoredConfiguration asked, bool create, long? expectedVersion, DateTimeOffset endTokensUntil, AuditEntry entry, CancellationToken cancel);

    /// <summary>Removes what it gave, and nothing else.</summary>
    Task<Outcome<StoredConfiguration>> RemoveAsync(string valServerId, string configId, long? expectedVersion, DateTimeOffset endTokensUntil, AuditEntry entry, CancellationToken cancel);
}
