using Dapper;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Refusals;

namespace Keyreeve.Storage;

/// <summary>VAL UEs and their VAL services.</summary>
internal sealed class DeviceTable(IDatabase database)
{
    /// <summary>As for users: one row for each VAL service, of operators and of VAL servers.</summary>
    private static string WithServices(string which) => $"""
        WITH d AS (SELECT val_ue_id, version FROM devices WHERE {which})
        SELECT d.val_ue_id, d.version, s.service_id, 0 AS provisioned FROM d LEFT JOIN device_services s ON s.val_ue_id = d.val_ue_id
        UNION ALL
        SELECT d.val_ue_id, d.version, i.service_id, 1 AS provisioned FROM d JOIN val_configuration_ids i ON i.identity_kind = {ProvisionedIds.OfDevices} AND i.identity_value = d.val_ue_id
        ORDER BY val_ue_id
        """;

    public Task<Device?> FindAsync(string valUeId, CancellationToken cancel) => !StoredText.Keeps(valUeId)
        ? Task.FromResult<Device?>(null)
        : database.ReadAsync(async connection => ToDevices(await connection.QueryAsync<Row>(WithServices("val_ue_id = @ValUeId"), new { ValUeId = valUeId })).FirstOrDefault(), cancel);

    public Task<IReadOnlyList<Device>> ListAsync(string? after, int limit, CancellationToken cancel) =>
        database.ReadAsync<IReadOnlyList<Device>>(async connection => ToDevices(await connection.QueryAsync<Row>(WithServices("val_ue_id > @After ORDER BY val_ue_id LIMIT @Limit"), new { After = after ?? "", Limit = (long)limit })), cancel);

    public Task<Outcome<Device>> SaveAsync(Device device, bool create, long? expectedVersion, AuditEntry entry, CancellationToken cancel) =>
        database.WriteAsync<Outcome<Device>>(async unit =>
        {
            if (StoredText.Refuse("valUeId", device.ValUeId) is { } unstorable)
                return unstorable;
            var stored = await unit.SingleAsync<long?>("SELECT version FROM devices WHERE val_ue_id = @ValUeId", new { device.ValUeId });
            if (RowVersion.Refuse("device", stored, create, expectedVersion) is { } refusal)
                return refusal;
            var services = StoredText.InOrder(device.ValServiceIds);
            var row = new { device.ValUeId, Version = (stored ?? 0) + 1 };
            await unit.ExecuteAsync(stored is null
                ? "INSERT INTO devices (val_ue_id, version) VALUES (@ValUeId, @Version)"
                : "UPDATE devices SET version = @Version WHERE val_ue_id = @ValUeId", row);
            await unit.ExecuteAsync("DELETE FROM device_services WHERE val_ue_id = @ValUeId", row);
            await unit.ExecuteAsync("INSERT INTO device_services (val_ue_id, service_id) VALUES (@ValUeId, @ServiceId)",
                services.Select(service => new { device.ValUeId, ServiceId = service }));
            unit.Audit(entry);
            var provisioned = await unit.QueryAsync<string>($"SELECT service_id FROM val_configuration_ids WHERE identity_kind = {ProvisionedIds.OfDevices} AND identity_value = @ValUeId", row);
            return device with { Version = row.Version, ValServiceIds = services, ProvisionedServiceIds = StoredText.InOrder(provisioned) };
        }, cancel);

    /// <summary>The mappings go with the row (ON DELETE CASCADE).</summary>
    public Task<bool> RemoveAsync(string valUeId, AuditEntry entry, CancellationToken cancel) => database.WriteAsync(async unit =>
    {
        if (await unit.ExecuteAsync("DELETE FROM devices WHERE val_ue_id = @ValUeId", new { ValUeId = valUeId }) == 0)
            return false;
        unit.Audit(entry);
        return true;
    }, cancel);

    private static List<Device> ToDevices(IEnumerable<Row> rows) => [.. rows.GroupBy(row => row.ValUeId, StringComparer.Ordinal).Select(same => new Device
    {
        ValUeId = same.Key,
        ValServiceIds = StoredText.InOrder(same.Where(row => row.Provisioned == 0).Select(row => row.ServiceId).OfType<string>()),
        ProvisionedServiceIds = StoredText.InOrder(same.Where(row => row.Provisioned != 0).Select(row => row.ServiceId).OfType<string>()),
        Version = same.First().Version,
    })];

    private sealed class Row
    {
        public string ValUeId { get; init; } = "";
        public long Version { get; init; }
        public string? ServiceId { get; init; }
        public long Provisioned { get; init; }
    }
}
