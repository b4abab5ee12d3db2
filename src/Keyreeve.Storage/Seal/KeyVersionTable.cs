using System.Data.Common;
using Dapper;
using Keyreeve.Seal;
using Keyreeve.Wire.Seal;

namespace Keyreeve.Storage;

/// <summary>The table <c>key_versions</c>: key material, sealed.</summary>
internal static class KeyVersionTable
{
    public const string Columns = "number, activates_at, expires_at, created_at, kek_version, wrapped_key, ciphertext";

    /// <summary>The end of an INSERT: a version with a number that is there is replaced.</summary>
    public const string OrReplace = """
        ON CONFLICT (service_id, identity_kind, identity_value, number) DO UPDATE SET
            activates_at = excluded.activates_at, expires_at = excluded.expires_at, kek_version = excluded.kek_version, wrapped_key = excluded.wrapped_key, ciphertext = excluded.ciphertext
        """;

    private const string ByKey = "service_id = @ServiceId AND identity_kind = @IdentityKind AND identity_value = @IdentityValue";

    private static readonly Statement Upsert = new($"""
        INSERT INTO key_versions (service_id, identity_kind, identity_value, {Columns})
        VALUES (@ServiceId, @IdentityKind, @IdentityValue, @Number, @ActivatesAt, @ExpiresAt, @CreatedAt, @KekVersion, @WrappedKey, @Ciphertext)
        {OrReplace}
        """, "@ServiceId", "@IdentityKind", "@IdentityValue", "@Number", "@ActivatesAt", "@ExpiresAt", "@CreatedAt", "@KekVersion", "@WrappedKey[]", "@Ciphertext[]");

    private static readonly Statement Update = new($"""
        UPDATE key_versions SET kek_version = @KekVersion, wrapped_key = @WrappedKey, ciphertext = @Ciphertext
        WHERE {ByKey} AND number = @Number AND kek_version = @KekBefore AND wrapped_key = @WrappedBefore AND ciphertext = @CiphertextBefore
        """, "@KekVersion", "@WrappedKey[]", "@Ciphertext[]", "@ServiceId", "@IdentityKind", "@IdentityValue", "@Number", "@KekBefore", "@WrappedBefore[]", "@CiphertextBefore[]");

    /// <summary>The columns of <see cref="Columns"/>, from a place on.</summary>
    public static KeyVersion Read<T>(T row, int at) where T : IColumns => new()
    {
        Number = row.Number(at),
        ActivatesAt = row.Number(at + 1),
        ExpiresAt = row.Number(at + 2),
        CreatedAt = row.Number(at + 3),
        KekVersion = row.Number(at + 4),
        WrappedKey = row.Octets(at + 5),
        Ciphertext = row.Octets(at + 6),
    };

    /// <summary>What still lies in the record's own row.</summary>
    public static KeyVersion Legacy(long number, long updatedAt, byte[] payload) =>
        new() { Number = number, ActivatesAt = updatedAt, CreatedAt = updatedAt, KekVersion = 0, WrappedKey = [], Ciphertext = payload };

    public static Task<int> SaveAsync(UnitOfWork unit, string serviceId, KmIdentity identity, KeyVersion version)
    {
        var command = Upsert.On(unit.Connection, serviceId, (long)identity.Kind, identity.Value, version.Number, version.ActivatesAt, version.ExpiresAt, version.CreatedAt,
            version.KekVersion, version.WrappedKey, version.Ciphertext);
        command.Transaction = unit.Transaction;
        return unit.ExecuteAsync(command);
    }

    /// <summary>Compares before it sets: who changed the row meanwhile wins.</summary>
    public static Task<int> ReplaceAsync(UnitOfWork unit, StoredVersion before, KeyVersion after)
    {
        var version = before.Version;
        var command = Update.On(unit.Connection, after.KekVersion, after.WrappedKey, after.Ciphertext, before.ServiceId, (long)before.Identity.Kind, before.Identity.Value,
            version.Number, version.KekVersion, version.WrappedKey, version.Ciphertext);
        command.Transaction = unit.Transaction;
        return unit.ExecuteAsync(command);
    }

