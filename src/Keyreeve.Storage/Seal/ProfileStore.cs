using Dapper;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Refusals;
using Keyreeve.Seal;
using Keyreeve.Wire.Seal;

namespace Keyreeve.Storage;

/// <summary>VAL profiles. The three parts of the key are three columns, as for key records.</summary>
public sealed class ProfileStore(IDatabase database) : IProfileStore
{
    private const string Columns = "service_id, identity_kind, identity_value, sealed_document, updated_at, version";
    private const string ByKey = "service_id = @ServiceId AND identity_kind = @IdentityKind AND identity_value = @IdentityValue";

    /// <inheritdoc />
    public Task<ValProfile?> FindAsync(string serviceId, KmIdentity target, CancellationToken cancel) => Refuse(serviceId, target) is not null
        ? Task.FromResult<ValProfile?>(null)
        : database.ReadAsync(async connection =>
            (await connection.QueryAsync<Row>($"SELECT {Columns} FROM val_profiles WHERE {ByKey}", Row.Key(serviceId, target))).FirstOrDefault()?.ToProfile(), cancel);

    /// <inheritdoc />
    public Task<IReadOnlyList<ValProfile>> OfAsync(KmIdentity target, CancellationToken cancel) => !StoredText.Keeps(target.Value)
        ? Task.FromResult<IReadOnlyList<ValProfile>>([])
        : database.ReadAsync<IReadOnlyList<ValProfile>>(async connection => [.. (await connection.QueryAsync<Row>(
            $"SELECT {Columns} FROM val_profiles WHERE identity_kind = @IdentityKind AND identity_value = @IdentityValue ORDER BY service_id", Row.Key("", target))).Select(row => row.ToProfile())], cancel);

    /// <inheritdoc />
    public Task<IReadOnlyList<ValProfile>> ListAsync(string? serviceId, (string ServiceId, KmIdentity Target)? after, int limit, CancellationToken cancel)
    {
        // Before every key stands ("", -1, ""): services have a name, kinds begin at 0.
        var (afterService, afterTarget) = after ?? ("", new KmIdentity((KmIdentityKind)(-1), ""));
        var onlyService = serviceId is null ? "" : "service_id = @Only AND ";
        return database.ReadAsync<IReadOnlyList<ValProfile>>(async connection => [.. (await connection.QueryAsync<Row>($"""
            SELECT {Columns} FROM val_profiles
            WHERE {onlyService}(service_id, identity_kind, identity_value) > (@ServiceId, @IdentityKind, @IdentityValue)
            ORDER BY service_id, identity_kind, identity_value LIMIT @Limit
            """, new { Only = serviceId, ServiceId = afterService, IdentityKind = (long)afterTarget.Kind, IdentityValue = afterTarget.Value, Limit = (long)limit })).Select(row => row.ToProfile())], cancel);
    }

    /// <inheritdoc />
    public Task<Outcome<ValProfile>> SaveAsync(ValProfile profile, long? expectedVersion, AuditEntry entry, CancellationToken cancel) =>
        database.WriteAsync<Outcome<ValProfile>>(async unit =>
        {
            if (Refuse(profile.ServiceId, profile.Target) is { } unstorable)
                return unstorable;
            var stored = await unit.SingleAsync<long?>($"SELECT version FROM val_profiles WHERE {ByKey}", Row.Key(profile.ServiceId, profile.Target));
            if (RowVersion.Refuse("profile", stored, expectedVersion) is { } refusal)
                return refusal;
            var version = await unit.SingleAsync<long>($"""
                INSERT INTO val_profiles ({Columns}) VALUES (@ServiceId, @IdentityKind, @IdentityValue, @SealedDocument, @UpdatedAt, 1)
                ON CONFLICT (service_id, identity_kind, identity_value) DO UPDATE SET
                    sealed_document = excluded.sealed_document, updated_at = excluded.updated_at, version = val_profiles.version + 1
                RETURNING version
                """, Row.Of(profile));
            unit.Audit(entry);
            return profile with { Version = version };
        }, cancel);

    /// <inheritdoc />
    public Task<bool> RemoveAsync(string serviceId, KmIdentity target, AuditEntry entry, CancellationToken cancel) => database.WriteAsync(async unit =>
    {
        if (await unit.ExecuteAsync($"DELETE FROM val_profiles WHERE {ByKey}", Row.Key(serviceId, target)) == 0)
            return false;
        unit.Audit(entry);
        return true;
    }, cancel);

    private static Refusal? Refuse(string serviceId, KmIdentity target) =>
        StoredText.Refuse("serviceId", serviceId) ?? StoredText.Refuse("valTgtUe", target.Value);

    private sealed class Row
    {
        public string ServiceId { get; init; } = "";
        public long IdentityKind { get; init; }
        public string IdentityValue { get; init; } = "";
        public byte[] SealedDocument { get; init; } = [];
        public long UpdatedAt { get; init; }
        public long Version { get; init; }

        public static object Key(string serviceId, KmIdentity target) => new { ServiceId = serviceId, IdentityKind = (long)target.Kind, IdentityValue = target.Value };

        public static Row Of(ValProfile profile) => new()
        {
            ServiceId = profile.ServiceId,
            IdentityKind = (long)profile.Target.Kind,
            IdentityValue = profile.Target.Value,
            SealedDocument = profile.SealedDocument,
            UpdatedAt = profile.UpdatedAt,
        };

        public ValProfile ToProfile() => new()
        {
            ServiceId = ServiceId,
            Target = new KmIdentity((KmIdentityKind)IdentityKind, IdentityValue),
            SealedDocument = SealedDocument,
            UpdatedAt = UpdatedAt,
            Version = Version,
        };
    }
}
