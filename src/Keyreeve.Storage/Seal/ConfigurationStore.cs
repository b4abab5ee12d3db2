using Dapper;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Refusals;
using Keyreeve.Seal;
using Keyreeve.Wire.Seal;

namespace Keyreeve.Storage;

/// <summary>What VAL servers provisioned. The document is not stored beside its rows: it is made of them, so that the two never say different things.</summary>
public sealed class ConfigurationStore(IDatabase database, OutboxStore outbox) : IConfigurationStore
{
    private const string Joined = """
        SELECT c.config_id, c.client_id, c.supp_feat, c.version, i.service_id, i.identity_kind, i.identity_value
        FROM val_configurations c JOIN val_configuration_ids i ON i.config_id = c.config_id
        """;

    /// <inheritdoc />
    public Task<StoredConfiguration?> FindAsync(string valServerId, string configId, CancellationToken cancel) => !StoredText.Keeps(configId)
        ? Task.FromResult<StoredConfiguration?>(null)
        : database.ReadAsync(async connection => ToConfigurations(await connection.QueryAsync<Row>(
            $"{Joined} WHERE c.client_id = @ClientId AND c.config_id = @ConfigId ORDER BY i.place", new { ClientId = valServerId, ConfigId = configId })).FirstOrDefault(), cancel);

