using Keyreeve.Core.Audit;
using Keyreeve.Core.Certificates;
using Keyreeve.Core.Refusals;

namespace Keyreeve.Core.Identity;

/// <summary>
/// Users, VAL services, devices and clients as the store keeps them. Every change carries its audit entry and is written in one
/// transaction with it. <c>expectedVersion</c> is the version the caller read; null skips the check; a mismatch is a Conflict.
/// </summary>
public interface IDirectory
{
    /// <summary>The user of a subject, or null.</summary>
    Task<User?> FindUserAsync(string subject, CancellationToken cancel);

    /// <summary>The user of a name as typed, or null.</summary>
    Task<User?> FindUserByNameAsync(string username, CancellationToken cancel);

    /// <summary>Users in the order of their subject, after the cursor.</summary>
    Task<IReadOnlyList<User>> ListUsersAsync(string? after, int limit, CancellationToken cancel);

    /// <summary>Adds or replaces; a taken name is a Conflict.</summary>
    Task<Outcome<User>> SaveUserAsync(User user, bool create, long? expectedVersion, AuditEntry entry, CancellationToken cancel);

    /// <summary>Removes a user, keeping the subject as a tombstone; sessions, families and consents go with it.</summary>
    Task<bool> RemoveUserAsync(string subject, AuditEntry entry, CancellationToken cancel);

    /// <summary>Counts one failed login at once (no read-modify-write: parallel guesses all count) and returns the new count.</summary>
    Task<int> CountFailedLoginAsync(string subject, CancellationToken cancel);

    /// <summary>Locks the account until the given Unix milliseconds and starts counting anew.</summary>
    Task LockAsync(string subject, long untilMilliseconds, AuditEntry entry, CancellationToken cancel);

    /// <summary>Clears failures after a success.</summary>
    Task ClearFailedLoginsAsync(string subject, CancellationToken cancel);

    /// <summary>Replaces the password hash only (rehash on login with newer settings), if it still is the old one.</summary>
    Task ReplacePasswordHashAsync(string subject, string oldHash, string newHash, CancellationToken cancel);

    /// <summary>
    /// A user's own change of the password, if the security stamp still is the one that was read: the session <see cref="PasswordChange.Keep"/>
    /// goes on, all others end, and with a revocation the refresh families end too. False, and nothing is written, when it is not.
    /// </summary>
    Task<bool> ChangePasswordAsync(PasswordChange change, AuditEntry entry, CancellationToken cancel);

    /// <summary>The client of an identifier, or null.</summary>
    Task<Client?> FindClientAsync(string clientId, CancellationToken cancel);

    /// <summary>The client that a certificate (SHA-256 thumbprint, lower-case hex) is registered for, or null.</summary>
    Task<Client?> FindClientByCertificateAsync(string thumbprint, CancellationToken cancel);

    /// <summary>The clients whose certificate holds a name, in the order of their identifier. DNS names are compared without case.</summary>
    Task<IReadOnlyList<Client>> FindClientsByTlsNameAsync(RegisteredName name, CancellationToken cancel);

    /// <summary>The clients registered as the resource server of an audience, in the order of their identifier.</summary>
    Task<IReadOnlyList<Client>> FindClientsByAudienceAsync(string audience, CancellationToken cancel);

    /// <summary>Clients in the order of their identifier, after the cursor.</summary>
    Task<IReadOnlyList<Client>> ListClientsAsync(string? after, int limit, CancellationToken cancel);

    /// <summary>Adds or replaces; the client cache of every node learns of it.</summary>
    Task<Outcome<Client>> SaveClientAsync(Client client, bool create, long? expectedVersion, AuditEntry entry, CancellationToken cancel);

    /// <summary>Removes a client with its codes, families and consents.</summary>
    Task<bool> RemoveClientAsync(string clientId, AuditEntry entry, CancellationToken cancel);

    /// <summary>All VAL services, ordinal order.</summary>
    Task<IReadOnlyList<ValService>> ListServicesAsync(CancellationToken cancel);

    /// <summary>Adds or replaces.</summary>
    Task<Outcome<ValService>> SaveServiceAsync(ValService service, bool create, long? expectedVersion, AuditEntry entry, CancellationToken cancel);

    /// <summary>Removes a VAL service and its mappings.</summary>
    Task<bool> RemoveServiceAsync(string serviceId, AuditEntry entry, CancellationToken cancel);

    /// <summary>All trusted issuers, ordinal order.</summary>
    Task<IReadOnlyList<TrustedIssuer>> ListIssuersAsync(CancellationToken cancel);

    /// <summary>Adds or replaces.</summary>
    Task<Outcome<TrustedIssuer>> SaveIssuerAsync(TrustedIssuer issuer, bool create, long? expectedVersion, AuditEntry entry, CancellationToken cancel);

    /// <summary>Removes a trusted issuer.</summary>
    Task<bool> RemoveIssuerAsync(string issuer, AuditEntry entry, CancellationToken cancel);

    /// <summary>The device of a VAL UE ID, or null.</summary>
    Task<Device?> FindDeviceAsync(string valUeId, CancellationToken cancel);

    /// <summary>Devices in the order of their VAL UE ID, after the cursor.</summary>
    Task<IReadOnlyList<Device>> ListDevicesAsync(string? after, int limit, CancellationToken cancel);

    /// <summary>Adds or replaces.</summary>
    Task<Outcome<Device>> SaveDeviceAsync(Device device, bool create, long? expectedVersion, AuditEntry entry, CancellationToken cancel);

    /// <summary>Removes a device.</summary>
    Task<bool> RemoveDeviceAsync(string valUeId, AuditEntry entry, CancellationToken cancel);
}

/// <summary>A user's own change of the password.</summary>
/// <param name="Subject">Whose.</param>
/// <param name="OldStamp">The security stamp as it was read.</param>
/// <param name="NewHash">The hash of the new password.</param>
/// <param name="NewStamp">The new stamp.</param>
/// <param name="Keep">The hash of the session that goes on, or null.</param>
/// <param name="EndGrants">Ends refresh families, and the access tokens that it covers; null leaves them.</param>
public sealed record PasswordChange(string Subject, string OldStamp, string NewHash, string NewStamp, byte[]? Keep, Tokens.Revocation? EndGrants);
