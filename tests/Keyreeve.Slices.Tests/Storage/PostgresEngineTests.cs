using Keyreeve.Core.Audit;
using Keyreeve.Core.Tokens;
using Keyreeve.Storage;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Slices.Tests.Storage;

/// <summary>What is PostgreSQL's alone: two nodes on one database, and what keeps their writes apart.</summary>
public sealed class PostgresEngineTests : IAsyncLifetime
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly List<PostgresEngine> _engines = [];
    private TestPostgres _postgres = null!;
    private string _database = "";
    private PostgresEngine _one = null!;
    private PostgresEngine _two = null!;

    private static CancellationToken None => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _postgres = await TestPostgres.SharedAsync();
        _database = await _postgres.NewDatabaseAsync();
        // Both at once, on an empty database.
        var both = await Task.WhenAll(OpenAsync("one"), OpenAsync("two"));
        (_one, _two) = (both[0], both[1]);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var engine in _engines)
            await engine.DisposeAsync();
        if (_database.Length > 0)
            await _postgres.DropAsync(_database);
    }

    private async Task<PostgresEngine> OpenAsync(string node)
    {
        var engine = await PostgresStoreContract.OpenAsync(_database, node);
        lock (_engines)
            _engines.Add(engine);
        return engine;
    }

    private PostgresEngine Either(int i) => i % 2 == 0 ? _one : _two;

    private static AuditEntry Entry(string kind = "test.change") => new() { Kind = kind, Outcome = AuditOutcome.Changed, At = 1, Actor = "system" };

    private static Task<T[]> AtOnceAsync<T>(int times, Func<int, Task<T>> call) => Task.WhenAll(Enumerable.Range(0, times).Select(i => Task.Run(() => call(i))));

    private static Task<int> PutAsync(IDatabase database, string name) => database.WriteAsync(unit =>
        unit.ExecuteAsync("INSERT INTO sealed_values (name, value) VALUES (@Name, @Value)", new { Name = name, Value = new byte[1] }), CancellationToken.None);

    /// <summary>Waits inside a write until released. The engine may run the work again, so every step may happen twice.</summary>
    private static (Task Entered, TaskCompletionSource Release, Task Done) Hold(IDatabase database, bool alone)
    {
        var entered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var release = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Func<UnitOfWork, Task<int>> work = async _ =>
        {
            entered.TrySetResult();
            await release.Task;
            return 0;
        };
        return (entered.Task, release, alone ? database.WriteAsync(work, CancellationToken.None) : database.WriteSharedAsync(work, CancellationToken.None));
    }

    [Fact]
    public async Task A_code_is_redeemed_once_however_many_try_on_both_nodes()
    {
        await new Stores(_one).Grants.AddCodeAsync(Samples.Code(), Entry(), None);
        var redeemed = await AtOnceAsync(60, i => new Stores(Either(i)).Grants.RedeemCodeAsync(Samples.Hash("code"), Samples.Now, Samples.Family($"family {i}"), Entry("code.redeemed"), None));
        Assert.Single(redeemed, won => won);
        var families = await _two.ReadAsync(connection => Dapper.SqlMapper.QuerySingleAsync<long>(connection, "SELECT count(*) FROM refresh_families"), None);
        Assert.Equal(1, families);
    }

    [Fact]
    public async Task Of_rotations_on_both_nodes_one_wins_and_reuse_is_counted_to_the_limit()
    {
        var grants = new Stores(_one).Grants;
        await grants.AddCodeAsync(Samples.Code(), Entry(), None);
        Assert.True(await grants.RedeemCodeAsync(Samples.Hash("code"), Samples.Now, Samples.Family(), Entry(), None));
        var family = (await grants.FindFamilyAsync("family", None))!;
        var rotated = await AtOnceAsync(30, i => new Stores(Either(i)).Grants.RotateAsync(Samples.Rotated(family, $"token {i}"), Entry(), None));
        Assert.Single(rotated, won => won);
        Assert.Equal(1, (await grants.FindFamilyAsync("family", None))!.Generation);
        var counted = await AtOnceAsync(30, i => new Stores(Either(i)).Grants.CountReuseAsync("family", 1, 7, Entry(), None));
        Assert.Equal(7, counted.Count(yes => yes));
    }

    [Fact]
    public async Task Each_node_has_a_chain_and_both_hold_whatever_was_written_at_once()
    {
        await AtOnceAsync(200, async i =>
        {
            var stores = new Stores(Either(i));
            if (i % 3 == 0)
                await stores.Revocations.AddAsync([new(RevocationKind.JwtId, $"jti {i}", 1, 100), new(RevocationKind.Client, "same", i, 100)], Entry(), None);
            else if (i % 5 == 0)
                await stores.Directory.SaveUserAsync(Samples.User($"user {i}"), create: true, null, Entry(), None);
            else
                await stores.Audit.AppendAsync([Entry(), Entry()], None);
            return 0;
        });
        var audit = new Stores(_one).Audit;
        Assert.Null((await AuditVerification.WalkAsync(audit, None)).BrokenAt);
        Assert.Equal(["one", "two"], (await audit.HeadsAsync(None)).Select(head => head.Node));
    }

    [Fact]
    public async Task Revocations_of_both_nodes_carry_versions_that_nobody_misses()
    {
        // Reads what is new, as a node does, while both add: each entry is seen exactly by its version.
        var seen = new HashSet<string>();
        var version = 0L;
        var stores = new Stores(_one);
        async Task FollowAsync()
        {
            var now = (await stores.Changes.ReadAsync(None)).GetValueOrDefault(Core.Snapshots.Topic.Revocations);
            foreach (var entry in await stores.Revocations.LoadAsync(version, 0, None))
                seen.Add(entry.Value);
            version = now;
        }
        var adding = AtOnceAsync(200, async i =>
        {
            await new Stores(Either(i)).Revocations.AddAsync([new(RevocationKind.JwtId, $"jti {i}", 1, 100)], Entry(), None);
            return 0;
        });
        while (!adding.IsCompleted)
            await FollowAsync();
        await adding;
        await FollowAsync();
        Assert.Equal(200, seen.Count);
        Assert.Equal(200, version);
    }

    [Fact]
    public async Task Writes_that_only_compare_and_set_run_side_by_side()
    {
        var (entered, release, done) = Hold(_one, alone: false);
        await entered;
        await new Stores(_two).Audit.AppendAsync([Entry()], None).WaitAsync(Patience, None);
        release.SetResult();
        await done;
    }

    [Theory]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(true, true)]
    public async Task A_write_alone_has_no_other_in_between(bool first, bool second)
    {
        var (entered, release, done) = Hold(_one, first);
        await entered;
        var released = false;
        Func<UnitOfWork, Task<bool>> look = _ => Task.FromResult(Volatile.Read(ref released));
        var other = second ? _two.WriteAsync(look, None) : _two.WriteSharedAsync(look, None);
        // Long enough that a write that does not wait would be through.
        await Task.WhenAny(other, Task.Delay(TimeSpan.FromMilliseconds(300), None));
        Volatile.Write(ref released, true);
        release.SetResult();
        await done;
        Assert.True(await other);
    }

    [Fact]
    public async Task A_code_is_not_added_to_a_login_that_another_node_ends()
    {
        var user = Samples.User();
        Assert.True((await new Stores(_one).Directory.SaveUserAsync(user, create: true, null, Entry(), None)).Succeeded(out _, out _));
        var changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var release = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var change = _one.WriteAsync(async unit =>
        {
            await unit.ExecuteAsync("UPDATE users SET security_stamp = 'another' WHERE subject = @Subject", new { user.Subject });
            changed.TrySetResult();
            await release.Task;
            return 0;
        }, None);
        await changed.Task;
        var adding = new Stores(_two).Grants.AddCodeAsync(Samples.Code() with { Subject = user.Subject, SecurityStamp = user.SecurityStamp }, Entry(), None);
        await Task.WhenAny(adding, Task.Delay(TimeSpan.FromMilliseconds(300), None));
        release.SetResult();
        await change;
        Assert.False(await adding);
    }

    [Fact]
    public async Task Writes_that_wait_for_each_others_rows_are_both_written_in_the_end()
    {
        await PutAsync(_one, "x");
        await PutAsync(_one, "y");
        var (hasX, hasY) = (new TaskCompletionSource(), new TaskCompletionSource());
        var runs = 0;
        Task<int> RunAsync(PostgresEngine engine, string first, string second, TaskCompletionSource mine, TaskCompletionSource other) => engine.WriteSharedAsync(async unit =>
        {
            Interlocked.Increment(ref runs);
            const string Append = "UPDATE sealed_values SET value = value || @Value WHERE name = @Name";
            await unit.ExecuteAsync(Append, new { Name = first, Value = new byte[1] });
            mine.TrySetResult();
            await other.Task;
            return await unit.ExecuteAsync(Append, new { Name = second, Value = new byte[1] });
        }, None);
        await Task.WhenAll(RunAsync(_one, "x", "y", hasX, hasY), RunAsync(_two, "y", "x", hasY, hasX)).WaitAsync(Patience, None);
        Assert.True(runs > 2, "they did not collide");
        foreach (var name in new[] { "x", "y" })
            Assert.Equal(3, (await new SealedStore(_one).FindAsync(name, None))!.Length);
    }

    [Fact]
    public async Task A_statement_that_fails_takes_back_its_own_write_and_no_other_of_the_batch()
    {
        await PutAsync(_one, "taken");
        var (entered, release, done) = Hold(_one, alone: true);
        await entered;
        var writes = new[] { "before", "taken", "after" }.Select(name => PutAsync(_one, name)).ToArray();
        release.SetResult();
        await done;
        await Assert.ThrowsAsync<Npgsql.PostgresException>(() => writes[1]);
        Assert.Equal((1, 1), (await writes[0], await writes[2]));
        Assert.Equal(["after", "before", "taken"], (await new SealedStore(_two).ListAsync("", None)).Select(row => row.Name));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_write_that_overlooks_its_own_failure_fails(bool inBatch)
    {
        await PutAsync(_one, "taken");
        var (entered, release, done) = Hold(_one, alone: true);
        await entered;
        if (!inBatch)
        {
            release.SetResult();
            await done;
        }
        var overlooking = _one.WriteAsync(async unit =>
        {
            await unit.ExecuteAsync("INSERT INTO sealed_values (name, value) VALUES ('mine', @Value)", new { Value = new byte[1] });
            try
            {
                await unit.ExecuteAsync("INSERT INTO sealed_values (name, value) VALUES ('taken', @Value)", new { Value = new byte[1] });
            }
            catch (Npgsql.PostgresException)
            {
                // Here is the mistake.
            }
            return 0;
        }, None);
        var other = inBatch ? PutAsync(_one, "other") : Task.FromResult(1);
        release.TrySetResult();
        await Assert.ThrowsAnyAsync<Exception>(() => overlooking);
        Assert.Equal(1, await other);
        Assert.Null(await new SealedStore(_one).FindAsync("mine", None));
    }

    [Fact]
    public async Task A_commit_of_unknown_outcome_is_a_failure_and_is_not_done_again()
    {
        await _postgres.RunAsync(TestPostgres.NameOf(_database), """
            CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$;
            CREATE CONSTRAINT TRIGGER die AFTER INSERT ON subject_tombstones DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION die();
            """);
        var runs = 0;
        var lost = _one.WriteAsync(unit =>
        {
            Interlocked.Increment(ref runs);
            return unit.ExecuteAsync("INSERT INTO subject_tombstones (subject, removed_at) VALUES ('x', 1)", new { });
        }, None);
        await Assert.ThrowsAsync<StoreUnavailableException>(() => lost);
        Assert.Equal(1, runs);
        Assert.Equal(1, await PutAsync(_one, "next"));
    }

    [Fact]
    public async Task A_node_of_a_name_that_runs_does_not_start_and_when_that_one_stops_it_does()
    {
        var refused = await Assert.ThrowsAsync<StoreRefusedException>(() => OpenAsync("one"));
        Assert.Contains("'one'", refused.Message, StringComparison.Ordinal);
        Assert.Contains("the setting Node", refused.Message, StringComparison.Ordinal);
        await _one.DisposeAsync();
        await PutAsync(await OpenAsync("one"), "x");
    }

    [Fact]
    public async Task One_node_leads_a_job_and_another_when_it_is_gone()
    {
        Assert.True(await _one.LeadsAsync("sweep", None));
        Assert.False(await _two.LeadsAsync("sweep", None));
        Assert.True(await _two.LeadsAsync("another", None));
        Assert.True(await _one.LeadsAsync("sweep", None));
        await _one.DisposeAsync();
        Assert.True(await _two.LeadsAsync("sweep", None));
    }

    [Fact]
    public async Task A_node_that_resigns_leaves_that_job_to_another_and_only_that()
    {
        Assert.True(await _one.LeadsAsync("sweep", None));
        Assert.True(await _one.LeadsAsync("another", None));
        await _two.ResignAsync("sweep", None);
        Assert.False(await _two.LeadsAsync("sweep", None));
        await _one.ResignAsync("sweep", None);
        await _one.ResignAsync("sweep", None);
        Assert.True(await _two.LeadsAsync("sweep", None));
        Assert.False(await _one.LeadsAsync("sweep", None));
        Assert.False(await _two.LeadsAsync("another", None));
        await Assert.ThrowsAsync<StoreRefusedException>(() => OpenAsync("one"));
    }

    [Fact]
    public async Task A_change_on_one_node_wakes_the_other()
    {
        // The first thing heard is that it listens.
        await _two.WaitForChangeAsync(TimeSpan.FromMinutes(10), None).WaitAsync(Patience, None);
        var waiting = _two.WaitForChangeAsync(TimeSpan.FromMinutes(10), None);
        await new Stores(_one).Revocations.AddAsync([new(RevocationKind.JwtId, "x", 1, 100)], Entry(), None);
        await waiting.WaitAsync(Patience, None);
    }

    [Fact]
    public async Task Of_many_who_wait_for_being_alone_there_is_one_at_a_time()
    {
        var inside = 0;
        await AtOnceAsync(6, async i =>
        {
            await using (await Either(i).AloneAsync("start", None))
            {
                Assert.Equal(1, Interlocked.Increment(ref inside));
                await Task.Yield();
                Interlocked.Decrement(ref inside);
            }
            return 0;
        });
    }

    [Fact]
    public async Task Rows_that_another_node_works_on_are_skipped()
    {
        await PutAsync(_one, "x");
        await PutAsync(_one, "y");
        var taken = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var release = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var sql = $"SELECT name FROM sealed_values ORDER BY name LIMIT 1 {_one.SkipLocked}";
        var first = _one.WriteSharedAsync(async unit =>
        {
            var name = await unit.SingleAsync<string>(sql, new { });
            taken.TrySetResult();
            await release.Task;
            return name;
        }, None);
        await taken.Task;
        Assert.Equal("y", await _two.WriteSharedAsync(unit => unit.SingleAsync<string>(sql, new { }), None));
        release.SetResult();
        Assert.Equal("x", await first);
    }

    [Fact]
    public async Task A_database_of_another_encoding_is_refused_with_the_cure()
    {
        var other = await _postgres.NewDatabaseAsync("ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0");
        try
        {
            var refused = await Assert.ThrowsAsync<StoreRefusedException>(() => PostgresStoreContract.OpenAsync(other, "one"));
            Assert.Contains("ENCODING 'UTF8'", refused.Message, StringComparison.Ordinal);
        }
        finally
        {
            await _postgres.DropAsync(other);
        }
    }
}
