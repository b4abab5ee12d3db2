using Keyreeve.Core.Audit;
using Keyreeve.Core.Certificates;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Keys;
using Keyreeve.Core.Refusals;
using Keyreeve.Core.Snapshots;
using Keyreeve.Core.Tokens;

namespace Keyreeve.Tests.Core.Snapshots;

using Client = Keyreeve.Core.Identity.Client;

/// <summary>The stores that a snapshot reads, in memory; every change raises its topic as the real ones do in the same transaction.</summary>
internal sealed class MemoryStores : IDirectory, ISigningKeyStore, IRevocationStore, IIssuedCertificateStore, IChangeFeed
{
    private readonly Dictionary<Topic, long> _versions = [];
    private readonly List<(long Version, Revocation Row)> _revocations = [];

    public Dictionary<string, Client> Clients { get; } = [];

    public List<ValService> Services { get; } = [];

    public List<SigningKeyRow> Keys { get; } = [];

    public int RevocationsRead { get; private set; }

    /// <summary>Why the store does not answer, or null.</summary>
    public Exception? Away { get; set; }

    public int ClientReads { get; private set; }

    /// <summary>Holds a read of a client back after its row was read.</summary>
    public TaskCompletionSource? Gate { get; set; }

    /// <summary>Happens right after the counters were read.</summary>
    public Action? AfterVersions { get; set; }

    public void Save(Client client)
    {
        Clients[client.ClientId] = client;
        Raise(Topic.Clients);
    }

    public void Revoke(params ReadOnlySpan<Revocation> rows)
    {
        Raise(Topic.Revocations);
        foreach (var row in rows)
            _revocations.Add((_versions[Topic.Revocations], row));
    }

    /// <summary>The store as it was before anything happened.</summary>
    public void PutBack()
    {
        _versions.Clear();
        _revocations.Clear();
    }

    public void Raise(Topic topic) => _versions[topic] = _versions.GetValueOrDefault(topic) + 1;

    public Task<IReadOnlyDictionary<Topic, long>> ReadAsync(CancellationToken cancel)
    {
        if (Away is not null)
            return Task.FromException<IReadOnlyDictionary<Topic, long>>(Away);
        var now = new Dictionary<Topic, long>(_versions);
        AfterVersions?.Invoke();
        return Task.FromResult<IReadOnlyDictionary<Topic, long>>(now);
    }

    public async Task<Client?> FindClientAsync(string clientId, CancellationToken cancel)
    {
        ClientReads++;
        var found = Clients.GetValueOrDefault(clientId);
        if (Gate is { } gate)
            await gate.Task;
        return found;
    }

    public async Task<Client?> FindClientByCertificateAsync(string thumbprint, CancellationToken cancel)
    {
        var found = Clients.Values.FirstOrDefault(c => c.CertificateThumbprints.Contains(thumbprint));
        if (Gate is { } gate)
            await gate.Task;
        return found;
    }

    public Task<IReadOnlyList<ValService>> ListServicesAsync(CancellationToken cancel) => Task.FromResult<IReadOnlyList<ValService>>([.. Services]);

    Task<IReadOnlyList<SigningKeyRow>> ISigningKeyStore.LoadAsync(CancellationToken cancel) => Task.FromResult<IReadOnlyList<SigningKeyRow>>([.. Keys]);

    Task<IReadOnlyList<Revocation>> IRevocationStore.LoadAsync(long version, long now, CancellationToken cancel)
    {
        var rows = _revocations.Where(r => r.Version > version && r.Row.KeepUntil >= now).Select(r => r.Row).ToArray();
        RevocationsRead += rows.Length;
        return Task.FromResult<IReadOnlyList<Revocation>>(rows);
    }

    public RevokedCertificates RevokedCertificates { get; set; } = RevokedCertificates.None;

    public Task<RevokedCertificates> LoadRevokedAsync(DateTimeOffset now, CancellationToken cancel) => Task.FromResult(RevokedCertificates);

    public Task WaitAsync(TimeSpan atMost, CancellationToken cancel) => throw new NotSupportedException();

