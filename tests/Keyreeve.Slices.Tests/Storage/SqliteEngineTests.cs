using System.Data.Common;
using Keyreeve.Storage;
using Microsoft.Data.Sqlite;
using Xunit;

namespace Keyreeve.Slices.Tests.Storage;

/// <summary>What is SQLite's alone: the file, the shared transaction of the one writer, and what happens when that breaks.</summary>
public sealed class SqliteEngineTests : IAsyncLifetime
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("keyreeve-engine-");
    private SqliteEngine _engine = null!;
    private SealedStore _sealed = null!;

    private static CancellationToken None => TestContext.Current.CancellationToken;

    private string FilePath => Path.Combine(_folder.FullName, "keyreeve.db");

    public async ValueTask InitializeAsync()
    {
        _engine = await SqliteEngine.OpenAsync(FilePath, TimeProvider.System, "node-1", None);
        _sealed = new(_engine);
    }

    public async ValueTask DisposeAsync()
    {
        await _engine.DisposeAsync();
        _folder.Delete(recursive: true);
    }

    private Task<int> PutAsync(string name, int octets = 1, CancellationToken cancel = default) => _engine.WriteAsync(unit =>
        unit.ExecuteAsync("INSERT INTO sealed_values (name, value) VALUES (@Name, @Value)", new { Name = name, Value = new byte[octets] }), cancel);

    private Task<int> SqlAsync(string sql) => _engine.WriteAsync(unit => unit.ExecuteAsync(sql, new { }), None);

    /// <summary>Holds the writer inside a write, so that what is queued meanwhile becomes one batch.</summary>
    private async Task<TaskCompletionSource> HoldWriterAsync()
    {
        var entered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var release = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _ = _engine.WriteAsync(async _ =>
        {
            entered.SetResult();
            await release.Task;
            return 0;
        }, CancellationToken.None);
        await entered.Task;
        return release;
    }

    private static async Task<Exception?> FailureOf(Task task)
    {
        try
        {
            await task;
            return null;
        }
        catch (Exception failure)
        {
            return failure;
        }
    }

    [Fact]
    public async Task The_log_is_moved_while_writes_go_on_and_never_gets_long()
    {
        var log = new FileInfo(FilePath + "-wal");
        // 400 MB in all. At 64 MB the writer moves it itself, unless the other connection is just at it: then some writes later.
        for (var i = 0; i < 400; i++)
        {
            await PutAsync($"name {i}", 1_000_000);
            log.Refresh();
            Assert.InRange(log.Length, 1, 130_000_000);
        }
        Assert.Equal(400, (await _sealed.ListAsync("name", None)).Count);
    }

    [Fact]
    public async Task A_log_that_a_reader_holds_is_moved_when_the_reader_has_gone()
    {
        var began = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var release = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var reading = _engine.ReadAsync(async connection =>
        {
            await Dapper.SqlMapper.ExecuteAsync(connection, "BEGIN DEFERRED");
            var count = await Dapper.SqlMapper.ExecuteScalarAsync<long>(connection, "SELECT count(*) FROM sealed_values");
            began.SetResult();
            await release.Task;
            await Dapper.SqlMapper.ExecuteAsync(connection, "COMMIT TRANSACTION");
            return count;
        }, None);
        await await Task.WhenAny(began.Task, reading);
        for (var i = 0; i < 100; i++)
            await PutAsync($"name {i}", 1_000_000);
        Assert.True(new FileInfo(FilePath + "-wal").Length > 100_000_000);
        release.SetResult();
        Assert.Equal(0L, await reading);
        for (var i = 100; i < 200; i++)
            await PutAsync($"name {i}", 1_000_000);
        Assert.InRange(new FileInfo(FilePath + "-wal").Length, 1, 180_000_000);
        Assert.Equal(200, (await _sealed.ListAsync("name", None)).Count);
    }

    [Fact]
    public async Task Ten_thousand_writes_may_wait_and_the_next_is_told_to_come_again()
    {
        var release = await HoldWriterAsync();
        var accepted = Enumerable.Range(0, 10_000).Select(i => PutAsync($"name {i}")).ToArray();
        await Assert.ThrowsAsync<StoreBusyException>(() => PutAsync("too late"));
        release.SetResult();
        Assert.All(await Task.WhenAll(accepted), changed => Assert.Equal(1, changed));
        Assert.Equal(10_000, (await _sealed.ListAsync("name", None)).Count);
        Assert.Null(await _sealed.FindAsync("too late", None));
        Assert.Equal(1, await PutAsync("again"));
    }

    [Fact]
    public async Task Nobody_is_told_before_the_commit_that_all_share()
    {
        var release = await HoldWriterAsync();
        var first = PutAsync("first");
        var second = _engine.WriteAsync(async unit =>
            (ToldTooEarly: first.IsCompleted, SeenTooEarly: await _sealed.FindAsync("first", None) is not null, InSameTransaction: await unit.SingleAsync<string>("SELECT name FROM sealed_values", new { })), None);
        release.SetResult();
        Assert.Equal((false, false, "first"), await second);
        Assert.Equal(1, await first);
        Assert.NotNull(await _sealed.FindAsync("first", None));
    }

    [Fact]
    public async Task A_commit_that_fails_fails_everybody_with_one_exception_and_the_next_works()
    {
        var release = await HoldWriterAsync();
        var before = PutAsync("before");
        // A foreign key checked at the commit only: every statement succeeds, the commit does not.
        var breaking = _engine.WriteAsync(async unit =>
        {
            await unit.ExecuteAsync("PRAGMA defer_foreign_keys = ON", new { });
            return await unit.ExecuteAsync("INSERT INTO user_services (subject, service_id) VALUES ('u-nobody', 's')", new { });
        }, None);
        var after = PutAsync("after");
        release.SetResult();
        var failures = new[] { await FailureOf(before), await FailureOf(breaking), await FailureOf(after) };
        Assert.Equal(19, Assert.IsType<SqliteException>(failures[0]).SqliteErrorCode); // SQLITE_CONSTRAINT
        Assert.All(failures, failure => Assert.Same(failures[0], failure));
        Assert.Empty(await _sealed.ListAsync("", None));
        Assert.Equal(1, await PutAsync("next"));
        Assert.Single(await _sealed.ListAsync("", None));
    }

    [Fact]
    public async Task On_a_full_disk_each_caller_is_told_the_truth_and_the_next_works()
    {
        await SqlAsync("PRAGMA max_page_count = 100");
        var release = await HoldWriterAsync();
        var writes = Enumerable.Range(0, 9).Select(i => PutAsync($"name {i}", i == 4 ? 4_000_000 : 1)).ToArray();
        release.SetResult();
        var failures = await Task.WhenAll(writes.Select(FailureOf));
        Assert.Equal(13, Assert.IsType<SqliteException>(Assert.IsType<StoreUnavailableException>(failures[4]).InnerException).SqliteErrorCode); // SQLITE_FULL
        Assert.All(failures, failure => Assert.True(failure is null || ReferenceEquals(failure.InnerException, failures[4]!.InnerException)));
        for (var i = 0; i < writes.Length; i++)
            Assert.Equal(failures[i] is null, await _sealed.FindAsync($"name {i}", None) is not null);
        Assert.Equal(1, await PutAsync("next"));
        Assert.NotNull(await _sealed.FindAsync("next", None));
    }

    [Fact]
    public async Task A_waiting_write_that_is_cancelled_is_not_written()
    {
        var release = await HoldWriterAsync();
        using var cancel = new CancellationTokenSource();
        var abandoned = PutAsync("abandoned", cancel: cancel.Token);
        var other = PutAsync("other");
        await cancel.CancelAsync();
        release.SetResult();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => abandoned);
        Assert.True(abandoned.IsCanceled);
        Assert.Equal(1, await other);
        Assert.Null(await _sealed.FindAsync("abandoned", None));
    }

    [Fact]
    public async Task A_write_that_has_begun_is_finished_and_its_caller_told_so()
    {
        using var cancel = new CancellationTokenSource();
        Assert.Equal(1, await _engine.WriteAsync(async unit =>
        {
            await cancel.CancelAsync();
            return await unit.ExecuteAsync("INSERT INTO sealed_values (name, value) VALUES ('x', @Value)", new { Value = new byte[1] });
        }, cancel.Token));
        Assert.NotNull(await _sealed.FindAsync("x", None));
    }

    [Fact]
    public async Task The_files_as_they_lie_on_disk_hold_every_acknowledged_write()
    {
        for (var i = 0; i < 20; i++)
            await PutAsync($"name {i}");
        // What a power cut would leave: the files without any closing word.
        var copy = Directory.CreateDirectory(Path.Combine(_folder.FullName, "copy"));
        foreach (var suffix in new[] { "", "-wal" })
            File.Copy(FilePath + suffix, Path.Combine(copy.FullName, "keyreeve.db" + suffix));
        await using var survivor = await SqliteEngine.OpenAsync(Path.Combine(copy.FullName, "keyreeve.db"), TimeProvider.System, "node-1", None);
        Assert.Equal(20, (await new SealedStore(survivor).ListAsync("name", None)).Count);
    }

    [Fact]
    public async Task The_files_are_their_owners_alone()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "file modes are a Unix matter");
        await PutAsync("x");
        foreach (var suffix in new[] { "", "-wal", "-shm" })
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(FilePath + suffix));
    }

    [Fact]
    public async Task Closing_leaves_one_file_with_everything_in_it()
    {
        await PutAsync("x");
        await _engine.DisposeAsync();
        await _engine.DisposeAsync();
        Assert.Equal(["keyreeve.db"], _folder.GetFiles().Select(file => file.Name));
    }

    [Fact]
    public async Task Writes_are_synchronous_and_the_log_is_written_ahead()
    {
        var settings = await _engine.WriteAsync(async unit => (
            await unit.SingleAsync<string>("PRAGMA journal_mode", new { }), await unit.SingleAsync<long>("PRAGMA synchronous", new { }),
            await unit.SingleAsync<long>("PRAGMA foreign_keys", new { }), await unit.SingleAsync<long>("PRAGMA busy_timeout", new { })), None);
        Assert.Equal(("wal", 2L, 1L, 2500L), settings);
    }

    [Fact]
    public async Task A_schema_step_that_breaks_leaves_nothing_of_itself()
    {
        await using var connection = new SqliteConnection($"Data Source={FilePath};Pooling=False");
        await connection.OpenAsync(None);
        Migration[] steps =
        [
            .. Migration.Known, new(1001, "good", "CREATE TABLE good (text TEXT NOT NULL);\nINSERT INTO good (text) VALUES ('a;b');\n"),
            new(1002, "broken", "CREATE TABLE half (text TEXT NOT NULL);\nINSERT INTO nowhere (text) VALUES ('x');\n"),
        ];
        await Assert.ThrowsAnyAsync<DbException>(() => MigrationRunner.RunAsync(connection, steps, TimeProvider.System, None));
        var tables = await _engine.ReadAsync(async reader => (await Dapper.SqlMapper.QueryAsync<string>(reader, "SELECT name FROM sqlite_master WHERE name IN ('good', 'half')")).ToList(), None);
        Assert.Equal(["good"], tables);
        Assert.Equal("a;b", await _engine.ReadAsync(reader => Dapper.SqlMapper.QuerySingleAsync<string>(reader, "SELECT text FROM good"), None));
    }

    [Fact]
    public async Task Two_programs_that_start_at_once_make_one_schema()
    {
        var path = Path.Combine(_folder.FullName, "fresh.db");
        var engines = await Task.WhenAll(Enumerable.Range(0, 4).Select(i => Task.Run(() => SqliteEngine.OpenAsync(path, TimeProvider.System, $"node-{i}", None))));
        foreach (var engine in engines)
            await engine.DisposeAsync();
    }

    [Fact]
    public async Task A_folder_that_is_not_there_is_said_at_the_start() =>
        await Assert.ThrowsAsync<DirectoryNotFoundException>(() => SqliteEngine.OpenAsync(Path.Combine(_folder.FullName, "no", "such.db"), TimeProvider.System, "node-1", None));
}
