using System.Globalization;
using Dapper;
using Keyreeve.Storage;
using Microsoft.Data.Sqlite;
using Xunit;

namespace Keyreeve.Slices.Tests.Storage;

/// <summary>Long work on the schema: in batches, beside others, and never twice or not at all, whatever breaks.</summary>
public sealed class BackfillTests : IAsyncLifetime
{
    private const int Rows = 1050;

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("keyreeve-backfill-");
    private readonly ShiftedClock _clock = new();

    private static CancellationToken None => TestContext.Current.CancellationToken;

    private string FilePath => Path.Combine(_folder.FullName, "keyreeve.db");

    /// <summary>Counts how often each row was filled, which a real backfill need not.</summary>
    private static Backfill Filling(Action<BackfillBatch>? watch = null) => new(7, "numbers", async batch =>
    {
        var after = batch.Cursor.Length == 0 ? 0 : long.Parse(batch.Cursor, CultureInfo.InvariantCulture);
        var ids = (await batch.Connection.QueryAsync<long>("SELECT id FROM numbers WHERE id > @After ORDER BY id LIMIT @Limit", new { After = after, Limit = (long)batch.Limit }, batch.Transaction)).AsList();
        await batch.Connection.ExecuteAsync("UPDATE numbers SET filled = filled + 1 WHERE id = @Id", ids.Select(id => new { Id = id }), batch.Transaction);
        watch?.Invoke(batch);
        return new(ids.Count == 0 ? null : ids[^1].ToString(CultureInfo.InvariantCulture), ids.Count);
    }, connection => connection.ExecuteScalarAsync<long>("SELECT count(*) FROM numbers"));

    private static Migration Numbers => new(1001, "numbers", "CREATE TABLE numbers (id BIGINT NOT NULL PRIMARY KEY, filled BIGINT NOT NULL);\n");

    public async ValueTask InitializeAsync()
    {
        await using var connection = await OpenAsync();
        await MigrationRunner.RunAsync(connection, [Numbers], _clock, None, backfills: [Filling()]);
        await using var transaction = await connection.BeginTransactionAsync(None);
        await connection.ExecuteAsync("INSERT INTO numbers (id, filled) VALUES (@Id, 0)", Enumerable.Range(1, Rows).Select(i => new { Id = (long)i }), transaction);
        await transaction.CommitAsync(None);
    }

    public ValueTask DisposeAsync()
    {
        _folder.Delete(recursive: true);
        return ValueTask.CompletedTask;
    }

    [Fact]
    public async Task It_fills_each_row_once_and_tells_how_far_it_is()
    {
        await using var connection = await OpenAsync();
        var runner = Runner(connection, "a", Filling());
        Assert.False(await runner.IsFinishedAsync(7, None));
        var told = new List<BackfillProgress>();
        await runner.RunAsync(background: true, told.Add, None);
        Assert.True(await runner.IsFinishedAsync(7, None));
        Assert.Equal((Rows, Rows, 100), (told[^1].RowsDone, told[^1].RowsTotal, told[^1].Percent));
        Assert.Contains(told, t => t is { Percent: > 0 and < 100 });
        Assert.Equal([1L], await HowOftenAsync(connection));
        // Nothing is left: nothing is done.
        await runner.RunAsync(background: false, null, None);
        Assert.Equal([1L], await HowOftenAsync(connection));
    }

    [Fact]
    public async Task After_a_crash_in_a_batch_it_goes_on_where_the_last_whole_one_ended()
    {
        var batches = 0;
        await using (var connection = await OpenAsync())
            await Assert.ThrowsAsync<InvalidOperationException>(() => Runner(connection, "a", Filling(_ =>
            {
                if (++batches == 3)
                    throw new InvalidOperationException("the power is gone");
            })).RunAsync(background: false, null, None));
        await using var after = await OpenAsync();
        var state = Assert.Single(await Runner(after, "a", Filling()).ReadAsync(None));
        Assert.Equal((2 * BackfillRunner.BatchRows, false), (state.RowsDone, state.IsFinished));
        Assert.Equal([0L, 1L], await HowOftenAsync(after));
        await Runner(after, "a", Filling()).RunAsync(background: false, null, None);
        Assert.Equal([1L], await HowOftenAsync(after));
    }

    [Fact]
    public async Task A_second_node_waits_for_the_first_and_goes_on_when_that_one_falls_silent()
    {
        await using var first = await OpenAsync();
        await using var second = await OpenAsync();
        using var dies = CancellationTokenSource.CreateLinkedTokenSource(None);
        var one = 0;
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Runner(first, "one", Filling(_ => one++)).RunAsync(background: false, state =>
        {
            if (state.RowsDone > 0)
                dies.Cancel();
            dies.Token.ThrowIfCancellationRequested();
        }, dies.Token));
        Assert.Equal(1, one);

