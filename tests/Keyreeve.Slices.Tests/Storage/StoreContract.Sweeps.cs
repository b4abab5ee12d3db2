using Keyreeve.Core.Identity;
using Keyreeve.Core.Policy;
using Keyreeve.Core.Tokens;
using Keyreeve.Server.Sweeping;
using Keyreeve.Storage;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Keyreeve.Slices.Tests.Storage;

public abstract partial class StoreContract
{
    private static readonly long LongOver = (long)ClockJumps.Forgiven.TotalMilliseconds + 3_600_000;

    [Fact]
    public async Task A_sweep_deletes_what_has_expired_and_nothing_else()
    {
        var (count, end) = (3000, DatabaseNow - LongOver);
        await FillAsync(count, end);
        await FillAsync(3, DatabaseNow - 3_600_000); // over by the clock, which may have jumped
        await FillAsync(4, DatabaseNow + 3_600_000);
        var told = new Dictionary<string, int>();
        using var sweeper = new Sweeper(Stores, TimeProvider.System, NullLogger<Sweeper>.Instance) { Swept = (name, rows) => told[name] = told.GetValueOrDefault(name) + rows };
        Assert.Equal(3 * count, await sweeper.SweepAsync(None));
        Assert.Equal((count, count, count), (told["codes"], told["refresh_families"], told["sessions"]));
        Assert.Equal((7, 7, 7), (await CountAsync("authorization_codes"), await CountAsync("refresh_families"), await CountAsync("login_sessions")));
        Assert.Equal(0, await sweeper.SweepAsync(None));
    }

    [Fact]
    public async Task Sweeps_at_once_delete_each_row_once_while_others_write()
    {
        await FillAsync(2000, DatabaseNow - LongOver);
        var sweep = Stores.Sweeps.Single(s => s.Name == "refresh_families");
        var deleted = await AtOnceAsync(8, async i =>
        {
            var rows = 0;
            for (SweepStep step; (step = await sweep.RunAsync(TimeProvider.System.GetUtcNow(), 100, None)).Rows > 0; rows += step.Rows)
                await PutAsync(Database, $"{i} {rows}");
            return rows;
        });
        // Rows that another sweep holds are skipped: who finds none may be done before the last ones are deleted, by the other one.
        Assert.Equal(2000, deleted.Sum());
        Assert.Equal(0, await CountAsync("refresh_families"));
    }

    [Fact]
    public async Task Keys_of_this_and_of_the_release_before_are_swept_alike()
    {
        var over = DatabaseNow - LongOver;
        var at = DateTimeOffset.FromUnixTimeMilliseconds(over);
        for (var i = 0; i < 20; i++)
        {
            var older = i % 2 == 0;
            var code = Samples.Code($"{i}") with { Hash = older ? Samples.Hash($"{i}") : OpaqueToken.GenerateAt(at).Key, ExpiresAt = over / 1000 };
            var family = Samples.Family(older ? $"older {i}" : RefreshToken.NewFamilyId(at)) with { IdleExpiresAt = over, AbsoluteExpiresAt = over };
            await Stores.Grants.AddCodeAsync(code, Entry(), None);
            Assert.True(await Stores.Grants.RedeemCodeAsync(code.Hash, Now, family, Entry(), None));
            Assert.NotEqual(0, (await Stores.Grants.FindCodeAsync(code.Hash, None))!.RedeemedAt);
            Assert.True(await Stores.Grants.RotateAsync(Samples.Rotated(family, "next"), Entry(), None));
        }
        using var sweeper = new Sweeper(Stores, TimeProvider.System, NullLogger<Sweeper>.Instance);
        Assert.Equal(40, await sweeper.SweepAsync(None));
        Assert.Equal((0, 0), (await CountAsync("authorization_codes"), await CountAsync("refresh_families")));
    }

    [Fact]
    public async Task Families_of_a_user_are_found_whenever_they_end()
    {
        var (alice, bob) = (Samples.User(), Samples.User("bob"));
        const long Hour = 3_600_000;
        // From one that ended long ago to one that never will; some hours have none, some have several.
        long[] ends = [1, Hour, NowMs - 1, NowMs, NowMs, NowMs + 1, NowMs + Hour, NowMs + Hour + 1, NowMs + 50 * Hour, NowMs + 2160 * Hour, long.MaxValue];
        foreach (var (end, i) in ends.Select((end, i) => (end, i)))
            foreach (var user in (User[])[alice, bob])
                await AddFamilyAsync(Samples.Family($"{user.Subject} {i}") with { Subject = user.Subject, ClientId = "client", IdleExpiresAt = end, AbsoluteExpiresAt = end });
        Assert.Equal(ends.Count(end => end > NowMs), (await Stores.Grants.ListFamiliesAsync(alice.Subject, NowMs, None)).Count);
        Assert.Equal(ends.Length, (await Stores.Grants.ListFamiliesAsync(alice.Subject, 0, None)).Count);
        Assert.Empty(await Stores.Grants.ListFamiliesAsync("nobody", 0, None));
        Assert.Equal(ends.Length, await Stores.Grants.EndAccessAsync(alice.Subject, "client", NowMs, id => OfGrant(id), OfGrant("none"), Entry(), None));
        Assert.Empty(await Stores.Grants.ListFamiliesAsync(alice.Subject, 0, None));
        Assert.Equal(ends.Length, (await Stores.Grants.ListFamiliesAsync(bob.Subject, 0, None)).Count);
        await AddUserAsync(bob);
        Assert.True(await Stores.Directory.RemoveUserAsync(bob.Subject, Entry(), None));
        Assert.Equal(ends.Length, await CountAsync("refresh_families"));
    }

    private Task<long> CountAsync(string table) => Database.ReadAsync(connection => Dapper.SqlMapper.ExecuteScalarAsync<long>(connection, "SELECT count(*) FROM " + table), None);

    /// <summary>Codes, families and sessions that end at a moment (Unix milliseconds).</summary>
    private Task<bool> FillAsync(int count, long end) => Database.WriteAsync(async unit =>
    {
        for (var i = 0; i < count; i++)
        {
            var row = new { Id = $"{end} {i}", Hash = Samples.Hash($"{end} {i}"), End = end, EndSeconds = end / 1000 };
            await unit.ExecuteAsync("""
                INSERT INTO authorization_codes (hash, client_id, subject, redirect_uri, redirect_uri_sent, scope, auth_time, acr, amr, grant_id, expires_at, redeemed_at)
                VALUES (@Hash, 'c', 's', 'u', 1, 'openid', 0, 'a', 'pwd', @Id, @EndSeconds, 0)
                """, row);
            await unit.ExecuteAsync("""
                INSERT INTO refresh_families (family_id, client_id, subject, scope, auth_time, acr, amr, generation, current_hash, rotated_at, reuses, idle_expires_at, absolute_expires_at, ended_at)
                VALUES (@Id, 'c', 's', 'openid', 0, 'a', 'pwd', 1, @Hash, 0, 0, @End, @End, 0)
                """, row);
            await unit.ExecuteAsync("""
                INSERT INTO login_sessions (hash, session_id, subject, security_stamp, auth_time, acr, amr, expires_at) VALUES (@Hash, @Id, 's', 'x', 0, 'a', 'pwd', @End)
                """, row);
        }
        return true;
    }, None);
}