    // What a snapshot must never do: write, or read anything else.
    public Task<bool> ChangePasswordAsync(PasswordChange change, AuditEntry entry, CancellationToken cancel) => throw new NotSupportedException();
    public Task<User?> FindUserAsync(string subject, CancellationToken cancel) => throw new NotSupportedException();
    public Task<User?> FindUserByNameAsync(string username, CancellationToken cancel) => throw new NotSupportedException();
    public Task<IReadOnlyList<User>> ListUsersAsync(string? after, int limit, CancellationToken cancel) => throw new NotSupportedException();
    public Task<Outcome<User>> SaveUserAsync(User user, bool create, long? expectedVersion, AuditEntry entry, CancellationToken cancel) => throw new NotSupportedException();
    public Task<bool> RemoveUserAsync(string subject, AuditEntry entry, CancellationToken cancel) => throw new NotSupportedException();
    public Task<int> CountFailedLoginAsync(string subject, CancellationToken cancel) => throw new NotSupportedException();
    public Task LockAsync(string subject, long untilMilliseconds, AuditEntry entry, CancellationToken cancel) => throw new NotSupportedException();
    public Task ClearFailedLoginsAsync(string subject, CancellationToken cancel) => throw new NotSupportedException();
    public Task ReplacePasswordHashAsync(string subject, string oldHash, string newHash, CancellationToken cancel) => throw new NotSupportedException();
    public Task<IReadOnlyList<Client>> ListClientsAsync(string? after, int limit, CancellationToken cancel) => throw new NotSupportedException();
    public Task<Outcome<Client>> SaveClientAsync(Client client, bool create, long? expectedVersion, AuditEntry entry, CancellationToken cancel) => throw new NotSupportedException();
    public Task<bool> RemoveClientAsync(string clientId, AuditEntry entry, CancellationToken cancel) => throw new NotSupportedException();
    public Task<Outcome<ValService>> SaveServiceAsync(ValService service, bool create, long? expectedVersion, AuditEntry entry, CancellationToken cancel) => throw new NotSupportedException();
    public Task<IReadOnlyList<Client>> FindClientsByTlsNameAsync(RegisteredName name, CancellationToken cancel) => throw new NotSupportedException();
    public Task<IssuedCertificate?> FindAsync(string serial, CancellationToken cancel) => throw new NotSupportedException();
    public Task<IReadOnlyList<IssuedCertificate>> ListAsync(string? clientId, string? after, int limit, CancellationToken cancel) => throw new NotSupportedException();
    public Task<IReadOnlyList<IssuedCertificate>> ListOfNobodyAsync(long endsAfter, string? after, int limit, CancellationToken cancel) => throw new NotSupportedException();
    public Task<IReadOnlyList<IssuedCertificate>> EndingAsync(long from, long until, int limit, CancellationToken cancel) => throw new NotSupportedException();
    public Task<Outcome<IssuedCertificate>> AddAsync(IssuedCertificate certificate, string? replaces, AuditEntry entry, CancellationToken cancel) => throw new NotSupportedException();
    public Task<Outcome<IssuedCertificate>> RevokeAsync(string serial, System.Security.Cryptography.X509Certificates.X509RevocationReason reason, DateTimeOffset at, BuildRevocationList build, AuditEntry entry, CancellationToken cancel) => throw new NotSupportedException();
    public Task<bool> RenewListAsync(CaRole authority, DateTimeOffset madeBefore, DateTimeOffset now, BuildRevocationList build, AuditEntry entry, CancellationToken cancel) => throw new NotSupportedException();
    public Task<IReadOnlyList<Client>> FindClientsByAudienceAsync(string audience, CancellationToken cancel) => throw new NotSupportedException();
    public Task<IReadOnlyList<TrustedIssuer>> ListIssuersAsync(CancellationToken cancel) => Task.FromResult<IReadOnlyList<TrustedIssuer>>([]);
    public Task<Outcome<TrustedIssuer>> SaveIssuerAsync(TrustedIssuer issuer, bool create, long? expectedVersion, AuditEntry entry, CancellationToken cancel) => throw new NotSupportedException();
    public Task<bool> RemoveIssuerAsync(string issuer, AuditEntry entry, CancellationToken cancel) => throw new NotSupportedException();
    public Task<bool> RemoveServiceAsync(string serviceId, AuditEntry entry, CancellationToken cancel) => throw new NotSupportedException();
    public Task<Device?> FindDeviceAsync(string valUeId, CancellationToken cancel) => throw new NotSupportedException();
    public Task<IReadOnlyList<Device>> ListDevicesAsync(string? after, int limit, CancellationToken cancel) => throw new NotSupportedException();
    public Task<Outcome<Device>> SaveDeviceAsync(Device device, bool create, long? expectedVersion, AuditEntry entry, CancellationToken cancel) => throw new NotSupportedException();
    public Task<bool> RemoveDeviceAsync(string valUeId, AuditEntry entry, CancellationToken cancel) => throw new NotSupportedException();
    public Task<bool> AddAsync(SigningKeyRow key, AuditEntry entry, CancellationToken cancel) => throw new NotSupportedException();
    public Task SetExpiryAsync(string keyId, long expiresAt, CancellationToken cancel) => throw new NotSupportedException();
    public Task<bool> RevokeAsync(string keyId, AuditEntry entry, CancellationToken cancel) => throw new NotSupportedException();
    public Task<int> DeleteExpiredAsync(long now, CancellationToken cancel) => throw new NotSupportedException();
    public Task AddAsync(IReadOnlyList<Revocation> entries, AuditEntry entry, CancellationToken cancel) => throw new NotSupportedException();
    public Task<int> DeleteExpiredAsync(long now, int limit, CancellationToken cancel) => throw new NotSupportedException();
}
