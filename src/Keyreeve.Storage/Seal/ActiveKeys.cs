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
        WHERE v.service_id = @ServiceId AND v.identity_kind = @IdentityKind AND v.identity_value = @IdentityValue
        AND EXISTS (SELECT 1 FROM key_records WHERE service_id = @ServiceId AND identity_kind = @IdentityKind AND identity_value = @IdentityValue AND removed_at = 0 AND length(sealed_payload) = 0)
        """, " AND v.activates_at <= @Now", HasRecord: false);

    // What the first finds nothing for: no record, a removed one, none that is active, or one whose payload was not moved yet.
    private static readonly Query FindBehind = new($"""
        SELECT {Columns}, r.sealed_payload, r.updated_at, r.latest FROM key_records r
        LEFT JOIN key_versions v ON v.service_id = r.service_id AND v.identity_kind = r.identity_kind AND v.identity_value = r.identity_value AND v.activates_at <= @Now
        LEFT JOIN service_keks k ON k.service_id = v.service_id AND k.version = v.kek_version
        WHERE r.service_id = @ServiceId AND r.identity_kind = @IdentityKind AND r.identity_value = @IdentityValue AND r.removed_at = 0
        """, "", HasRecord: true);

    private const string Columns = $"v.number, v.activates_at, v.expires_at, v.created_at, v.kek_version, v.wrapped_key, v.ciphertext, k.root_version, k.wrapped_key, k.created_at, k.destroyed_at";

    // Of every record, a page after a given one.
    private const string Page = $"""
        SELECT {Columns}, v.service_id, v.identity_kind, v.identity_value FROM key_versions v
        LEFT JOIN service_keks k ON k.service_id = v.service_id AND k.version = v.kek_version
        WHERE (v.service_id, v.identity_kind, v.identity_value) > (@ServiceId, @IdentityKind, @IdentityValue)
        AND EXISTS (SELECT 1 FROM key_records r WHERE r.service_id = v.service_id AND r.identity_kind = v.identity_kind AND r.identity_value = v.identity_value
            AND r.removed_at = 0 AND length(r.sealed_payload) = 0)
        ORDER BY v.service_id, v.identity_kind, v.identity_value, v.number LIMIT @Limit
        """;

    private static readonly string[] Names = ["@ServiceId", "@IdentityKind", "@IdentityValue", "@Now"];

    /// <summary>The look-up, and whatever is in memory instead.</summary>
    public static Task<FoundKey?> FindAsync(IDatabase database, string serviceId, KmIdentity identity, long now, CancellationToken cancel)
    {
        var remembered = database.Remembered;
        if (remembered?.Find(serviceId, identity, now) is { } known)
            return Task.FromResult<FoundKey?>(known);
        return database.ReadAsync(connection => FindAsync(connection, remembered, serviceId, identity, now, cancel), cancel);
    }

    /// <summary>Remembers a page of records, those after a given one; null when there are no more.</summary>
    /// <exception cref="InvalidOperationException">The engine remembers nothing.</exception>
    public static Task<(string ServiceId, KmIdentity Identity)?> RememberAsync(IDatabase database, (string ServiceId, KmIdentity Identity) after, int limit, CancellationToken cancel)
    {
        var remembered = database.Remembered ?? throw new InvalidOperationException("other nodes write too");
        return database.ReadAsync(connection => Task.FromResult(RememberOnSqlite((SqliteConnection)connection, remembered, after, limit, database.Clock.GetUtcNow().ToUnixTimeSeconds())), cancel);
    }

    private static async Task<FoundKey?> FindAsync(DbConnection connection, RememberedKeys? remembered, string serviceId, KmIdentity identity, long now, CancellationToken cancel)
    {
        var found = connection is SqliteConnection sqlite
            ? FindOnSqlite(sqlite, remembered, serviceId, identity, now)
            : await FindNewestAsync(connection, Find, serviceId, identity, now, cancel) ?? await FindNewestAsync(connection, FindBehind, serviceId, identity, now, cancel);
        // Over is over: what it has superseded does not come back.
        return found?.Version is { } last && !last.IsActive(now) ? new FoundKey(null, null) : found;
    }

    private static FoundKey? FindOnSqlite(SqliteConnection connection, RememberedKeys? remembered, string serviceId, KmIdentity identity, long now)
    {
        var generation = remembered?.Generation ?? 0;
        var newest = FindOnSqlite(connection, Find, serviceId, identity, now, out var waits);
        if (newest is null)
            return FindOnSqlite(connection, FindBehind, serviceId, identity, now, out _);
        if (!waits && newest is { Version: { } version, Kek: { } kek })
            remembered?.Remember(serviceId, identity, version, kek, generation, asked: true);
        return newest;
    }

    /// <param name="connection">Of a reader.</param>
    /// <param name="query">Which.</param>
    /// <param name="serviceId">VAL service ID.</param>
    /// <param name="identity">The identity beside it.</param>
    /// <param name="now">Unix seconds.</param>
    /// <param name="waits">Another version will be active later.</param>
    private static FoundKey? FindOnSqlite(SqliteConnection connection, Query query, string serviceId, KmIdentity identity, long now, out bool waits)
    {
        var names = Names.AsSpan(0, query.HasRecord ? 4 : 3);
        var row = SqliteStatement.On(connection, query.Sql, names);
        waits = false;
        try
        {
            row.Bind(0, serviceId);
            row.Bind(1, (long)identity.Kind);
            row.Bind(2, identity.Value);
            if (query.HasRecord)
                row.Bind(3, now);
            FoundKey? newest = null;
            while (row.Step())
                if (!query.HasRecord && row.Number(1) > now)
                    waits = true;
                else if (IsNewer(row, newest))
                    newest = Read(row, query, serviceId);
            return newest;
        }
        finally
        {
            row.Reset();
        }
    }

    private static (string ServiceId, KmIdentity Identity)? RememberOnSqlite(SqliteConnection connection, RememberedKeys remembered, (string ServiceId, KmIdentity Identity) after, int limit, long now)
    {
        var generation = remembered.Generation;
        var row = SqliteStatement.On(connection, Page, "@ServiceId", "@IdentityKind", "@IdentityValue", "@Limit");
        try
        {
            row.Bind(0, after.ServiceId);
            row.Bind(1, (long)after.Identity.Kind);
            row.Bind(2, after.Identity.Value);
            row.Bind(3, limit);
            // The record whose versions pass, and the one before it.
            var (rows, at, before, waits) = (0, after, after, false);
            FoundKey? newest = null;
            for (; row.Step(); rows++)
            {
                var one = (row.Text(11), new KmIdentity((KmIdentityKind)row.Number(12), row.Text(13)));
                if (one != at)
                {
                    Keep();
                    (before, at, newest, waits) = (at, one, null, false);
                }
                if (row.Number(1) > now)
                    waits = true;
                else if (IsNewer(row, newest))
                    newest = Read(row, Find, at.ServiceId);
            }
            // The last of a full page may go on behind it; one that fills it alone is looked up when it is asked for.
            if (rows == limit)
                return before == after ? at : before;
            Keep();
            return null;

            void Keep()
            {
                if (!waits && newest is { Version: { } version, Kek: { } kek })
                    remembered.Remember(at.ServiceId, at.Identity, version, kek, generation, asked: false);
            }
        }
        finally
        {
            row.Reset();
        }
    }

    private static bool IsNewer(SqliteStatement row, FoundKey? newest) =>
        newest?.Version is not { } other || (other.ActivatesAt, other.Number).CompareTo((row.Number(1), row.Number(0))) < 0;

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
    /// <param name="Active">What leaves out versions that wait; empty when the text does.</param>
    /// <param name="HasRecord">The columns of the record itself follow.</param>
    private sealed record Query(string Sql, string Active, bool HasRecord)
    {
        // PostgreSQL would send the payloads of all. SQLite reads what is asked for, and builds a table to sort one row in.
        public string Newest { get; } = Sql + Active + " ORDER BY v.activates_at DESC, v.number DESC LIMIT 1";
    }
}
