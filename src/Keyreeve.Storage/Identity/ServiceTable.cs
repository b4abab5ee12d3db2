using Dapper;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Refusals;
using Keyreeve.Core.Snapshots;

namespace Keyreeve.Storage;

/// <summary>VAL services.</summary>
internal sealed class ServiceTable(IDatabase database)
{
    public Task<IReadOnlyList<ValService>> ListAsync(CancellationToken cancel) => database.ReadAsync<IReadOnlyList<ValService>>(async connection =>
        [.. (await connection.QueryAsync<Row>("SELECT service_id, name, audience, acr_values, key_failures_uri, version FROM val_services")).Select(row => row.ToService())
            .OrderBy(service => service.ServiceId, StringComparer.Ordinal)], cancel);

    public Task<Outcome<ValService>> SaveAsync(ValService service, bool create, long? expectedVersion, AuditEntry entry, CancellationToken cancel) =>
        database.WriteAsync<Outcome<ValService>>(async unit =>
        {
            if (StoredText.Refuse("serviceId", service.ServiceId) is { } unstorable)
                return unstorable;
            var stored = await unit.SingleAsync<long?>("SELECT version FROM val_services WHERE service_id = @ServiceId", new { service.ServiceId });
            if (RowVersion.Refuse("VAL service", stored, create, expectedVersion) is { } refusal)
                return refusal;
            var saved = service with { Version = (stored ?? 0) + 1 };
            await unit.ExecuteAsync(stored is null
                ? "INSERT INTO val_services (service_id, name, audience, acr_values, key_failures_uri, version) VALUES (@ServiceId, @Name, @Audience, @AcrValues, @KeyFailuresUri, @Version)"
                : "UPDATE val_services SET name = @Name, audience = @Audience, acr_values = @AcrValues, key_failures_uri = @KeyFailuresUri, version = @Version WHERE service_id = @ServiceId",
                new { saved.ServiceId, saved.Name, saved.Audience, AcrValues = StoredText.WriteList(saved.AcrValues), saved.KeyFailuresUri, saved.Version });
            unit.Audit(entry);
            unit.Bump(Topic.Services);
            return saved;
        }, cancel);

    /// <summary>Users and devices that lose a mapping were changed: their versions say so.</summary>
    public Task<bool> RemoveAsync(string serviceId, AuditEntry entry, CancellationToken cancel) => database.WriteAsync(async unit =>
    {
        var row = new { ServiceId = serviceId };
        if (await unit.ExecuteAsync("DELETE FROM val_services WHERE service_id = @ServiceId", row) == 0)
            return false;
        await unit.ExecuteAsync("UPDATE users SET version = version + 1 WHERE subject IN (SELECT subject FROM user_services WHERE service_id = @ServiceId)", row);
        await unit.ExecuteAsync("DELETE FROM user_services WHERE service_id = @ServiceId", row);
        await unit.ExecuteAsync("UPDATE devices SET version = version + 1 WHERE val_ue_id IN (SELECT val_ue_id FROM device_services WHERE service_id = @ServiceId)", row);
        await unit.ExecuteAsync("DELETE FROM device_services WHERE service_id = @ServiceId", row);
        await ProvisionedIds.ForgetServiceAsync(unit, serviceId);
        await unit.ExecuteAsync("DELETE FROM val_profiles WHERE service_id = @ServiceId", row);
        unit.Audit(entry);
        unit.Bump(Topic.Services);
        return true;
    }, cancel);

    private sealed class Row
    {
        public string ServiceId { get; init; } = "";
        public string Name { get; init; } = "";
        public string Audience { get; init; } = "";
        public string AcrValues { get; init; } = "";
        public string? KeyFailuresUri { get; init; }
        public long Version { get; init; }

        public ValService ToService() => new() { ServiceId = ServiceId, Name = Name, Audience = Audience, AcrValues = StoredText.ReadList(AcrValues), KeyFailuresUri = KeyFailuresUri, Version = Version };
    }
}
