using System.Data.Common;
using Dapper;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Refusals;
using Keyreeve.Seal;
using Keyreeve.Wire.Seal;
using Npgsql;

namespace Keyreeve.Storage;

/// <summary>Key management records. The three parts of the key are three columns: no two keys can be written alike.</summary>
public sealed class KeyRecordStore(IDatabase database) : IKeyRecordStore
{
    private const string Columns = "service_id, identity_kind, identity_value, updated_at, latest, removed_at, version";
    private const string ByKey = "service_id = @ServiceId AND identity_kind = @IdentityKind AND identity_value = @IdentityValue";

    private const string Read = $"""
        SELECT r.updated_at, r.latest, r.removed_at, r.version, r.sealed_payload, v.number, v.activates_at, v.expires_at, v.created_at, v.kek_version, v.wrapped_key, v.ciphertext
        FROM key_records r LEFT JOIN key_versions v ON v.service_id = r.service_id AND v.identity_kind = r.identity_kind AND v.identity_value = r.identity_value
        WHERE r.service_id = @ServiceId AND r.identity_kind = @IdentityKind AND r.identity_value = @IdentityValue ORDER BY v.number
        """;

    private static readonly Statement Insert = new("""
        INSERT INTO key_records (service_id, identity_kind, identity_value, sealed_payload, updated_at, version, latest, removed_at)
        VALUES (@ServiceId, @IdentityKind, @IdentityValue, @Empty, @UpdatedAt, 1, @Latest, 0) ON CONFLICT (service_id, identity_kind, identity_value) DO NOTHING
        """, "@ServiceId", "@IdentityKind", "@IdentityValue", "@Empty[]", "@UpdatedAt", "@Latest");

    private static readonly Statement Update = new($"""
        UPDATE key_records SET updated_at = @UpdatedAt, latest = @Latest, version = version + 1 WHERE {ByKey} AND version = @Version AND removed_at = 0
        """, "@UpdatedAt", "@Latest", "@ServiceId", "@IdentityKind", "@IdentityValue", "@Version");

    /// <inheritdoc />
    public Task<FoundKey?> FindActiveAsync(string serviceId, KmIdentity identity, long now, CancellationToken cancel) => Refuse(serviceId, identity) is not null
        ? Task.FromResult<FoundKey?>(null)
        : ActiveKeys.FindAsync(database, serviceId, identity, now, cancel);

    /// <inheritdoc />
    public Task<IReadOnlyList<StoredKeys>> ReadAsync(IReadOnlyList<(string ServiceId, KmIdentity Identity)> keys, CancellationToken cancel) =>
        database.ReadAsync<IReadOnlyList<StoredKeys>>(async connection =>
        {
            var (records, versions) = (new KeyRecord?[keys.Count], new List<KeyVersion>?[keys.Count]);
            if (KeyRecordBulk.IsFor(connection, keys.Count) && !keys.Any(k => Refuse(k.ServiceId, k.Identity) is not null))
                await KeyRecordBulk.ReadAsync(connection, keys, (i, row) => TakeAsync(i, row, 1), cancel);
            else
                for (var i = 0; i < keys.Count; i++)
                    await ReadOneAsync(connection, i);
            return [.. keys.Select((_, i) => new StoredKeys(records[i], versions[i] is { } some ? [.. some.OrderBy(v => v.Number)] : []))];

            async Task ReadOneAsync(DbConnection of, int i)
            {
                var (serviceId, identity) = keys[i];
                if (Refuse(serviceId, identity) is not null)
                    return;
                var read = Prepared.On(of, Read, "@ServiceId", "@IdentityKind", "@IdentityValue");
                read.Parameters[0].Value = serviceId;
                read.Parameters[1].Value = (long)identity.Kind;
                read.Parameters[2].Value = identity.Value;
                await using var row = await read.ExecuteReaderAsync(cancel);
                while (await row.ReadAsync(cancel))
                    await TakeAsync(i, row, 0);
            }

            async ValueTask TakeAsync(int i, DbDataReader row, int at)
            {
                var some = versions[i] ??= [];
                var legacy = row.GetFieldValue<byte[]>(at + 4);
                if (records[i] is null && legacy.Length > 0)
                    some.Add(KeyVersionTable.Legacy(row.GetInt64(at + 1) + 1, row.GetInt64(at), legacy));
                records[i] ??= new()
                {
                    ServiceId = keys[i].ServiceId,
                    Identity = keys[i].Identity,
                    UpdatedAt = row.GetInt64(at),
                    Latest = row.GetInt64(at + 1) + (legacy.Length > 0 ? 1 : 0),
                    RemovedAt = row.GetInt64(at + 2),
                    Version = row.GetInt64(at + 3),
                };
                if (!await row.IsDBNullAsync(at + 5, cancel))
                    some.Add(KeyVersionTable.Read(new ReaderColumns(row), at + 5));
            }
        }, cancel);

