using System.Data.Common;
using Keyreeve.Seal;
using Keyreeve.Wire.Seal;
using Microsoft.Data.Sqlite;

namespace Keyreeve.Storage;

/// <summary>The look-up of a key request: the newest version of a record that is active now, with the wrapped key of its service.</summary>
internal static class ActiveKeys
{
    // The wrapped key of the service comes along: whether it is still the one that this node has unwrapped is seen without another look-up. Versions
    // alone are nobody's: the record's own row must be there, not removed and with all its versions moved.
    private static readonly Query Find = new($"""
        SELECT {Columns} FROM key_versions v
        LEFT JOIN service_keks k ON k.service_id = v.service_id AND k.version = v.kek_version
        WHERE v.service_id = @ServiceId AND v.identity_kind = @IdentityKind AND v.identity_value = @IdentityValue AND v.activates_at <= @Now
        AND EXISTS (SELECT 1 FROM key_records WHERE service_id = @ServiceId AND identity_kind = @IdentityKind AND identity_value = @IdentityValue AND removed_at = 0 AND length(sealed_payload) = 0)
        """, HasRecord: false);

    // What the first finds nothing for: no record, a removed one, none that is active, or one whose payload was not moved yet.
    private static readonly Query FindBehind = new($"""
        SELECT {Columns}, r.sealed_payload, r.updated_at, r.latest FROM key_records r
        LEFT JOIN key_versions v ON v.service_id = r.service_id AND v.identity_kind = r.identity_kind AND v.identity_value = r.identity_value AND v.activates_at <= @Now
        LEFT JOIN service_keks k ON k.service_id = v.service_id AND k.version = v.kek_version
        WHERE r.service_id = @ServiceId AND r.identity_kind = @IdentityKind AND r.identity_value = @IdentityValue AND r.removed_at = 0
        """, HasRecord: true);

    private const string Columns = $"v.number, v.activates_at, v.expires_at, v.created_at, v.kek_version, v.wrapped_key, v.ciphertext, k.root_version, k.wrapped_key, k.created_at, k.destroyed_at";

    private static readonly string[] Names = ["@ServiceId", "@IdentityKind", "@IdentityValue", "@Now"];

    public static async Task<FoundKey?> FindAsync(DbConnection connection, string serviceId, KmIdentity identity, long now, CancellationToken cancel)
    {
        var found = connection is SqliteConnection sqlite
            ? FindOnSqlite(sqlite, Find, serviceId, identity, now) ?? FindOnSqlite(sqlite, FindBehind, serviceId, identity, now)
            : await FindNewestAsync(connection, Find, serviceId, identity, now, cancel) ?? await FindNewestAsync(connection, FindBehind, serviceId, identity, now, cancel);
        // Over is over: what it has superseded does not come back.
        return found?.Version is { } last && !last.IsActive(now) ? new FoundKey(null, null) : found;
    }

    private static FoundKey? FindOnSqlite(SqliteConnection connection, Query query, string serviceId, KmIdentity identity, long now)
    {
        var row = SqliteStatement.On(connection, query.Sql, Names);
        try
        {
            row.Bind(0, serviceId);
            row.Bind(1, (long)identity.Kind);
            row.Bind(2, identity.Value);
            row.Bind(3, now);
            FoundKey? newest = null;
            while (row.Step())
                if (newest?.Version is not { } other || (other.ActivatesAt, other.Number).CompareTo((row.Number(1), row.Number(0))) < 0)
                    newest = Read(row, query, serviceId);
            return newest;
        }
        finally
        {
            row.Reset();
        }
    }

    private static async Task<FoundKey?> FindNewestAsync(DbConnection connection, Query query, string serviceId, KmIdentity identity, long now, CancellationToken cancel)
    {
        var find = Prepared.On(connection, query.Newest, Names);
        find.Parameters[0].Value = serviceId;
        find.Parameters[1].Value = (long)identity.Kind;
        find.Parameters[2].Value = identity.Value;
        find.Parameters[3].Value = now;
        await using var row = await find.ExecuteReaderAsync(cancel);
        return await row.ReadAsync(cancel) ? Read(new ReaderColumns(row), query, serviceId) : null;
    }

    private static FoundKey Read<T>(T row, Query query, string serviceId) where T : IColumns
    {
        // Not moved yet, or written by a node of the release before: newer than every version.
        if (query.HasRecord && row.Octets(11) is { Length: > 0 } legacy)
            return new(KeyVersionTable.Legacy(row.Number(13) + 1, row.Number(12), legacy), null);
        if (row.IsNull(0))
            return new(null, null);
        var version = KeyVersionTable.Read(row, 0);
        return new(version, row.IsNull(7) ? null : new ServiceKek
        {
            ServiceId = serviceId,
            Version = version.KekVersion,
            Root = row.Number(7),
            Wrapped = row.Octets(8),
            CreatedAt = row.Number(9),
            DestroyedAt = row.Number(10),
        });
    }

    /// <param name="Sql">For SQLite.</param>
    /// <param name="HasRecord">The columns of the record itself follow.</param>
    private sealed record Query(string Sql, bool HasRecord)
    {
        // PostgreSQL would send the payloads of all. SQLite reads what is asked for, and builds a table to sort one row in.
        public string Newest { get; } = Sql + " ORDER BY v.activates_at DESC, v.number DESC LIMIT 1";
    }
}