    public static Task DropAsync(UnitOfWork unit, string serviceId, KmIdentity identity, IReadOnlyList<long> numbers) => numbers.Count == 0
        ? Task.CompletedTask
        : unit.ExecuteAsync($"DELETE FROM key_versions WHERE {ByKey} AND number = @Number",
            numbers.Select(n => new { ServiceId = serviceId, IdentityKind = (long)identity.Kind, IdentityValue = identity.Value, Number = n }));

    public static Task<int> DropAllAsync(UnitOfWork unit, string serviceId, KmIdentity identity) =>
        unit.ExecuteAsync($"DELETE FROM key_versions WHERE {ByKey}", new { ServiceId = serviceId, IdentityKind = (long)identity.Kind, IdentityValue = identity.Value });

    /// <summary>Versions of a service that another key than <paramref name="kekVersion"/> wraps, after a given one.</summary>
    public static async Task<IReadOnlyList<StoredVersion>> BelowAsync(DbConnection connection, string serviceId, long kekVersion, StoredVersion? after, int limit)
    {
        await using var select = connection.CreateCommand();
        select.CommandText = $"""
            SELECT identity_kind, identity_value, {Columns} FROM key_versions
            WHERE service_id = @ServiceId AND (identity_kind, identity_value, number) > (@IdentityKind, @IdentityValue, @Number) AND kek_version < @KekVersion
            ORDER BY identity_kind, identity_value, number LIMIT @Limit
            """;
        foreach (var (name, value) in new (string, object)[]
        {
            ("@ServiceId", serviceId), ("@IdentityKind", after is null ? -1L : (long)after.Identity.Kind), ("@IdentityValue", after?.Identity.Value ?? ""),
            ("@Number", after?.Version.Number ?? 0L), ("@KekVersion", kekVersion), ("@Limit", (long)limit),
        })
        {
            var parameter = select.CreateParameter();
            (parameter.ParameterName, parameter.Value) = (name, value);
            select.Parameters.Add(parameter);
        }
        var found = new List<StoredVersion>();
        await using var row = await select.ExecuteReaderAsync();
        while (await row.ReadAsync())
            found.Add(new(serviceId, new((KmIdentityKind)row.GetInt64(0), row.GetString(1)), Read(new ReaderColumns(row), 2)));
        return found;
    }

    /// <summary>
    /// What is left of a service whose keys were destroyed: nothing opens it any more; what goes here is room. Versions first, then records that have none.
    /// </summary>
    public static async Task<int> DeleteDeadAsync(UnitOfWork unit, int limit)
    {
        if (await unit.SingleAsync<Dead>("SELECT service_id, MAX(version) AS version FROM service_keks WHERE destroyed_at > 0 AND cleared = 0 GROUP BY service_id ORDER BY service_id LIMIT 1", new { }) is not { } dead)
            return 0;
        unit.ChangesNothingRemembered();
        var values = new { dead.ServiceId, dead.Version, Limit = (long)limit };
        var deleted = await unit.ExecuteAsync("""
            DELETE FROM key_versions WHERE service_id = @ServiceId AND (identity_kind, identity_value, number) IN (
                SELECT identity_kind, identity_value, number FROM key_versions WHERE service_id = @ServiceId AND kek_version <= @Version LIMIT @Limit)
            """, values);
        if (deleted == 0)
            deleted = await unit.ExecuteAsync("""
                DELETE FROM key_records WHERE service_id = @ServiceId AND (identity_kind, identity_value) IN (
                    SELECT r.identity_kind, r.identity_value FROM key_records r WHERE r.service_id = @ServiceId AND length(r.sealed_payload) = 0 AND NOT EXISTS (
                        SELECT 1 FROM key_versions v WHERE v.service_id = r.service_id AND v.identity_kind = r.identity_kind AND v.identity_value = r.identity_value) LIMIT @Limit)
                """, values);
        if (deleted == 0)
            await unit.ExecuteAsync("UPDATE service_keks SET cleared = 1 WHERE service_id = @ServiceId AND version <= @Version AND destroyed_at > 0", values);
        return deleted;
    }

    private sealed class Dead
    {
        public string ServiceId { get; init; } = "";
        public long Version { get; init; }
    }
}