    /// <inheritdoc />
    public Task<IReadOnlyList<KeyRecord>> ListAsync(string? serviceId, (string ServiceId, KmIdentity Identity)? after, int limit, bool removed, CancellationToken cancel)
    {
        // Before every key stands ("", -1, ""): services have a name, kinds begin at 0.
        var (afterService, afterIdentity) = after ?? ("", new KmIdentity((KmIdentityKind)(-1), ""));
        var onlyService = serviceId is null ? "" : "service_id = @Only AND ";
        return database.ReadAsync<IReadOnlyList<KeyRecord>>(async connection =>
            [.. (await connection.QueryAsync<Row>($"""
                SELECT {Columns} FROM key_records
                WHERE {onlyService}removed_at {(removed ? "> 0" : "= 0")} AND (service_id, identity_kind, identity_value) > (@ServiceId, @IdentityKind, @IdentityValue)
                ORDER BY service_id, identity_kind, identity_value LIMIT @Limit
                """, new
            {
                Only = serviceId, ServiceId = afterService, IdentityKind = (long)afterIdentity.Kind, IdentityValue = afterIdentity.Value, Limit = (long)limit,
            })).Select(row => row.ToRecord())], cancel);
    }

    /// <inheritdoc />
    public Task<long> CountAsync(string serviceId, long atMost, CancellationToken cancel) => database.ReadAsync(connection =>
        connection.QuerySingleAsync<long>("SELECT COUNT(*) FROM (SELECT 1 AS one FROM key_records WHERE service_id = @ServiceId LIMIT @Limit) counted", new { ServiceId = serviceId, Limit = atMost }), cancel);

    /// <inheritdoc />
    public Task<IReadOnlyList<KeyRecord?>> SaveAsync(IReadOnlyList<KeySave> saves, Func<int, AuditEntry> entryOf, CancellationToken cancel) => database.WriteAsync<IReadOnlyList<KeyRecord?>>(async unit =>
    {
        foreach (var save in saves)
        {
            if (Refuse(save.Record.ServiceId, save.Record.Identity) is { } unstorable)
                throw new ArgumentException(unstorable.Operator, nameof(saves));
            unit.Changes(save.Record.ServiceId, save.Record.Identity);
        }
        // A key that was destroyed or taken out of use since it was read wraps nothing new: what it wrapped would never open.
        var keks = new Dictionary<(string, long), bool>();
        var (written, left) = (new KeyRecord?[saves.Count], new List<int>(saves.Count));
        for (var i = 0; i < saves.Count; i++)
        {
            var kek = (saves[i].Record.ServiceId, saves[i].Version.KekVersion);
            if (!keks.TryGetValue(kek, out var isThere))
                keks.Add(kek, isThere = kek.KekVersion == 0 || await unit.SingleAsync<long>(
                    "SELECT COUNT(*) FROM service_keks WHERE service_id = @ServiceId AND version = @Version AND destroyed_at = 0", new { kek.ServiceId, Version = kek.KekVersion }) == 1);
            if (isThere)
                left.Add(i);
        }
        var made = left.FindAll(i => saves[i].Record.Version == 0);
        if (KeyRecordBulk.IsFor(unit.Connection, made.Count))
        {
            foreach (var place in await KeyRecordBulk.InsertAsync(unit, made.ConvertAll(i => saves[i])))
                written[made[place]] = saves[made[place]].Record with { Version = 1 };
            left.RemoveAll(i => saves[i].Record.Version == 0);
        }
        foreach (var i in left)
        {
            var (record, version, dropped) = saves[i];
            if (!await SaveRecordAsync(unit, record))
                continue;
            await KeyVersionTable.SaveAsync(unit, record.ServiceId, record.Identity, version);
            await KeyVersionTable.DropAsync(unit, record.ServiceId, record.Identity, dropped);
            written[i] = record with { Version = record.Version + 1 };
        }
        if (written.Count(w => w is not null) is > 0 and var many)
            unit.Audit(entryOf(many));
        return written;
    }, cancel);

