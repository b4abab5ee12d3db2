using System.Text.Json.Nodes;
using Keyreeve.Storage;
using Keyreeve.Testing;
using Npgsql;
using Xunit;
using static Keyreeve.Server.Tests.Cli.StoreFolder;

namespace Keyreeve.Server.Tests.Cli;

/// <summary>keyreeve admin db: status, migrate, copy, as processes that are killed.</summary>
public sealed class AdminStoreCommandTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly TempFolder _folder = new();
    private readonly TempFolder _again = new();

    private static CancellationToken None => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        _folder.Dispose();
        _again.Dispose();
    }

    [Fact]
    public async Task Status_tells_engine_schema_and_sizes_while_serving_and_migrate_wants_the_folder_for_itself()
    {
        await using (var process = await _folder.StartDemoAsync())
        {
            var status = JsonNode.Parse(await DoneAsync("admin", "db", "status", "--data", _folder.Data, "--json"))!;
            Assert.Equal("SQLite", (string?)status["engine"]);
            Assert.Equal(Migration.Known.Count, (int)status["schemaVersion"]!);
            Assert.Empty(status["pending"]!.AsArray());
            Assert.Equal(3, (int)status["rows"]!["users"]!);
            Assert.True((long)status["octets"]! > 0);
            await RefusedAsync(2, "another server uses", "admin", "db", "migrate", "--data", _folder.Data);
            await RefusedAsync(2, "another server uses", "admin", "db", "copy", "--data", _folder.Data, "--to", _again.Data);
        }
        Assert.Contains("users: 3", await DoneAsync("admin", "db", "migrate", "--data", _folder.Data), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_old_schema_is_told_and_brought_up_to_date()
    {
        Directory.CreateDirectory(_folder.Data);
        await using (var door = await SqliteDoor.MakeAsync(_folder.File("keyreeve.db"), None))
            await MigrationRunner.RunAsync(door.Connection, [.. Migration.Known.Take(1)], TimeProvider.System, None, backfills: []);
        var status = JsonNode.Parse(await DoneAsync("admin", "db", "status", "--data", _folder.Data, "--json"))!;
        Assert.Equal((1, Migration.Known.Count - 1), ((int)status["schemaVersion"]!, status["pending"]!.AsArray().Count));
        await RefusedAsync(2, "there is none", "admin", "db", "copy", "--data", _folder.Data, "--to", _again.Data);
        status = JsonNode.Parse(await DoneAsync("admin", "db", "migrate", "--data", _folder.Data, "--json"))!;
        Assert.Equal((Migration.Known.Count, 0), ((int)status["schemaVersion"]!, status["pending"]!.AsArray().Count));
        Assert.All(status["backfills"]!.AsArray(), b => Assert.True((bool)b!["finished"]!));
    }

    [Fact]
    public async Task A_demo_moves_to_PostgreSQL_is_served_there_and_moves_back()
    {
        var postgres = await TestPostgres.SharedAsync();
        var connection = await postgres.NewDatabaseAsync();
        await _folder.StartAndStopAsync("--demo");
        var before = await _folder.ContentAsync();
        Assert.Contains("set Storage:Connection", await DoneAsync("admin", "db", "copy", "--data", _folder.Data, "--to", connection), StringComparison.Ordinal);
        await RefusedAsync(1, "not empty", "admin", "db", "copy", "--data", _folder.Data, "--to", connection);

        var environment = new Dictionary<string, string> { ["KEYREEVE__Storage__Connection"] = connection };
        await using (var process = await _folder.StartAsync(environment, "--demo"))
        {
            using var client = new ProgramClient(_folder);
            Assert.NotNull((await client.SignInAsync())["access_token"]);
            var (code, output) = await KeyreeveProcess.RunAsync(["admin", "db", "copy", "--data", _folder.Data, "--to", _again.Data], environment);
            Assert.True(code == 2 && output.Contains("another server uses", StringComparison.Ordinal), output);
            await process.SignalAsync("TERM");
            Assert.Equal(0, await process.ExitAsync());
        }
        var copied = await KeyreeveProcess.RunAsync(["admin", "db", "copy", "--data", _folder.Data, "--to", _again.Data], environment);
        Assert.True(copied.Code == 0, copied.Output);
        var after = (await _again.ContentAsync()).ToDictionary(t => t.Table, StringComparer.Ordinal);
        foreach (var table in (string[])["users", "clients", "key_records", "val_services", "devices", "user_services", "device_services", "client_certificates"])
            Assert.Equal(before.Single(t => t.Table == table), after[table]);
        File.Copy(_folder.File("kek"), _again.File("kek"));
        await using var back = await _again.StartDemoAsync();
        using var again = new ProgramClient(_again);
        Assert.NotNull((await again.SignInAsync())["access_token"]);
    }

    [Fact]
    public async Task A_copy_that_was_killed_is_begun_anew_and_ends_with_the_same_content()
    {
        var connection = await (await TestPostgres.SharedAsync()).NewDatabaseAsync();
        await _folder.StartAndStopAsync();
        await _folder.GrowAsync(100_000);
        var before = await _folder.ContentAsync();
        string[] copy = ["admin", "db", "copy", "--data", _folder.Data, "--to", connection];
        await using (var killed = KeyreeveProcess.Start(copy))
        {
            await UntilAsync(() => IsMarkedAsync(connection));
            killed.KillNow();
            await killed.ExitAsync(Patience);
        }
        Assert.True(await IsMarkedAsync(connection));
        PostgresAddress.TryRead(connection, allowPlain: false, out var address, out _);
        await Assert.ThrowsAsync<SchemaRefusedException>(() => PostgresEngine.OpenAsync(address!, TimeProvider.System, "node-1", None));
        await DoneAsync(copy);
        await using (var door = await PostgresDoor.ReadAsync(address!, None))
            Assert.Equal(before, await door.ContentAsync());

        // The same into a folder, where the unfinished file is not the store.
        string[] toFolder = ["admin", "db", "copy", "--data", _folder.Data, "--to", _again.Data];
        await using (var killed = KeyreeveProcess.Start(toFolder))
        {
            await UntilAsync(() => Task.FromResult(File.Exists(_again.File("keyreeve.db.unfinished")) && new FileInfo(_again.File("keyreeve.db.unfinished")).Length > 100_000));
            killed.KillNow();
            await killed.ExitAsync(Patience);
        }
        Assert.False(File.Exists(_again.File("keyreeve.db")));
        await DoneAsync(toFolder);
        Assert.Equal(before, await _again.ContentAsync());
        Assert.DoesNotContain(Directory.GetFiles(_again.Data), f => f.Contains("unfinished", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_migration_that_was_killed_in_the_middle_of_its_long_work_goes_on_where_it_was()
    {
        await _folder.StartAndStopAsync();
        await _folder.GrowAsync(60_000);
        await using (var engine = await SqliteEngine.OpenAsync(_folder.File("keyreeve.db"), TimeProvider.System, "test", None))
            await engine.WriteAsync(unit => unit.ExecuteAsync("UPDATE audit SET at = NULL", new { }), None);
        await using (var killed = KeyreeveProcess.Start(["admin", "db", "migrate", "--again", "--data", _folder.Data]))
        {
            await UntilAsync(async () => await ProgressAsync() is { IsFinished: false, RowsDone: > 0 });
            killed.KillNow();
            await killed.ExitAsync(Patience);
        }
        var before = await ProgressAsync();
        Assert.False(before.IsFinished);
        // The lease is its own: it does not wait for the dead one's to end. Anywhere else, and on PostgreSQL: MigrationCrashTests.
        await DoneAsync("admin", "db", "migrate", "--data", _folder.Data);
        var after = await ProgressAsync();
        Assert.True(after.IsFinished);
        await using var door = await SqliteDoor.ReadAsync(_folder.File("keyreeve.db"), None);
        Assert.Equal((0, after.RowsDone), (await Dapper.SqlMapper.ExecuteScalarAsync<long>(door.Connection, "SELECT count(*) FROM audit WHERE at IS NULL"),
            await Dapper.SqlMapper.ExecuteScalarAsync<long>(door.Connection, "SELECT count(*) FROM audit")));
    }

    private async Task<BackfillProgress> ProgressAsync()
    {
        await using var door = await SqliteDoor.ReadAsync(_folder.File("keyreeve.db"), None);
        return (await StoreStatus.ReadAsync(door, [], None)).Backfills.Single(b => b.Number == 1);
    }

    private static async Task<bool> IsMarkedAsync(string connection)
    {
        await using var database = new NpgsqlConnection(connection + ";Pooling=false");
        await database.OpenAsync(None);
        await using var there = new NpgsqlCommand("SELECT to_regclass('schema_marks') IS NOT NULL", database);
        if (!(bool)(await there.ExecuteScalarAsync(None))!)
            return false;
        await using var marked = new NpgsqlCommand("SELECT count(*) FROM schema_marks", database);
        return (long)(await marked.ExecuteScalarAsync(None))! > 0;
    }

    private static async Task UntilAsync(Func<Task<bool>> holds)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(None);
        deadline.CancelAfter(Patience);
        while (!await holds())
            await Task.Delay(10, deadline.Token);
    }
}
