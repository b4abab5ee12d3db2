using System.Text.Json;
using Dapper;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Keys;
using Keyreeve.Seal;
using Npgsql;

namespace Keyreeve.Storage;

/// <summary>Root keys and the keys of VAL services. Every change says in its statement what must still hold.</summary>
public sealed class SealStore(IDatabase database) : ISealStore
{
    private const string KekColumns = "service_id, version, root_version, wrapped_key, created_at, destroyed_at";

    /// <inheritdoc />
    public Task<IReadOnlyList<SealRoot>> RootsAsync(CancellationToken cancel) => database.ReadAsync<IReadOnlyList<SealRoot>>(async connection =>
        [.. (await connection.QueryAsync<RootRow>("SELECT version, method, wrapped_root, by_former, parameters, created_at FROM seal_roots ORDER BY version")).Select(row => row.ToRoot())], cancel);

    /// <inheritdoc />
    public Task<bool> AddRootAsync(SealRoot root, long current, IReadOnlyList<(long Version, byte[] Wrapped)> former, AuditEntry entry, CancellationToken cancel) => database.WriteAsync(async unit =>
    {
        if (root.Version != current + 1 || (await unit.SingleAsync<long?>("SELECT MAX(version) FROM seal_roots", new { }) ?? 0) != current)
            return false;
        await unit.ExecuteAsync("INSERT INTO seal_roots (version, method, wrapped_root, by_former, parameters, created_at) VALUES (@Version, @Method, @Wrapped, @ByFormer, @Parameters, @CreatedAt)",
            new { root.Version, Method = (long)root.Method, root.Wrapped, root.ByFormer, Parameters = JsonSerializer.Serialize(root.Parameters), root.CreatedAt });
        foreach (var (version, wrapped) in former)
            await unit.ExecuteAsync("UPDATE seal_roots SET method = @Method, wrapped_root = @Wrapped, parameters = '{}' WHERE version = @Version",
                new { Method = (long)SealMethod.NextRoot, Wrapped = wrapped, Version = version });
        unit.Audit(entry);
        return true;
    }, cancel);

    /// <inheritdoc />
    public Task<bool> RetireRootAsync(long version, AuditEntry entry, CancellationToken cancel) => database.WriteAsync(async unit =>
    {
        var removed = await unit.ExecuteAsync("""
            DELETE FROM seal_roots WHERE version = @Version AND version < (SELECT MAX(version) FROM seal_roots)
            AND NOT EXISTS (SELECT 1 FROM service_keks WHERE root_version = @Version AND destroyed_at = 0)
            """, new { Version = version }) == 1;
        if (!removed)
            return false;
        await unit.ExecuteAsync("UPDATE seal_roots SET by_former = @Empty WHERE version = @Next", new { Next = version + 1, Empty = Array.Empty<byte>() });
        unit.Audit(entry);
        return true;
    }, cancel);

    /// <inheritdoc />
    public Task<ServiceKek?> FindKekAsync(string serviceId, CancellationToken cancel) => OneAsync(
        $"SELECT {KekColumns} FROM service_keks WHERE service_id = @ServiceId ORDER BY version DESC LIMIT 1", new { ServiceId = serviceId }, serviceId, cancel);

    /// <inheritdoc />
    public Task<ServiceKek?> FindKekAsync(string serviceId, long version, CancellationToken cancel) => OneAsync(
        $"SELECT {KekColumns} FROM service_keks WHERE service_id = @ServiceId AND version = @Version", new { ServiceId = serviceId, Version = version }, serviceId, cancel);