    /// <inheritdoc />
    public Task<bool> RemoveAsync(string serviceId, KmIdentity identity, long? expectedVersion, long now, AuditEntry entry, CancellationToken cancel) => database.WriteAsync(async unit =>
    {
        unit.Changes(serviceId, identity);
        var sql = $"UPDATE key_records SET removed_at = @Now, version = version + 1 WHERE {ByKey} AND removed_at = 0" + (expectedVersion is null ? "" : " AND version = @Version");
        if (await unit.ExecuteAsync(sql, new { ServiceId = serviceId, IdentityKind = (long)identity.Kind, IdentityValue = identity.Value, Now = now, Version = expectedVersion ?? 0 }) == 0)
            return false;
        unit.Audit(entry);
        return true;
    }, cancel);

    /// <inheritdoc />
    public Task<KeyRecord?> RestoreAsync(string serviceId, KmIdentity identity, long now, AuditEntry entry, CancellationToken cancel) => database.WriteAsync(async unit =>
    {
        unit.Changes(serviceId, identity);
        if (await unit.SingleAsync<Row>($"UPDATE key_records SET removed_at = 0, updated_at = @Now, version = version + 1 WHERE {ByKey} AND removed_at > 0 RETURNING {Columns}",
            new { ServiceId = serviceId, IdentityKind = (long)identity.Kind, IdentityValue = identity.Value, Now = now }) is not { } row)
            return null;
        unit.Audit(entry);
        return row.ToRecord();
    }, cancel);

    /// <inheritdoc />
    public Task<bool> ShredAsync(string serviceId, KmIdentity identity, AuditEntry entry, CancellationToken cancel) => database.WriteAsync(async unit =>
    {
        unit.Changes(serviceId, identity);
        if (await unit.ExecuteAsync($"DELETE FROM key_records WHERE {ByKey} AND removed_at > 0", Row.Key(serviceId, identity)) == 0)
            return false;
        await KeyVersionTable.DropAllAsync(unit, serviceId, identity);
        unit.Audit(entry);
        return true;
    }, cancel);

    /// <inheritdoc />
    public Task<IReadOnlyList<StoredVersion>> BelowAsync(string serviceId, long kekVersion, StoredVersion? after, int limit, CancellationToken cancel) =>
        database.ReadAsync(connection => KeyVersionTable.BelowAsync(connection, serviceId, kekVersion, after, limit), cancel);

    /// <inheritdoc />
    public Task<long> CountBelowAsync(string serviceId, long kekVersion, CancellationToken cancel) => database.ReadAsync(connection =>
        connection.QuerySingleAsync<long>("SELECT COUNT(*) FROM key_versions WHERE service_id = @ServiceId AND kek_version < @KekVersion", new { ServiceId = serviceId, KekVersion = kekVersion }), cancel);

    /// <inheritdoc />
    public Task<IReadOnlyList<string>> ServicesOfLegacyAsync(int limit, CancellationToken cancel) => database.ReadAsync<IReadOnlyList<string>>(async connection =>
        [.. await connection.QueryAsync<string>("SELECT DISTINCT service_id FROM key_versions WHERE kek_version = 0 ORDER BY service_id LIMIT @Limit", new { Limit = (long)limit })], cancel);

