using System.Data.Common;
using Dapper;
using Keyreeve.Seal;
using Keyreeve.Wire.Seal;
using Npgsql;

namespace Keyreeve.Storage;

/// <summary>
/// Many records in one statement, for imports on PostgreSQL: there each statement is a journey, and a thousand of them are what an import waits for.
/// On SQLite a prepared statement for each row is as fast.
/// </summary>
internal static class KeyRecordBulk
{
    /// <summary>Fewer go one by one. Our choice.</summary>
    private const int Least = 8;

    // OFFSET 0: a table that is filled while this runs is guessed at, and a scan of all of it for every batch would be the longer the further an import is.
    // What has an offset of its own no planner makes a join of; each key is looked up by the index.
    private const string ReadMany = $"""
        SELECT k.n, r.updated_at, r.latest, r.removed_at, r.version, r.sealed_payload, v.number, v.activates_at, v.expires_at, v.created_at, v.kek_version, v.wrapped_key, v.ciphertext
        FROM unnest(@Services::text[], @Kinds::bigint[], @Values::text[]) WITH ORDINALITY AS k(service_id, identity_kind, identity_value, n)
        CROSS JOIN LATERAL (SELECT updated_at, latest, removed_at, version, sealed_payload FROM key_records
            WHERE service_id = k.service_id AND identity_kind = k.identity_kind AND identity_value = k.identity_value OFFSET 0) r
        LEFT JOIN LATERAL (SELECT {KeyVersionTable.Columns} FROM key_versions
            WHERE service_id = k.service_id AND identity_kind = k.identity_kind AND identity_value = k.identity_value OFFSET 0) v ON TRUE
        ORDER BY k.n, v.number
        """;

    private const string InsertRecords = """
        INSERT INTO key_records (service_id, identity_kind, identity_value, sealed_payload, updated_at, version, latest, removed_at)
        SELECT n.s, n.k, n.v, ''::bytea, n.u, 1, n.l, 0 FROM unnest(@Services::text[], @Kinds::bigint[], @Values::text[], @UpdatedAt::bigint[], @Latest::bigint[]) AS n(s, k, v, u, l)
        ON CONFLICT (service_id, identity_kind, identity_value) DO NOTHING RETURNING service_id, identity_kind, identity_value
        """;

    private const string InsertVersions = $"""
        INSERT INTO key_versions (service_id, identity_kind, identity_value, {KeyVersionTable.Columns})
        SELECT * FROM unnest(@Services::text[], @Kinds::bigint[], @Values::text[], @Numbers::bigint[], @ActivatesAt::bigint[], @ExpiresAt::bigint[], @CreatedAt::bigint[],
            @KekVersions::bigint[], @WrappedKeys::bytea[], @Ciphertexts::bytea[])
        {KeyVersionTable.OrReplace}
        """;

    private const string CopyRecords = "COPY key_records (service_id, identity_kind, identity_value, sealed_payload, updated_at, version, latest, removed_at) FROM STDIN (FORMAT BINARY)";

    private const string CopyVersions = $"COPY key_versions (service_id, identity_kind, identity_value, {KeyVersionTable.Columns}) FROM STDIN (FORMAT BINARY)";

    /// <summary>Whether so many are worth a statement of their own here.</summary>
    public static bool IsFor(DbConnection connection, int records) => connection is NpgsqlConnection && records >= Least;

    /// <summary>The rows of the keys, each with the place of its key, from 0, in the order of these and of the versions' numbers.</summary>
    public static async Task ReadAsync(DbConnection connection, IReadOnlyList<(string ServiceId, KmIdentity Identity)> keys, Func<int, DbDataReader, ValueTask> take, CancellationToken cancel)
    {
        await using var read = new NpgsqlCommand(ReadMany, (NpgsqlConnection)connection);
        read.Parameters.AddWithValue("@Services", keys.Select(k => k.ServiceId).ToArray());
        read.Parameters.AddWithValue("@Kinds", keys.Select(k => (long)k.Identity.Kind).ToArray());
        read.Parameters.AddWithValue("@Values", keys.Select(k => k.Identity.Value).ToArray());
        await using var row = await read.ExecuteReaderAsync(cancel);
        while (await row.ReadAsync(cancel))
            await take((int)row.GetInt64(0) - 1, row);
    }