    /// <inheritdoc />
    public async Task<IReadOnlyList<StoredConfiguration>> ListAsync(string valServerId, IReadOnlyList<string>? configIds, CancellationToken cancel)
    {
        if (configIds is null)
            return await database.ReadAsync(async connection => ToConfigurations(await connection.QueryAsync<Row>(
                $"{Joined} WHERE c.client_id = @ClientId ORDER BY c.config_id, i.place", new { ClientId = valServerId })), cancel);
        var found = new List<StoredConfiguration>();
        foreach (var id in configIds.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal))
            if (await FindAsync(valServerId, id, cancel) is { } one)
                found.Add(one);
        return found;
    }

    /// <inheritdoc />
    public async Task<Outcome<StoredConfiguration>> SaveAsync(StoredConfiguration asked, bool create, long? expectedVersion, DateTimeOffset endTokensUntil, AuditEntry entry, CancellationToken cancel)
    {
        var outcome = await database.WriteAsync<Outcome<StoredConfiguration>>(async unit =>
        {
            var (config, clientId) = (asked.Config, asked.Config.ValServerId);
            var targets = config.Services.SelectMany(s => s.Targets).ToList();
            if (targets.Select(t => StoredText.Refuse("valSvcConf", t.Value)).FirstOrDefault(r => r is not null) is { } unstorable)
                return unstorable;
            // Asked once more, where nobody else writes: what an operator took away a moment ago cannot be given any more.
            var owned = await unit.SingleAsync<string>("SELECT owned_services FROM clients WHERE client_id = @ClientId AND disabled = 0", new { ClientId = clientId });
            if (owned is null || config.Services.Any(s => !StoredText.ReadList(owned).Contains(s.ServiceId, StringComparer.Ordinal)))
                return new Refusal(RefusalCode.NotOwner, "a VAL service is not one of yours", $"VAL server {clientId} was switched off, or lost a VAL service, while it provisioned");
            var row = new { asked.ConfigId, ClientId = clientId, config.SuppFeat };
            var stored = await unit.SingleAsync<long?>("SELECT version FROM val_configurations WHERE config_id = @ConfigId AND client_id = @ClientId", row);
            if (RowVersion.Refuse("configuration", stored, create, expectedVersion) is { } refusal)
                return refusal;
            if (await WhyFullAsync(unit, row, create, targets.Count) is { } full)
                return full;
            if (stored is not null)
                await ProvisionedIds.TakeAwayAsync(unit, OfConfiguration, row, UsersOf(config), endTokensUntil, outbox);
            await unit.ExecuteAsync(stored is null
                ? "INSERT INTO val_configurations (config_id, client_id, supp_feat, version) VALUES (@ConfigId, @ClientId, @SuppFeat, 1)"
                : "UPDATE val_configurations SET supp_feat = @SuppFeat, version = version + 1 WHERE config_id = @ConfigId", row);
            await ProvisionedIds.AddAsync(unit, asked.ConfigId, config);
            unit.Audit(entry);
            return asked with { Version = (stored ?? 0) + 1 };
        }, cancel);
        outbox.Wake();
        return outcome;
    }

    /// <inheritdoc />
    public async Task<Outcome<StoredConfiguration>> RemoveAsync(string valServerId, string configId, long? expectedVersion, DateTimeOffset endTokensUntil, AuditEntry entry, CancellationToken cancel)
    {
        var outcome = await database.WriteAsync<Outcome<StoredConfiguration>>(async unit =>
        {
            var row = new { ClientId = valServerId, ConfigId = configId };
            var stored = ToConfigurations(await unit.QueryAsync<Row>($"{Joined} WHERE c.client_id = @ClientId AND c.config_id = @ConfigId ORDER BY i.place", row)).FirstOrDefault();
            if (RowVersion.Refuse("configuration", stored?.Version, create: false, expectedVersion) is { } refusal)
                return refusal;
            await ProvisionedIds.TakeAwayAsync(unit, OfConfiguration, row, null, endTokensUntil, outbox);
            await unit.ExecuteAsync("DELETE FROM val_configurations WHERE config_id = @ConfigId", row);
            unit.Audit(entry);
            return stored!;
        }, cancel);
        outbox.Wake();
        return outcome;
    }

    private static string OfConfiguration(string table) => $"{table}.config_id = @ConfigId";

    private static HashSet<(string, string)> UsersOf(ValServicesConfig config) =>
        [.. config.Services.SelectMany(s => s.Targets.Where(t => t.Kind == KmIdentityKind.User).Select(t => (s.ServiceId, t.Value)))];

    private static async Task<Refusal?> WhyFullAsync(UnitOfWork unit, object row, bool create, int targets)
    {
        var others = await unit.SingleAsync<long>("SELECT COUNT(*) FROM val_configurations WHERE client_id = @ClientId", row);
        var ids = await unit.SingleAsync<long>("""
            SELECT COUNT(*) FROM val_configurations c JOIN val_configuration_ids i ON i.config_id = c.config_id
            WHERE c.client_id = @ClientId AND c.config_id <> @ConfigId
            """, row);
        return create && others >= IConfigurationStore.MaxConfigurations || ids + targets > IConfigurationStore.MaxTargets
            ? Refusal.About(RefusalCode.AccessDenied, "/valSvcConf",
                $"a VAL server has at most {IConfigurationStore.MaxConfigurations} configurations and {IConfigurationStore.MaxTargets} identities in them")
            : null;
    }

    private static List<StoredConfiguration> ToConfigurations(IEnumerable<Row> rows) => [.. rows.GroupBy(r => r.ConfigId, StringComparer.Ordinal).Select(same => new StoredConfiguration(
        same.Key,
        new ValServicesConfig
        {
            ValServerId = same.First().ClientId,
            // In the order of their first places: rows of one service stand together.
            Services = [.. same.GroupBy(r => r.ServiceId, StringComparer.Ordinal).Select(s => new ValServiceParams(s.Key, [.. s.Select(r => new KmIdentity((KmIdentityKind)r.IdentityKind, r.IdentityValue))]))],
            SuppFeat = same.First().SuppFeat,
        },
        same.First().Version))];

    private sealed class Row
    {
        public string ConfigId { get; init; } = "";
        public string ClientId { get; init; } = "";
        public string? SuppFeat { get; init; }
        public long Version { get; init; }
        public string ServiceId { get; init; } = "";
        public long IdentityKind { get; init; }
        public string IdentityValue { get; init; } = "";
    }
}
