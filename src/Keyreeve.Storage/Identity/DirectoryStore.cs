using Keyreeve.Core.Audit;
using Keyreeve.Core.Certificates;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Refusals;

namespace Keyreeve.Storage;

/// <summary>Users, clients, VAL services, devices and trusted issuers; one class each does the work.</summary>
public sealed class DirectoryStore(IDatabase database, OutboxStore outbox) : IDirectory
{
    private readonly UserTable _users = new(database, outbox);
    private readonly ClientTable _clients = new(database, outbox);
    private readonly ServiceTable _services = new(database);
    private readonly DeviceTable _devices = new(database);
    private readonly IssuerTable _issuers = new(database);

    /// <inheritdoc />
    public Task<User?> FindUserAsync(string subject, CancellationToken cancel) => _users.FindAsync(subject, cancel);

    /// <inheritdoc />
    public Task<User?> FindUserByNameAsync(string username, CancellationToken cancel) => _users.FindByNameAsync(username, cancel);

    /// <inheritdoc />
    public Task<IReadOnlyList<User>> ListUsersAsync(string? after, int limit, CancellationToken cancel) => _users.ListAsync(after, limit, cancel);

    /// <inheritdoc />
    public Task<Outcome<User>> SaveUserAsync(User user, bool create, long? expectedVersion, AuditEntry entry, CancellationToken cancel) =>
        _users.SaveAsync(user, create, expectedVersion, entry, cancel);

    /// <inheritdoc />
    public Task<bool> RemoveUserAsync(string subject, AuditEntry entry, CancellationToken cancel) => _users.RemoveAsync(subject, entry, cancel);

    /// <inheritdoc />
    public Task<int> CountFailedLoginAsync(string subject, CancellationToken cancel) => _users.CountFailedLoginAsync(subject, cancel);

    /// <inheritdoc />
    public Task LockAsync(string subject, long untilMilliseconds, AuditEntry entry, CancellationToken cancel) =>
        _users.LockAsync(subject, untilMilliseconds, entry, cancel);

    /// <inheritdoc />
    public Task ClearFailedLoginsAsync(string subject, CancellationToken cancel) => _users.ClearFailedLoginsAsync(subject, cancel);

    /// <inheritdoc />
    public Task ReplacePasswordHashAsync(string subject, string oldHash, string newHash, CancellationToken cancel) =>
        _users.ReplacePasswordHashAsync(subject, oldHash, newHash, cancel);

    /// <inheritdoc />
    public Task<bool> ChangePasswordAsync(PasswordChange change, AuditEntry entry, CancellationToken cancel) => _users.ChangePasswordAsync(change, entry, cancel);

    /// <inheritdoc />
    public Task<Client?> FindClientAsync(string clientId, CancellationToken cancel) => _clients.FindAsync(clientId, cancel);

    /// <inheritdoc />
    public Task<Client?> FindClientByCertificateAsync(string thumbprint, CancellationToken cancel) => _clients.FindByCertificateAsync(thumbprint, cancel);

    /// <inheritdoc />
    public Task<IReadOnlyList<Client>> FindClientsByTlsNameAsync(RegisteredName name, CancellationToken cancel) => _clients.FindByTlsNameAsync(name, cancel);

    /// <inheritdoc />
    public Task<IReadOnlyList<Client>> FindClientsByAudienceAsync(string audience, CancellationToken cancel) => _clients.FindByAudienceAsync(audience, cancel);

    /// <inheritdoc />
    public Task<IReadOnlyList<Client>> ListClientsAsync(string? after, int limit, CancellationToken cancel) => _clients.ListAsync(after, limit, cancel);

    /// <inheritdoc />
    public Task<Outcome<Client>> SaveClientAsync(Client client, bool create, long? expectedVersion, AuditEntry entry, CancellationToken cancel) =>
        _clients.SaveAsync(client, create, expectedVersion, entry, cancel);

    /// <inheritdoc />
    public Task<bool> RemoveClientAsync(string clientId, AuditEntry entry, CancellationToken cancel) => _clients.RemoveAsync(clientId, entry, cancel);

    /// <inheritdoc />
    public Task<IReadOnlyList<ValService>> ListServicesAsync(CancellationToken cancel) => _services.ListAsync(cancel);

    /// <inheritdoc />
    public Task<Outcome<ValService>> SaveServiceAsync(ValService service, bool create, long? expectedVersion, AuditEntry entry, CancellationToken cancel) =>
        _services.SaveAsync(service, create, expectedVersion, entry, cancel);

    /// <inheritdoc />
    public Task<bool> RemoveServiceAsync(string serviceId, AuditEntry entry, CancellationToken cancel) => _services.RemoveAsync(serviceId, entry, cancel);

    /// <inheritdoc />
    public Task<IReadOnlyList<TrustedIssuer>> ListIssuersAsync(CancellationToken cancel) => _issuers.ListAsync(cancel);

    /// <inheritdoc />
    public Task<Outcome<TrustedIssuer>> SaveIssuerAsync(TrustedIssuer issuer, bool create, long? expectedVersion, AuditEntry entry, CancellationToken cancel) =>
        _issuers.SaveAsync(issuer, create, expectedVersion, entry, cancel);

    /// <inheritdoc />
    public Task<bool> RemoveIssuerAsync(string issuer, AuditEntry entry, CancellationToken cancel) => _issuers.RemoveAsync(issuer, entry, cancel);

    /// <inheritdoc />
    public Task<Device?> FindDeviceAsync(string valUeId, CancellationToken cancel) => _devices.FindAsync(valUeId, cancel);

    /// <inheritdoc />
    public Task<IReadOnlyList<Device>> ListDevicesAsync(string? after, int limit, CancellationToken cancel) => _devices.ListAsync(after, limit, cancel);

    /// <inheritdoc />
    public Task<Outcome<Device>> SaveDeviceAsync(Device device, bool create, long? expectedVersion, AuditEntry entry, CancellationToken cancel) =>
        _devices.SaveAsync(device, create, expectedVersion, entry, cancel);

    /// <inheritdoc />
    public Task<bool> RemoveDeviceAsync(string valUeId, AuditEntry entry, CancellationToken cancel) => _devices.RemoveAsync(valUeId, entry, cancel);
}
