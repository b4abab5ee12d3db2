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

    private const string ReadMany = """
        SELECT k.n, r.updated_at, r.latest, r.removed_at, r.version, r.sealed_payload, v.number, v.activates_at, v.expires_at, v.created_at, v.kek_version, v.wrapped_key, v.ciphertext
        FROM unnest(@Services::text[], @Kinds::bigint[], @Values::text[]) WITH ORDINALITY AS k(service_id, identity_kind, identity_value, n)
        JOIN key_records r ON r.service_id = k.service_id AND r.identity_kind = k.identity_kind AND r.identity_value = k.identity_value
        LEFT JOIN key_versions v ON v.service_id = r.service_id AND v.identity_kind = r.identity_kind AND v.identity_value = r.identity_value
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
    /// A fifth of what the INSERT costs, and all or nothing: false, and nothing is written, when one of them is there by now. They were looked for a moment
    /// ago, so that is rare.
    /// </summary>
    private static async Task<bool> TryCopyAsync(UnitOfWork unit, IReadOnlyList<KeySave> saves)
    {
        const string Savepoint = "copied_keys";
        var connection = (NpgsqlConnection)unit.Connection;
        await unit.Transaction.SaveAsync(Savepoint);
        try
        {
            await using (var records = await connection.BeginBinaryImportAsync(
                "COPY key_records (service_id, identity_kind, identity_value, sealed_payload, updated_at, version, latest, removed_at) FROM STDIN (FORMAT BINARY)"))
            {
                foreach (var (record, _, _) in saves)
                {
                    await StartAsync(records, record);
                    await records.WriteAsync(Array.Empty<byte>());
                    await records.WriteAsync(record.UpdatedAt);
                    await records.WriteAsync(1L);
                    await records.WriteAsync(record.Latest);
                    await records.WriteAsync(0L);
                }
                await records.CompleteAsync();
            }
            await using (var versions = await connection.BeginBinaryImportAsync(
                $"COPY key_versions (service_id, identity_kind, identity_value, {KeyVersionTable.Columns}) FROM STDIN (FORMAT BINARY)"))
            {
                foreach (var (record, version, _) in saves)
                {
                    await StartAsync(versions, record);
                    await versions.WriteAsync(version.Number);
                    await versions.WriteAsync(version.ActivatesAt);
                    await versions.WriteAsync(version.ExpiresAt);
                    await versions.WriteAsync(version.CreatedAt);
                    await versions.WriteAsync(version.KekVersion);
                    await versions.WriteAsync(version.WrappedKey);
                    await versions.WriteAsync(version.Ciphertext);
                }
                await versions.CompleteAsync();
            }
            await unit.Transaction.ReleaseAsync(Savepoint);
            return true;
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.UniqueViolation)
        {
            await unit.Transaction.RollbackAsync(Savepoint);
            return false;
        }
    }

    private static async Task StartAsync(NpgsqlBinaryImporter to, KeyRecord record)
    {
        await to.StartRowAsync();
        await to.WriteAsync(record.ServiceId);
        await to.WriteAsync((long)record.Identity.Kind);
        await to.WriteAsync(record.Identity.Value);
    }

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
