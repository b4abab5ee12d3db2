using Dapper;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Refusals;
using Keyreeve.Seal;
using Keyreeve.Wire.Seal;

namespace Keyreeve.Storage;

/// <summary>Key management records. The three parts of the key are three columns: no two keys can be written alike.</summary>
public sealed class KeyRecordStore(IDatabase database) : IKeyRecordStore
{
    private const string Columns = "service_id, identity_kind, identity_value, sealed_payload, updated_at, version";
    private const string ByKey = "service_id = @ServiceId AND identity_kind = @IdentityKind AND identity_value = @IdentityValue";

    private const string Find = $"SELECT sealed_payload, updated_at, version FROM key_records WHERE {ByKey}";

    private const string Upsert = $"""
        INSERT INTO key_records ({Columns}) VALUES (@ServiceId, @IdentityKind, @IdentityValue, @SealedPayload, @UpdatedAt, 1)
        ON CONFLICT (service_id, identity_kind, identity_value) DO UPDATE SET
            sealed_payload = excluded.sealed_payload, updated_at = excluded.updated_at, version = key_records.version + 1
        """;

    /// <inheritdoc />
    public Task<KeyRecord?> FindAsync(string serviceId, KmIdentity identity, CancellationToken cancel) => Refuse(serviceId, identity) is not null
        ? Task.FromResult<KeyRecord?>(null)
        : database.ReadAsync(async connection =>
        {
            var find = Prepared.On(connection, Find, "@ServiceId", "@IdentityKind", "@IdentityValue");
            find.Parameters[0].Value = serviceId;
            find.Parameters[1].Value = (long)identity.Kind;
            find.Parameters[2].Value = identity.Value;
            await using var row = await find.ExecuteReaderAsync(cancel);
            return !await row.ReadAsync(cancel) ? null : new KeyRecord
            {
                ServiceId = serviceId,
                Identity = identity,
                SealedPayload = row.GetFieldValue<byte[]>(0),
                UpdatedAt = row.GetInt64(1),
                Version = row.GetInt64(2),
            };
        }, cancel);

    /// <inheritdoc />
    public Task<IReadOnlyList<KeyRecord>> ListAsync(string? serviceId, (string ServiceId, KmIdentity Identity)? after, int limit, CancellationToken cancel)
    {
        // Before every key stands ("", -1, ""): services have a name, kinds begin at 0.
        var (afterService, afterIdentity) = after ?? ("", new KmIdentity((KmIdentityKind)(-1), ""));
        var onlyService = serviceId is null ? "" : "service_id = @Only AND ";
        return database.ReadAsync<IReadOnlyList<KeyRecord>>(async connection =>
            [.. (await connection.QueryAsync<Row>($"""
                SELECT {Columns} FROM key_records
                WHERE {onlyService}(service_id, identity_kind, identity_value) > (@ServiceId, @IdentityKind, @IdentityValue)
                ORDER BY service_id, identity_kind, identity_value LIMIT @Limit
                """, new
            {
                Only = serviceId, ServiceId = afterService, IdentityKind = (long)afterIdentity.Kind, IdentityValue = afterIdentity.Value, Limit = (long)limit,
            })).Select(row => row.ToRecord())], cancel);
    }

    /// <summary>With an expected version of 0 the record must not exist yet.</summary>
    public Task<Outcome<KeyRecord>> SaveAsync(KeyRecord record, long? expectedVersion, AuditEntry entry, CancellationToken cancel) =>
        database.WriteAsync<Outcome<KeyRecord>>(async unit =>
        {
            if (Refuse(record.ServiceId, record.Identity) is { } unstorable)
                return unstorable;
            var stored = await unit.SingleAsync<long?>($"SELECT version FROM key_records WHERE {ByKey}", Row.Key(record.ServiceId, record.Identity));
            if (RowVersion.Refuse("key record", stored, expectedVersion) is { } refusal)
                return refusal;
            var version = await unit.SingleAsync<long>(Upsert + " RETURNING version", Row.Of(record));
            unit.Audit(entry);
            return record with { Version = version };
        }, cancel);

    /// <inheritdoc />
    /// <exception cref="ArgumentException">A key is not well-formed Unicode; nothing was written.</exception>
    public Task SaveManyAsync(IReadOnlyList<KeyRecord> records, AuditEntry entry, CancellationToken cancel) => database.WriteAsync(async unit =>
    {
        foreach (var record in records)
            if (Refuse(record.ServiceId, record.Identity) is { } unstorable)
                throw new ArgumentException(unstorable.Operator, nameof(records));
        await unit.ExecuteAsync(Upsert, records.Select(Row.Of));
        unit.Audit(entry);
        return records.Count;
    }, cancel);

    /// <inheritdoc />
    public Task<bool> RemoveAsync(string serviceId, KmIdentity identity, AuditEntry entry, CancellationToken cancel) => database.WriteAsync(async unit =>
    {
        if (await unit.ExecuteAsync($"DELETE FROM key_records WHERE {ByKey}", Row.Key(serviceId, identity)) == 0)
            return false;
        unit.Audit(entry);
        return true;
    }, cancel);

    private static Refusal? Refuse(string serviceId, KmIdentity identity) =>
        StoredText.Refuse("serviceId", serviceId) ?? StoredText.Refuse("identity", identity.Value);

    private sealed class Row
    {
        public string ServiceId { get; init; } = "";
        public long IdentityKind { get; init; }
        public string IdentityValue { get; init; } = "";
        public byte[] SealedPayload { get; init; } = [];
        public long UpdatedAt { get; init; }
        public long Version { get; init; }

        public static object Key(string serviceId, KmIdentity identity) =>
            new { ServiceId = serviceId, IdentityKind = (long)identity.Kind, IdentityValue = identity.Value };

        public static Row Of(KeyRecord record) => new()
        {
            ServiceId = record.ServiceId,
            IdentityKind = (long)record.Identity.Kind,
            IdentityValue = record.Identity.Value,
            SealedPayload = record.SealedPayload,
            UpdatedAt = record.UpdatedAt,
        };

        public KeyRecord ToRecord() => new()
        {
            ServiceId = ServiceId,
            Identity = new KmIdentity((KmIdentityKind)IdentityKind, IdentityValue),
            SealedPayload = SealedPayload,
            UpdatedAt = UpdatedAt,
            Version = Version,
        };
    }
}
