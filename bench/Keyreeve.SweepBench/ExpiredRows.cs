using System.Data.Common;
using System.Security.Cryptography;
using Keyreeve.Core.Tokens;
using Keyreeve.Storage;

namespace Keyreeve.Bench.Sweeping;

/// <summary>
/// Fills a stopped server's database: expired families and codes in masses, and live ones for the load. As in life: 100,000 users log
/// in one after the other, five each second, and each login leaves a redeemed code and a family; nine families of ten were never
/// refreshed and end in the order in which they began, the tenth was used for some days and ends among later ones.
/// </summary>
internal static class ExpiredRows
{
    private const int Users = 100_000;
    private const int Clients = 20;

    /// <summary>Milliseconds from one login to the next.</summary>
    private const long Apart = 200;

    private const long Day = 24 * 3600 * 1000;

    /// <summary>Idle and absolute life of a family, as the product has them by default.</summary>
    private const long Idle = 14 * Day, Absolute = 90 * Day;

    /// <summary>How long a family in ten was used, at most.</summary>
    private const long Used = 3 * Day;

    /// <summary>Logins in one transaction.</summary>
    private const int Chunk = 50_000;

    private const string InsertFamily = """
        INSERT INTO refresh_families (family_id, client_id, subject, scope, auth_time, acr, amr, session_id, generation, current_hash,
                                      previous_hash, sealed_successor, started_at, rotated_at, reuses, idle_expires_at, absolute_expires_at, ended_at)
        VALUES (@id, @client, @subject, 'openid val:pump-control', @at, 'urn:keyreeve:password', 'pwd', @session, 1, @hash, NULL, NULL, @at, @at, 0, @end, @last, 0)
        """;

    private const string InsertCode = """
        INSERT INTO authorization_codes (hash, client_id, subject, redirect_uri, redirect_uri_sent, challenge, nonce, scope, auth_time, acr, amr,
                                         grant_id, session_id, expires_at, redeemed_at)
        VALUES (@hash, @client, @subject, 'http://127.0.0.1:8400/callback', 1, @challenge, 'n-0123456789abcdef', 'openid val:pump-control', @at,
                'urn:keyreeve:password', 'pwd', @id, @session, @end, @redeemed)
        """;

    /// <summary>Rows in the order of their time, whose last one has ended a day ago.</summary>
    public static async Task AddExpiredAsync(IDatabase database, long rows, bool randomKeys, Action<long> progress)
    {
        var logins = rows / 2;
        var first = database.Clock.GetUtcNow().ToUnixTimeMilliseconds() - Day - Used - Idle - logins * Apart;
        var subjects = Enumerable.Range(0, Users).Select(_ => "u-" + RefreshToken.NewFamilyId(database.Clock.GetUtcNow())).ToArray();
        var clients = Enumerable.Range(0, Clients).Select(i => $"client-{i}").ToArray();
        for (var done = 0L; done < logins; done += Chunk)
        {
            var (from, to) = (done, Math.Min(done + Chunk, logins));
            await database.WriteAsync(unit =>
            {
                using var family = new Insert(unit, InsertFamily, "@id", "@client", "@subject", "@session", "@hash", "@at", "@end", "@last");
                using var code = new Insert(unit, InsertCode, "@hash", "@client", "@subject", "@challenge", "@at", "@id", "@session", "@end", "@redeemed");
                for (var i = from; i < to; i++)
                {
                    var began = first + i * Apart;
                    var at = DateTimeOffset.FromUnixTimeMilliseconds(began);
                    var (client, subject) = (clients[RandomNumberGenerator.GetInt32(Clients)], subjects[RandomNumberGenerator.GetInt32(Users)]);
                    var id = randomKeys ? RandomId() : RefreshToken.NewFamilyId(at);
                    var key = randomKeys ? RandomNumberGenerator.GetBytes(32) : OpaqueToken.GenerateAt(at).Key;
                    code.Run(key, client, subject, Load.Challenge, began, id, id, began / 1000 + 60, began / 1000);
                    family.Run(id, client, subject, id, RandomNumberGenerator.GetBytes(32), began, began + Idle + (i % 10 == 9 ? RandomNumberGenerator.GetInt32((int)Used) : 0), began + Absolute);
                }
                return Task.FromResult(true);
            }, CancellationToken.None);
            progress(2 * to);
        }
    }

    /// <summary>Families whose tokens can be used; returns the tokens.</summary>
    public static async Task<List<RefreshToken>> AddLiveFamiliesAsync(IDatabase database, string subject, int count)
    {
        var now = database.Clock.GetUtcNow();
        var tokens = Enumerable.Range(0, count).Select(_ => new RefreshToken(RefreshToken.NewFamilyId(now), OpaqueToken.Generate())).ToList();
        var at = now.ToUnixTimeMilliseconds();
        await database.WriteAsync(unit =>
        {
            using var family = new Insert(unit, InsertFamily, "@id", "@client", "@subject", "@session", "@hash", "@at", "@end", "@last");
            foreach (var token in tokens)
                family.Run(token.FamilyId, "seal-client", subject, token.FamilyId, token.Secret.Hash, at, at + Idle, at + Absolute);
            return Task.FromResult(true);
        }, CancellationToken.None);
        return tokens;
    }

    /// <summary>Codes that can be redeemed within a day; returns them.</summary>
    public static async Task<List<OpaqueToken>> AddLiveCodesAsync(IDatabase database, string subject, int count)
    {
        var now = database.Clock.GetUtcNow();
        var codes = Enumerable.Range(0, count).Select(_ => OpaqueToken.GenerateAt(now)).ToList();
        await database.WriteAsync(unit =>
        {
            using var insert = new Insert(unit, InsertCode, "@hash", "@client", "@subject", "@challenge", "@at", "@id", "@session", "@end", "@redeemed");
            foreach (var code in codes)
                insert.Run(code.Key, "seal-client", subject, Load.Challenge, now.ToUnixTimeMilliseconds(), RefreshToken.NewFamilyId(now), "session", now.AddDays(1).ToUnixTimeSeconds(), 0L);
            return Task.FromResult(true);
        }, CancellationToken.None);
        return codes;
    }

    private static string RandomId() => System.Buffers.Text.Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(16));

    /// <summary>A statement that is parsed once for a transaction.</summary>
    private sealed class Insert : IDisposable
    {
        private readonly DbCommand _command;

        public Insert(UnitOfWork unit, string sql, params ReadOnlySpan<string> names)
        {
            _command = unit.Connection.CreateCommand();
            _command.CommandText = sql;
            _command.Transaction = unit.Transaction;
            foreach (var name in names)
            {
                var parameter = _command.CreateParameter();
                parameter.ParameterName = name;
                _command.Parameters.Add(parameter);
            }
        }

        public void Run(params ReadOnlySpan<object> values)
        {
            for (var i = 0; i < values.Length; i++)
                _command.Parameters[i].Value = values[i];
            _command.ExecuteNonQuery();
        }

        public void Dispose() => _command.Dispose();
    }
}