        var two = 0;
        var asked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var waits = 0;
        var running = Runner(second, "two", Filling(_ => two++)).RunAsync(background: false, _ =>
        {
            // The second question comes after a batch that was not given to it.
            if (++waits == 2)
                asked.TrySetResult();
        }, None);
        await asked.Task.WaitAsync(TimeSpan.FromSeconds(60), None);
        Assert.Equal(0, two);
        _clock.Ahead = TimeSpan.FromMinutes(1);
        await running;
        Assert.True(two > 0);
        Assert.Equal([1L], await HowOftenAsync(second));
    }

    [Fact]
    public async Task A_lease_of_a_node_that_died_before_the_clock_was_set_back_ends()
    {
        await using var first = await OpenAsync();
        await using var second = await OpenAsync();
        using var dies = CancellationTokenSource.CreateLinkedTokenSource(None);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Runner(first, "one", Filling()).RunAsync(background: false, state =>
        {
            if (state.RowsDone > 0)
                dies.Cancel();
            dies.Token.ThrowIfCancellationRequested();
        }, dies.Token));
        _clock.Ahead = TimeSpan.FromHours(-1);
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(None);
        patience.CancelAfter(TimeSpan.FromSeconds(60));
        await Runner(second, "two", Filling()).RunAsync(background: false, null, patience.Token);
        Assert.Equal([1L], await HowOftenAsync(second));
    }

    [Fact]
    public async Task A_migration_that_relies_on_it_finishes_it_first_for_whoever_skipped_the_release()
    {
        await using var connection = await OpenAsync();
        var later = new Migration(1002, "relies", "-- needs backfill 7\n-- and says so\nALTER TABLE numbers ADD COLUMN later BIGINT NOT NULL DEFAULT 0;\n");
        await MigrationRunner.RunAsync(connection, [Numbers, later], _clock, None, backfills: [Filling()]);
        Assert.Equal([1L], await HowOftenAsync(connection));
        Assert.True(Assert.Single(await Runner(connection, "a", Filling()).ReadAsync(None)).IsFinished);
    }

    [Fact]
    public async Task One_that_stands_still_is_an_error_and_not_an_endless_loop()
    {
        await using var connection = await OpenAsync();
        var still = new Backfill(7, "still", batch => Task.FromResult(new BackfillStep("here", 0)), _ => Task.FromResult(1L));
        Assert.Contains("stands still", (await Assert.ThrowsAsync<InvalidOperationException>(() => Runner(connection, "a", still).RunAsync(background: false, null, None))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_step_that_was_left_out_is_refused()
    {
        await using var connection = await OpenAsync();
        var between = new Migration(1000, "between", "CREATE TABLE between_them (id BIGINT NOT NULL);\n");
        var refused = await Assert.ThrowsAsync<SchemaRefusedException>(() => MigrationRunner.RunAsync(connection, [between, Numbers], _clock, None, backfills: []));
        Assert.Contains("but not 1000", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Known_steps_and_backfills_are_numbered_from_one_without_gaps()
    {
        Assert.Equal(Enumerable.Range(1, Migration.Known.Count), Migration.Known.Select(m => m.Number));
        Assert.Equal(Enumerable.Range(1, Backfill.Known.Count), Backfill.Known.Select(b => b.Number));
        Assert.All(Migration.Known.SelectMany(m => m.Needs), needed => Assert.Contains(Backfill.Known, b => b.Number == needed));
    }

    private BackfillRunner Runner(SqliteConnection connection, string node, Backfill backfill) => new(new OneConnection(connection, _clock, node), [backfill]);

    private async Task<SqliteConnection> OpenAsync()
    {
        // The provider is bound by the store; opening one does it.
        await using (await SqliteEngine.OpenAsync(Path.Combine(_folder.FullName, "other.db"), TimeProvider.System, "test", None))
        {
            var connection = new SqliteConnection($"Data Source={FilePath};Pooling=False");
            await connection.OpenAsync(None);
            return connection;
        }
    }

    private static async Task<List<long>> HowOftenAsync(SqliteConnection connection) =>
        (await connection.QueryAsync<long>("SELECT DISTINCT filled FROM numbers ORDER BY filled")).AsList();

    private sealed class ShiftedClock : TimeProvider
    {
        public TimeSpan Ahead { get; set; }

        public override DateTimeOffset GetUtcNow() => System.GetUtcNow() + Ahead;
    }
}