    /// <summary>Inserts records that were not there with their first versions; returns the places of those that still were not.</summary>
    public static async Task<IReadOnlyList<int>> InsertAsync(UnitOfWork unit, IReadOnlyList<KeySave> saves) =>
        await TryCopyAsync(unit, saves) ? [.. Enumerable.Range(0, saves.Count)] : await InsertMissingAsync(unit, saves);

    /// <summary>
    /// A fifth of what the INSERT costs, and all or nothing: false, and nothing is written, when one of them is there. They were looked for a moment ago,
    /// or a few of them were, so that is rare.
    /// </summary>
    private static async Task<bool> TryCopyAsync(UnitOfWork unit, IReadOnlyList<KeySave> saves)
    {
        const string Savepoint = "copied_keys";
        var connection = (NpgsqlConnection)unit.Connection;
        await unit.Transaction.SaveAsync(Savepoint);
        try
        {
            await CopyRows.SendAsync(connection, CopyRecords, saves, static (save, to) => WriteKey(to.Begin(8), save.Record)
                .Octets([]).Number(save.Record.UpdatedAt).Number(1).Number(save.Record.Latest).Number(0));
            await CopyRows.SendAsync(connection, CopyVersions, saves, static (save, to) => WriteKey(to.Begin(10), save.Record)
                .Number(save.Version.Number).Number(save.Version.ActivatesAt).Number(save.Version.ExpiresAt).Number(save.Version.CreatedAt)
                .Number(save.Version.KekVersion).Octets(save.Version.WrappedKey).Octets(save.Version.Ciphertext));
            await unit.Transaction.ReleaseAsync(Savepoint);
            return true;
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.UniqueViolation)
        {
            await unit.Transaction.RollbackAsync(Savepoint);
            return false;
        }
    }

    private static CopyRows WriteKey(CopyRows to, KeyRecord record) => to.Text(record.ServiceId).Number((long)record.Identity.Kind).Text(record.Identity.Value);

    private static async Task<IReadOnlyList<int>> InsertMissingAsync(UnitOfWork unit, IReadOnlyList<KeySave> saves)
    {
        var made = await unit.QueryAsync<Key>(InsertRecords, new
        {
            Services = saves.Select(s => s.Record.ServiceId).ToArray(),
            Kinds = saves.Select(s => (long)s.Record.Identity.Kind).ToArray(),
            Values = saves.Select(s => s.Record.Identity.Value).ToArray(),
            UpdatedAt = saves.Select(s => s.Record.UpdatedAt).ToArray(),
            Latest = saves.Select(s => s.Record.Latest).ToArray(),
        });
        var keys = made.Select(k => (k.ServiceId, k.IdentityKind, k.IdentityValue)).ToHashSet();
        // A key that comes twice is made for the first; the other one was too late.
        int[] places = [.. Enumerable.Range(0, saves.Count).Where(i => keys.Remove((saves[i].Record.ServiceId, (long)saves[i].Record.Identity.Kind, saves[i].Record.Identity.Value)))];
        KeySave[] inserted = [.. places.Select(i => saves[i])];
        await unit.ExecuteAsync(InsertVersions, new
        {
            Services = inserted.Select(s => s.Record.ServiceId).ToArray(),
            Kinds = inserted.Select(s => (long)s.Record.Identity.Kind).ToArray(),
            Values = inserted.Select(s => s.Record.Identity.Value).ToArray(),
            Numbers = inserted.Select(s => s.Version.Number).ToArray(),
            ActivatesAt = inserted.Select(s => s.Version.ActivatesAt).ToArray(),
            ExpiresAt = inserted.Select(s => s.Version.ExpiresAt).ToArray(),
            CreatedAt = inserted.Select(s => s.Version.CreatedAt).ToArray(),
            KekVersions = inserted.Select(s => s.Version.KekVersion).ToArray(),
            WrappedKeys = inserted.Select(s => s.Version.WrappedKey).ToArray(),
            Ciphertexts = inserted.Select(s => s.Version.Ciphertext).ToArray(),
        });
        return places;
    }

    private sealed class Key
    {
        public string ServiceId { get; init; } = "";
        public long IdentityKind { get; init; }
        public string IdentityValue { get; init; } = "";
    }
}