    /// <inheritdoc />
    public Task<IReadOnlyList<ServiceKek>> KeksOfAsync(IReadOnlyCollection<string> serviceIds, CancellationToken cancel) => serviceIds.Count == 0
        ? Task.FromResult<IReadOnlyList<ServiceKek>>([])
        : database.ReadAsync<IReadOnlyList<ServiceKek>>(async connection =>
        {
            var among = connection is NpgsqlConnection ? "= ANY(@ServiceIds)" : "IN @ServiceIds";
            return [.. (await connection.QueryAsync<KekRow>($"SELECT {KekColumns} FROM service_keks WHERE service_id {among} AND destroyed_at = 0", new { ServiceIds = serviceIds.ToArray() })).Select(row => row.ToKek())];
        }, cancel);

    /// <inheritdoc />
    public Task<IReadOnlyList<ServiceKek>> KeksAsync((string ServiceId, long Version)? after, int limit, CancellationToken cancel) => ManyAsync(
        $"SELECT {KekColumns} FROM service_keks WHERE destroyed_at = 0 AND (service_id, version) > (@ServiceId, @Version) ORDER BY service_id, version LIMIT @Limit",
        new { ServiceId = after?.ServiceId ?? "", Version = after?.Version ?? 0, Limit = (long)limit }, cancel);

    /// <inheritdoc />
    public Task<IReadOnlyList<string>> RotatingAsync(int limit, CancellationToken cancel) => database.ReadAsync<IReadOnlyList<string>>(async connection =>
        [.. await connection.QueryAsync<string>("SELECT service_id FROM service_keks WHERE destroyed_at = 0 GROUP BY service_id HAVING COUNT(*) > 1 ORDER BY service_id LIMIT @Limit",
            new { Limit = (long)limit })], cancel);

    /// <inheritdoc />
    public Task<IReadOnlyList<ServiceKek>> WrappedElsewhereAsync(long root, int limit, CancellationToken cancel) => ManyAsync(
        $"SELECT {KekColumns} FROM service_keks WHERE destroyed_at = 0 AND root_version <> @Root ORDER BY service_id, version LIMIT @Limit", new { Root = root, Limit = (long)limit }, cancel);

    /// <inheritdoc />
    public Task<(long All, long Elsewhere)> CountKeksAsync(long root, CancellationToken cancel) => database.ReadAsync(async connection => (
        await connection.QuerySingleAsync<long>("SELECT COUNT(*) FROM service_keks WHERE destroyed_at = 0"),
        await connection.QuerySingleAsync<long>("SELECT COUNT(*) FROM service_keks WHERE destroyed_at = 0 AND root_version <> @Root", new { Root = root })), cancel);

    /// <inheritdoc />
    public Task<bool> AddKekAsync(ServiceKek kek, AuditEntry? entry, CancellationToken cancel) => database.WriteAsync(async unit =>
    {
        // A node that has not heard of a new root would wrap by one that is about to go.
        var added = await unit.ExecuteAsync($"""
            INSERT INTO service_keks ({KekColumns}, cleared) SELECT @ServiceId, @Version, @Root, @Wrapped, @CreatedAt, 0, 0
            WHERE @Root = (SELECT MAX(version) FROM seal_roots)
            AND @Version = (SELECT COALESCE(MAX(version), 0) + 1 FROM service_keks WHERE service_id = @ServiceId)
            """, new { kek.ServiceId, kek.Version, kek.Root, kek.Wrapped, kek.CreatedAt }) == 1;
        if (added && entry is not null)
            unit.Audit(entry);
        return added;
    }, cancel);

    /// <inheritdoc />
    public Task<int> RewrapKeksAsync(IReadOnlyList<(ServiceKek Before, ServiceKek After)> changes, CancellationToken cancel) => database.WriteAsync(async unit =>
    {
        var changed = 0;
        foreach (var (before, after) in changes)
            changed += await unit.ExecuteAsync("""
                UPDATE service_keks SET root_version = @Root, wrapped_key = @Wrapped
                WHERE service_id = @ServiceId AND version = @Version AND wrapped_key = @Before AND destroyed_at = 0 AND EXISTS (SELECT 1 FROM seal_roots WHERE version = @Root)
                """, new { after.Root, after.Wrapped, before.ServiceId, before.Version, Before = before.Wrapped });
        return changed;
    }, cancel);