    /// <inheritdoc />
    public Task<int> RewrapAsync(IReadOnlyList<(StoredVersion Before, KeyVersion After)> changes, CancellationToken cancel) => database.WriteAsync(async unit =>
    {
        var changed = 0;
        foreach (var of in changes.GroupBy(c => (c.Before.ServiceId, c.After.KekVersion)))
        {
            if (await unit.SingleAsync<long>("SELECT COUNT(*) FROM service_keks WHERE service_id = @ServiceId AND version = @Version AND destroyed_at = 0",
                new { of.Key.ServiceId, Version = of.Key.KekVersion }) == 0)
                continue;
            foreach (var (before, _) in of)
                unit.Changes(before.ServiceId, before.Identity);
            foreach (var (before, after) in of)
                changed += await KeyVersionTable.ReplaceAsync(unit, before, after);
        }
        return changed;
    }, cancel);

    /// <summary>Shreds records whose removal is older; those that have no version any more go too when their service's keys were destroyed.</summary>
    internal static async Task<int> DeleteRemovedAsync(UnitOfWork unit, long before, int limit)
    {
        var rows = await unit.QueryAsync<Row>($"SELECT {Columns} FROM key_records WHERE removed_at > 0 AND removed_at <= @Before ORDER BY removed_at LIMIT @Limit {unit.SkipLocked}",
            new { Before = before, Limit = (long)limit });
        foreach (var row in rows)
        {
            unit.Changes(row.ServiceId, row.ToRecord().Identity);
            await KeyVersionTable.DropAllAsync(unit, row.ServiceId, row.ToRecord().Identity);
            await unit.ExecuteAsync($"DELETE FROM key_records WHERE {ByKey} AND removed_at > 0", Row.Key(row.ServiceId, row.ToRecord().Identity));
            unit.Audit(new AuditEntry
            {
                Kind = "key_record.shredded",
                Outcome = AuditOutcome.Changed,
                At = unit.Now,
                Actor = "system",
                Subject = KeyRecord.Purpose(row.ServiceId, row.ToRecord().Identity),
            });
        }
        return rows.Count;
    }

    private static async Task<bool> SaveRecordAsync(UnitOfWork unit, KeyRecord record)
    {
        var kind = (long)record.Identity.Kind;
        if (record.Version != 0)
            await KeyRecordMove.MoveAsync(unit.Connection, unit.Transaction, record.ServiceId, kind, record.Identity.Value);
        var command = record.Version == 0
            ? Insert.On(unit.Connection, record.ServiceId, kind, record.Identity.Value, Array.Empty<byte>(), record.UpdatedAt, record.Latest)
            : Update.On(unit.Connection, record.UpdatedAt, record.Latest, record.ServiceId, kind, record.Identity.Value, record.Version);
        command.Transaction = unit.Transaction;
        return await unit.ExecuteAsync(command) == 1;
    }

    /// <inheritdoc />
    public Refusal? WhyNot(string serviceId, KmIdentity identity) => Refuse(serviceId, identity);

    private static Refusal? Refuse(string serviceId, KmIdentity identity) =>
        StoredText.Refuse("serviceId", serviceId) ?? StoredText.Refuse("identity", identity.Value);

    private sealed class Row
    {
        public string ServiceId { get; init; } = "";
        public long IdentityKind { get; init; }
        public string IdentityValue { get; init; } = "";
        public long UpdatedAt { get; init; }
        public long Latest { get; init; }
        public long RemovedAt { get; init; }
        public long Version { get; init; }

        public static object Key(string serviceId, KmIdentity identity) =>
            new { ServiceId = serviceId, IdentityKind = (long)identity.Kind, IdentityValue = identity.Value };

        public KeyRecord ToRecord() => new()
        {
            ServiceId = ServiceId,
            Identity = new KmIdentity((KmIdentityKind)IdentityKind, IdentityValue),
            UpdatedAt = UpdatedAt,
            Latest = Latest,
            RemovedAt = RemovedAt,
            Version = Version,
        };
    }
}
