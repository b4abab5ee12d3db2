using System.Data.Common;
using Dapper;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Keys;
using Keyreeve.Seal;
using Keyreeve.Wire.Seal;

namespace Keyreeve.Storage;

/// <summary>
/// The columns that hold what the KEK sealed: which KEKs a store needs, and whether what is in it opens. (<c>refresh_families.sealed_successor</c> is
/// not among them: it opens for the presenter of the token alone.)
/// </summary>
public static class SealedColumns
{
    private static readonly (string Table, string Column)[] All = [("sealed_values", "value"), ("signing_keys", "sealed_private_key"), ("key_records", "sealed_payload"), ("totp_secrets", "sealed_secret")];

    /// <summary>Table and column of each.</summary>
    public static IReadOnlyList<(string Table, string Column)> Known => All;

    /// <summary>True when the KEK opens what the key of this ID sealed.</summary>
    public static bool Knows(Kek kek, string id) => kek.Id == id;

    /// <summary>IDs of the KEKs, in order. A value that is not sealed at all counts as sealed by "?".</summary>
    public static async Task<IReadOnlyList<string>> KeksAsync(DbConnection connection, DbTransaction? transaction, CancellationToken cancel)
    {
        var ids = new SortedSet<string>(StringComparer.Ordinal);
        foreach (var (table, column) in All)
            foreach (var head in await connection.QueryAsync<byte[]>(new CommandDefinition($"SELECT DISTINCT substr({column}, 1, 9) FROM {table}", transaction: transaction, commandTimeout: 0, cancellationToken: cancel)))
                ids.Add(Kek.IdOf(head) ?? "?");
        return [.. ids];
    }

    /// <summary>Opens every value; returns the name of the first that does not open, or null.</summary>
    public static async Task<string?> FirstClosedAsync(DbConnection connection, Kek kek, CancellationToken cancel)
    {
        foreach (var (sql, purpose) in Statements)
        {
            await using var command = connection.CreateCommand();
            command.CommandText = sql;
            command.CommandTimeout = 0;
            await using var rows = await command.ExecuteReaderAsync(cancel);
            while (await rows.ReadAsync(cancel))
            {
                var name = purpose(rows);
                if (!kek.TryOpen(name, rows.GetFieldValue<byte[]>(0), out var opened))
                    return name;
                System.Security.Cryptography.CryptographicOperations.ZeroMemory(opened);
            }
        }
        return null;
    }

    private static readonly (string Sql, Func<DbDataReader, string> Purpose)[] Statements =
    [
        ("SELECT value, name FROM sealed_values", row => row.GetString(1)),
        ("SELECT sealed_private_key, key_id FROM signing_keys", row => $"signing_keys/{row.GetString(1)}"),
        ("SELECT sealed_secret, subject FROM totp_secrets", row => TotpSecret.Purpose(row.GetString(1))),
        ("SELECT sealed_payload, service_id, identity_kind, identity_value FROM key_records",
            row => KeyRecord.Purpose(row.GetString(1), new KmIdentity((KmIdentityKind)row.GetInt64(2), row.GetString(3)))),
    ];
}