    /// <inheritdoc />
    public Task<bool> RetireKekAsync(string serviceId, long version, AuditEntry entry, CancellationToken cancel) => database.WriteAsync(async unit =>
    {
        var removed = await unit.ExecuteAsync("""
            DELETE FROM service_keks WHERE service_id = @ServiceId AND version = @Version AND destroyed_at = 0
            AND version < (SELECT MAX(version) FROM service_keks WHERE service_id = @ServiceId)
            AND NOT EXISTS (SELECT 1 FROM key_versions WHERE service_id = @ServiceId AND kek_version = @Version)
            """, new { ServiceId = serviceId, Version = version }) == 1;
        if (removed)
            unit.Audit(entry);
        return removed;
    }, cancel);

    /// <inheritdoc />
    public Task<int> DestroyAsync(string serviceId, long now, AuditEntry entry, CancellationToken cancel) => database.WriteAsync(async unit =>
    {
        var values = new { ServiceId = serviceId, Now = now, Empty = Array.Empty<byte>() };
        var destroyed = await unit.ExecuteAsync("UPDATE service_keks SET wrapped_key = @Empty, destroyed_at = @Now, cleared = 0 WHERE service_id = @ServiceId AND destroyed_at = 0", values);
        // What the server's KEK still seals has no key of the service to destroy: it goes itself.
        var legacy = await unit.ExecuteAsync("DELETE FROM key_versions WHERE service_id = @ServiceId AND kek_version = 0", values)
            + await unit.ExecuteAsync("UPDATE key_records SET sealed_payload = @Empty, version = version + 1 WHERE service_id = @ServiceId AND length(sealed_payload) > 0", values);
        if (destroyed + legacy > 0)
            unit.Audit(entry);
        return destroyed + legacy;
    }, cancel);

    private Task<ServiceKek?> OneAsync(string sql, object values, string serviceId, CancellationToken cancel) => StoredText.Keeps(serviceId)
        ? database.ReadAsync(async connection => (await connection.QuerySingleOrDefaultAsync<KekRow>(sql, values))?.ToKek(), cancel)
        : Task.FromResult<ServiceKek?>(null);

    private Task<IReadOnlyList<ServiceKek>> ManyAsync(string sql, object values, CancellationToken cancel) => database.ReadAsync<IReadOnlyList<ServiceKek>>(async connection =>
        [.. (await connection.QueryAsync<KekRow>(sql, values)).Select(row => row.ToKek())], cancel);

    private sealed class RootRow
    {
        public long Version { get; init; }
        public long Method { get; init; }
        public byte[] WrappedRoot { get; init; } = [];
        public byte[] ByFormer { get; init; } = [];
        public string Parameters { get; init; } = "";
        public long CreatedAt { get; init; }

        public SealRoot ToRoot() => new()
        {
            Version = Version,
            Method = Enum.IsDefined((SealMethod)Method) ? (SealMethod)Method : throw StoredText.Broken($"{Method}"),
            Wrapped = WrappedRoot,
            ByFormer = ByFormer,
            Parameters = JsonSerializer.Deserialize<SealParameters>(Parameters) ?? throw StoredText.Broken(Parameters),
            CreatedAt = CreatedAt,
        };
    }

    private sealed class KekRow
    {
        public string ServiceId { get; init; } = "";
        public long Version { get; init; }
        public long RootVersion { get; init; }
        public byte[] WrappedKey { get; init; } = [];
        public long CreatedAt { get; init; }
        public long DestroyedAt { get; init; }

        public ServiceKek ToKek() => new() { ServiceId = ServiceId, Version = Version, Root = RootVersion, Wrapped = WrappedKey, CreatedAt = CreatedAt, DestroyedAt = DestroyedAt };
    }
}
