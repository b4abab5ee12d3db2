using System.Buffers.Text;
using System.Security.Cryptography;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Tokens;
using Keyreeve.Storage;

namespace Keyreeve.Bench.Sweeping;

/// <summary>Fills a stopped server's database: expired families and codes in masses, and live ones for the load.</summary>
internal static class ExpiredRows
{
    /// <summary>Rows in one transaction.</summary>
    private const int Chunk = 20_000;

    private const string InsertFamily = """
        INSERT INTO refresh_families (family_id, client_id, subject, scope, auth_time, acr, amr, session_id, generation, current_hash,
                                      previous_hash, sealed_successor, rotated_at, reuses, idle_expires_at, absolute_expires_at, ended_at)
        VALUES (@id, @client, @subject, 'openid val:pump-control', @at, 'urn:keyreeve:password', 'pwd', NULL, 1, @hash, NULL, NULL, @at, 0, @end, @end, 0)
        """;

    private const string InsertCode = """
        INSERT INTO authorization_codes (hash, client_id, subject, redirect_uri, redirect_uri_sent, challenge, nonce, scope, auth_time, acr, amr,
                                         grant_id, session_id, expires_at, redeemed_at)
        VALUES (@hash, @client, @subject, 'http://127.0.0.1:8400/callback', 1, @challenge, 'n-0123456789abcdef', 'openid val:pump-control', @at,
                'urn:keyreeve:password', 'pwd', @id, NULL, @end, @redeemed)
        """;

    /// <summary>Half of the rows are codes, half are families; keys and users are random, ends follow each other, as in life.</summary>
    public static async Task AddExpiredAsync(IDatabase database, long rows, Action<long> progress)
    {
        var end = database.Clock.GetUtcNow().AddDays(-30).ToUnixTimeMilliseconds();
        var subjects = Enumerable.Range(0, 100_000).Select(_ => "u-" + NewId()).ToArray();
        for (var done = 0L; done < rows; done += Chunk)
        {
            var from = done;
            await database.WriteAsync(async unit =>
            {
                for (var i = from; i < Math.Min(from + Chunk, rows); i += 2)
                {
                    var subject = subjects[RandomNumberGenerator.GetInt32(subjects.Length)];
                    await AddFamilyAsync(unit, NewId(), $"client-{i % 20}", subject, RandomNumberGenerator.GetBytes(32), end + i);
                    await AddCodeAsync(unit, RandomNumberGenerator.GetBytes(32), $"client-{i % 20}", subject, NewId(), (end + i) / 1000, redeemed: 1);
                }
                return true;
            }, CancellationToken.None);
            progress(Math.Min(from + Chunk, rows));
        }
    }

    /// <summary>Families whose tokens can be used; returns the tokens.</summary>
    public static async Task<List<RefreshToken>> AddLiveFamiliesAsync(IDatabase database, string subject, int count)
    {
        var tokens = Enumerable.Range(0, count).Select(_ => new RefreshToken(NewId(), OpaqueToken.Generate())).ToList();
        var end = database.Clock.GetUtcNow().AddDays(10).ToUnixTimeMilliseconds();
        await database.WriteAsync(async unit =>
        {
            foreach (var token in tokens)
                await AddFamilyAsync(unit, token.FamilyId, "seal-client", subject, token.Secret.Hash, end);
            return true;
        }, CancellationToken.None);
        return tokens;
    }

    /// <summary>Codes that can be redeemed; returns them.</summary>
    public static async Task<List<OpaqueToken>> AddLiveCodesAsync(IDatabase database, string subject, int count)
    {
        var codes = Enumerable.Range(0, count).Select(_ => OpaqueToken.Generate()).ToList();
        var end = database.Clock.GetUtcNow().AddDays(1).ToUnixTimeSeconds();
        await database.WriteAsync(async unit =>
        {
            foreach (var code in codes)
                await AddCodeAsync(unit, code.Hash, "seal-client", subject, NewId(), end, redeemed: 0);
            return true;
        }, CancellationToken.None);
        return codes;
    }

    /// <summary>Where the sweep is.</summary>
    public static Task<(bool Begun, bool Done)> LookAsync(IDatabase database, long firstCodeEnd) => database.ReadAsync(async connection =>
    {
        var now = database.Clock.GetUtcNow();
        using var command = connection.CreateCommand();
        command.CommandText = "SELECT (SELECT min(expires_at) FROM authorization_codes), (SELECT min(idle_expires_at) FROM refresh_families)";
        await using var reader = await command.ExecuteReaderAsync();
        await reader.ReadAsync();
        var (code, family) = (await reader.IsDBNullAsync(0) ? long.MaxValue : reader.GetInt64(0), await reader.IsDBNullAsync(1) ? long.MaxValue : reader.GetInt64(1));
        return (code != firstCodeEnd, code > now.AddHours(-1).ToUnixTimeSeconds() && family > now.ToUnixTimeMilliseconds());
    }, CancellationToken.None);

    /// <summary>The end of the oldest code.</summary>
    public static Task<long> FirstCodeEndAsync(IDatabase database) => database.ReadAsync(async connection =>
    {
        using var command = connection.CreateCommand();
        command.CommandText = "SELECT min(expires_at) FROM authorization_codes";
        return Convert.ToInt64(await command.ExecuteScalarAsync(), System.Globalization.CultureInfo.InvariantCulture);
    }, CancellationToken.None);

    private static Task AddFamilyAsync(UnitOfWork unit, string id, string client, string subject, byte[] hash, long end) =>
        RunAsync(unit, InsertFamily, ("@id", id), ("@client", client), ("@subject", subject), ("@at", unit.Now), ("@hash", hash), ("@end", end));

    private static Task AddCodeAsync(UnitOfWork unit, byte[] hash, string client, string subject, string id, long end, long redeemed) =>
        RunAsync(unit, InsertCode, ("@hash", hash), ("@client", client), ("@subject", subject), ("@challenge", Load.Challenge), ("@at", unit.Now), ("@id", id),
            ("@end", end), ("@redeemed", redeemed));

    private static readonly System.Runtime.CompilerServices.ConditionalWeakTable<System.Data.Common.DbConnection, Dictionary<string, System.Data.Common.DbCommand>> Kept = [];

    /// <summary>Each statement is parsed once a connection.</summary>
    private static async Task RunAsync(UnitOfWork unit, string sql, params (string Name, object Value)[] values)
    {
        var known = Kept.GetOrCreateValue(unit.Connection);
        if (!known.TryGetValue(sql, out var command))
        {
            command = unit.Connection.CreateCommand();
            command.CommandText = sql;
            foreach (var (name, _) in values)
            {
                var parameter = command.CreateParameter();
                parameter.ParameterName = name;
                command.Parameters.Add(parameter);
            }
            known.Add(sql, command);
        }
        command.Transaction = unit.Transaction;
        for (var i = 0; i < values.Length; i++)
            command.Parameters[i].Value = values[i].Value;
        await command.ExecuteNonQueryAsync();
    }

    private static string NewId() => Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(17))[..22];
}
