using System.Globalization;
using System.Text;
using Dapper;
using Keyreeve.Core.Tokens;
using Keyreeve.Wire.Seal;

namespace Keyreeve.Storage;

/// <summary>
/// The rows by which configurations give VAL services to users and devices, and what it means to take some away: users who had a
/// service by them alone have their access tokens ended in the same transaction.
/// </summary>
internal static class ProvisionedIds
{
    /// <summary>Rows of one INSERT: 100 of five columns are well below what the engines bind in one statement.</summary>
    private const int RowsPerInsert = 100;

    /// <summary>The kind of rows that are about users, as SQL.</summary>
    public static readonly string OfUsers = ((int)KmIdentityKind.User).ToString(CultureInfo.InvariantCulture);

    /// <summary>The kind of rows that are about devices, as SQL.</summary>
    public static readonly string OfDevices = ((int)KmIdentityKind.Device).ToString(CultureInfo.InvariantCulture);

    /// <summary>Adds the rows of a document, in its order.</summary>
    public static async Task AddAsync(UnitOfWork unit, string configId, ValServicesConfig config)
    {
        var place = 0L;
        var rows = config.Services.SelectMany(s => s.Targets.Select(t => (s.ServiceId, t.Kind, t.Value))).Select(r => (r.ServiceId, Kind: (long)r.Kind, r.Value, Place: place++));
        foreach (var chunk in rows.Chunk(RowsPerInsert))
        {
            var text = new StringBuilder("INSERT INTO val_configuration_ids (config_id, service_id, identity_kind, identity_value, place) VALUES ");
            var values = new DynamicParameters();
            values.Add("ConfigId", configId);
            foreach (var (i, row) in chunk.Index())
            {
                text.Append(i == 0 ? "" : ", ").Append(CultureInfo.InvariantCulture, $"(@ConfigId, @s{i}, @k{i}, @v{i}, @p{i})");
                values.Add($"s{i}", row.ServiceId);
                values.Add($"k{i}", row.Kind);
                values.Add($"v{i}", row.Value);
                values.Add($"p{i}", row.Place);
            }
            await unit.ExecuteAsync(text.ToString(), values);
        }
    }

    /// <summary>
    /// Deletes rows and ends the tokens of the users who lose a service by it. Whoever has it from an operator too, or from another
    /// configuration, loses nothing.
    /// </summary>
    /// <param name="unit">The transaction.</param>
    /// <param name="gone">Which rows, as a condition on the table under a name.</param>
    /// <param name="parameters">What the condition compares with.</param>
    /// <param name="stays">What comes back in the same transaction, as (service, VAL user ID); or null.</param>
    /// <param name="endTokensUntil">Tokens issued until then carry what was taken away.</param>
    /// <param name="outbox">Where receivers of events are told; the caller wakes it.</param>
    public static async Task TakeAwayAsync(UnitOfWork unit, Func<string, string> gone, object parameters, ISet<(string ServiceId, string ValUserId)>? stays, DateTimeOffset endTokensUntil, OutboxStore outbox)
    {
        var losses = await unit.QueryAsync<Loss>($"""
            SELECT u.subject, c.service_id, c.identity_value
            FROM val_configuration_ids c JOIN users u ON u.val_user_id = c.identity_value
            WHERE c.identity_kind = {OfUsers} AND {gone("c")}
              AND NOT EXISTS (SELECT 1 FROM user_services s WHERE s.subject = u.subject AND s.service_id = c.service_id)
              AND NOT EXISTS (SELECT 1 FROM val_configuration_ids o WHERE o.identity_kind = c.identity_kind AND o.identity_value = c.identity_value
                              AND o.service_id = c.service_id AND NOT ({gone("o")}))
            """, parameters);
        await unit.ExecuteAsync($"DELETE FROM val_configuration_ids WHERE {gone("val_configuration_ids")}", parameters);
        var subjects = losses.Where(l => stays?.Contains((l.ServiceId, l.IdentityValue)) != true).Select(l => l.Subject).Distinct(StringComparer.Ordinal);
        var revocations = subjects.Select(s => Revocation.OfSubject(s, endTokensUntil)).ToList();
        if (revocations.Count > 0)
            await RevocationStore.AddAsync(unit, revocations, outbox);
    }

    /// <summary>
    /// A VAL server owns other services than before, or is removed (none): what it gave for services that are not its own any more goes
    /// with its right to give it. A configuration that has nothing left goes too.
    /// </summary>
    public static async Task KeepOwnedAsync(UnitOfWork unit, string clientId, IReadOnlyCollection<string> owned, OutboxStore outbox)
    {
        static string OfClient(string table) => $"{table}.config_id IN (SELECT config_id FROM val_configurations WHERE client_id = @ClientId) AND {table}.service_id = @ServiceId";
        var services = await unit.QueryAsync<string>("SELECT DISTINCT i.service_id FROM val_configurations c JOIN val_configuration_ids i ON i.config_id = c.config_id WHERE c.client_id = @ClientId",
            new { ClientId = clientId });
        var lostServices = services.Except(owned, StringComparer.Ordinal).ToList();
        foreach (var lost in lostServices)
        {
            var row = new { ClientId = clientId, ServiceId = lost };
            await unit.ExecuteAsync($"UPDATE val_configurations SET version = version + 1 WHERE config_id IN (SELECT config_id FROM val_configuration_ids WHERE service_id = @ServiceId) AND client_id = @ClientId", row);
            await TakeAwayAsync(unit, OfClient, row, null, DateTimeOffset.FromUnixTimeMilliseconds(unit.Now), outbox);
        }
        if (lostServices.Count > 0)
            await DropEmptyAsync(unit);
    }

    /// <summary>A VAL service is removed: nobody has it any more, and no configuration names it.</summary>
    public static async Task ForgetServiceAsync(UnitOfWork unit, string serviceId)
    {
        var row = new { ServiceId = serviceId };
        await unit.ExecuteAsync("UPDATE val_configurations SET version = version + 1 WHERE config_id IN (SELECT config_id FROM val_configuration_ids WHERE service_id = @ServiceId)", row);
        await unit.ExecuteAsync("DELETE FROM val_configuration_ids WHERE service_id = @ServiceId", row);
        await DropEmptyAsync(unit);
    }

    private static Task<int> DropEmptyAsync(UnitOfWork unit) =>
        unit.ExecuteAsync("DELETE FROM val_configurations WHERE NOT EXISTS (SELECT 1 FROM val_configuration_ids i WHERE i.config_id = val_configurations.config_id)", new { });

    private sealed class Loss
    {
        public string Subject { get; init; } = "";
        public string ServiceId { get; init; } = "";
        public string IdentityValue { get; init; } = "";
    }
}
