using System.Data.Common;
using System.Globalization;
using System.Text.Json;
using Dapper;

namespace Keyreeve.Storage;

/// <summary>
/// Makes a version out of the payload that lay in the record's own row until 0013: nothing is opened, the KEK's seal goes along. It is sealed anew,
/// by its own key, beside the requests (<c>SealKeeper</c>), because a backfill has no keys.
/// </summary>
internal static class KeyRecordMove
{
    /// <summary>In the order that must be kept: the version is there before the row forgets it. A row that was moved has nothing to move.</summary>
    private const string Insert = """
        INSERT INTO key_versions (service_id, identity_kind, identity_value, number, activates_at, expires_at, created_at, kek_version, wrapped_key, ciphertext)
        SELECT service_id, identity_kind, identity_value, latest + 1, updated_at, 0, updated_at, 0, @Empty, sealed_payload
        FROM key_records WHERE service_id = @ServiceId AND identity_kind = @IdentityKind AND identity_value = @IdentityValue AND length(sealed_payload) > 0
        ON CONFLICT (service_id, identity_kind, identity_value, number) DO NOTHING
        """;

    private const string Clear = """
        UPDATE key_records SET sealed_payload = @Empty, latest = latest + 1
        WHERE service_id = @ServiceId AND identity_kind = @IdentityKind AND identity_value = @IdentityValue AND length(sealed_payload) > 0
        """;

    /// <summary>As a backfill.</summary>
    public static Backfill Backfill { get; } = new(2, "versions of key records", RunAsync, connection => connection.QuerySingleAsync<long>("SELECT COUNT(*) FROM key_records"));

    /// <summary>One record, inside a write that changes it.</summary>
    public static async Task MoveAsync(DbConnection connection, DbTransaction transaction, string serviceId, long kind, string value)
    {
        var key = new { ServiceId = serviceId, IdentityKind = kind, IdentityValue = value, Empty = Array.Empty<byte>() };
        await connection.ExecuteAsync(Insert, key, transaction);
        await connection.ExecuteAsync(Clear, key, transaction);
    }

    private static async Task<BackfillStep> RunAsync(BackfillBatch batch)
    {
        var after = batch.Cursor.Length == 0 ? new Key() : JsonSerializer.Deserialize<Key>(batch.Cursor) ?? throw StoredText.Broken(batch.Cursor);
        // Locked before it is moved: on PostgreSQL a node of the release before may write a payload between the two statements, which would be lost.
        var rows = (await batch.Connection.QueryAsync<Key>($"""
            SELECT service_id, identity_kind, identity_value FROM key_records
            WHERE (service_id, identity_kind, identity_value) > (@ServiceId, @IdentityKind, @IdentityValue)
            ORDER BY service_id, identity_kind, identity_value LIMIT @Limit{(batch.Connection is Npgsql.NpgsqlConnection ? " FOR UPDATE" : "")}
            """, new { after.ServiceId, after.IdentityKind, after.IdentityValue, Limit = (long)batch.Limit }, batch.Transaction)).AsList();
        foreach (var row in rows)
            await MoveAsync(batch.Connection, batch.Transaction, row.ServiceId, row.IdentityKind, row.IdentityValue);
        return new(rows.Count < batch.Limit ? null : string.Create(CultureInfo.InvariantCulture, $"{JsonSerializer.Serialize(rows[^1])}"), rows.Count);
    }

    /// <summary>Before every key: services have a name, kinds begin at 0.</summary>
    private sealed class Key
    {
        public string ServiceId { get; init; } = "";
        public long IdentityKind { get; init; } = -1;
        public string IdentityValue { get; init; } = "";
    }
}
