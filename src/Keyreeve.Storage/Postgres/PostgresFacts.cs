using Npgsql;

namespace Keyreeve.Storage;

/// <summary>What a PostgreSQL server says of itself.</summary>
/// <param name="Version">As 150004.</param>
/// <param name="Encoding">Of the database.</param>
/// <param name="Schema">Where our tables are or will be; null when the role has none.</param>
/// <param name="MayCreate">The role may make tables there.</param>
/// <param name="IsStandby">It cannot be written.</param>
/// <param name="Fsync">What is acknowledged survives a power cut.</param>
/// <param name="IsSuperuser">The role may do more than it needs.</param>
/// <param name="IsEncrypted">The connection is under TLS.</param>
public sealed record PostgresFacts(int Version, string Encoding, string? Schema, bool MayCreate, bool IsStandby, bool Fsync, bool IsSuperuser, bool IsEncrypted)
{
    /// <summary>The oldest PostgreSQL that the SQL is tested on, as <see cref="Version"/>.</summary>
    public const int LeastVersion = 150000;

    /// <summary>Why the database cannot be used, with the cure; or null.</summary>
    public string? Refusal => this switch
    {
        { Version: < LeastVersion } => $"the database is PostgreSQL {Version / 10000}; it must be {LeastVersion / 10000} or newer",
        { Encoding: not "UTF8" } => $"the database's encoding is {Encoding}; make one with: CREATE DATABASE keyreeve ENCODING 'UTF8' TEMPLATE template0",
        { IsStandby: true } => "the database is a standby and cannot be written: name the primary in Storage:Connection, or all hosts separated by commas",
        { Schema: null } => "the role has no schema to make tables in; run: CREATE SCHEMA AUTHORIZATION CURRENT_USER, or make it the owner of the database",
        { MayCreate: false } => $"the role may not make tables in schema {Schema}; run as its owner: GRANT USAGE, CREATE ON SCHEMA {Schema} TO the role",
        _ => null,
    };

    internal static async Task<PostgresFacts> ReadAsync(NpgsqlConnection connection, CancellationToken cancel)
    {
        await using var command = connection.CreateCommand();
        command.CommandText = """
            SELECT current_setting('server_version_num')::int, current_setting('server_encoding'), current_schema()::text,
                   coalesce(has_schema_privilege(current_schema(), 'CREATE'), false), pg_is_in_recovery(), current_setting('fsync')::bool,
                   current_setting('is_superuser')::bool, coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false)
            """;
        await using var row = await command.ExecuteReaderAsync(cancel);
        await row.ReadAsync(cancel);
        return new(row.GetInt32(0), row.GetString(1), row.IsDBNull(2) ? null : row.GetString(2), row.GetBoolean(3), row.GetBoolean(4), row.GetBoolean(5), row.GetBoolean(6), row.GetBoolean(7));
    }
}
