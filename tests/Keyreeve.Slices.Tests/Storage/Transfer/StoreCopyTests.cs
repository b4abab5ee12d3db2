using System.Data.Common;
using Dapper;
using Keyreeve.Core.Audit;
using Keyreeve.Storage;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Slices.Tests.Storage.Transfer;

/// <summary>A store moves from engine to engine without losing or changing a row, or it does not move.</summary>
public sealed class StoreCopyTests : IAsyncLifetime
{
    private FullStore _store = null!;

    private static CancellationToken None => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _store = await FullStore.MakeAsync();

    public ValueTask DisposeAsync() => _store.DisposeAsync();

    [Fact]
    public async Task From_SQLite_to_PostgreSQL_and_back_it_is_the_same()
    {
        var address = await NewDatabaseAsync();
        var before = await FullStore.ContentOfAsync(_store.Path);
        await using (var source = await SqliteDoor.ReadAsync(_store.Path, None))
        await using (var target = await PostgresDoor.HoldAsync(address, None))
        {
            var copied = await CopyAsync(source, target);
            Assert.Equal(before, copied);
            Assert.Equal(before, await FullStore.ContentOfAsync(target));
        }
        await using (var engine = await PostgresEngine.OpenAsync(address, TimeProvider.System, "node-1", None))
        {
            var stores = new Stores(engine);
            Assert.Null((await AuditVerification.WalkAsync(stores.Audit, None)).BrokenAt);
            Assert.Equal(3, (await stores.SigningKeys.LoadAsync(None)).Count);
        }
        await using (var source = await PostgresDoor.HoldAsync(address, None))
        await using (var target = await SqliteDoor.MakeAsync(_store.In("back.db"), None))
            await CopyAsync(source, target);
        Assert.Equal(before, await FullStore.ContentOfAsync(_store.In("back.db")));
    }

    [Fact]
    public async Task A_backup_of_one_engine_is_restored_into_the_other()
    {
        var address = await NewDatabaseAsync();
        var header = await _store.BackUpAsync(_store.In("b1"));
        using (var backup = BackupReader.Open(_store.In("b1")))
        await using (var target = await PostgresDoor.HoldAsync(address, None))
        {
            StoreRestore.Check(backup, _store.Kek, null, None);
            await StoreRestore.RunAsync(backup, target, _store.Kek, new(true, false), (_, _) => { }, TimeProvider.System, null, None);
        }
        // Beside a node that serves.
        await using (await PostgresEngine.OpenAsync(address, TimeProvider.System, "node-1", None))
        await using (var source = await PostgresDoor.ReadAsync(address, None))
            await BackupWriter.WriteAsync(source, _store.Kek, new("1.0", "node-1", 1, false), new Dictionary<string, byte[]>(), _store.In("b2"), null, None);
        await BackupFileTests.RestoreAsync(_store, _store.In("b2"), _store.In("again.db"), keepGrants: true, acceptDamage: false);
        var (first, again) = (await FullStore.ContentOfAsync(_store.Path), await FullStore.ContentOfAsync(_store.In("again.db")));
        string[] touched = ["authorization_codes", "login_sessions", "signing_keys", "audit", "audit_heads", "topic_versions"];
        Assert.Equal(first.Where(t => !touched.Contains(t.Table, StringComparer.Ordinal)), again.Where(t => !touched.Contains(t.Table, StringComparer.Ordinal)));
        Assert.Equal(header.Rows["audit"] + 2, again.Single(t => t.Table == "audit").Rows);
    }

    [Fact]
    public async Task A_copy_that_broke_off_is_no_store_for_a_server_and_is_begun_anew()
    {
        var address = await NewDatabaseAsync();
        await using var source = await SqliteDoor.ReadAsync(_store.Path, None);
        foreach (var at in (string[])["audit", "refresh_families", "users"])
        {
            using var stop = CancellationTokenSource.CreateLinkedTokenSource(None);
            await using (var target = await PostgresDoor.HoldAsync(address, None))
                await Assert.ThrowsAnyAsync<OperationCanceledException>(() => StoreCopy.RunAsync(source, target, _store.Kek, false, TimeProvider.System, step =>
                {
                    if (step is { Doing: "copying" } && step.Table == at)
                        stop.Cancel();
                    stop.Token.ThrowIfCancellationRequested();
                }, stop.Token));
            var refused = await Assert.ThrowsAsync<SchemaRefusedException>(() => PostgresEngine.OpenAsync(address, TimeProvider.System, "node-1", None));
            Assert.Contains("half filled", refused.Message, StringComparison.Ordinal);
        }
        await using (var target = await PostgresDoor.HoldAsync(address, None))
            await CopyAsync(source, target);
        await using var engine = await PostgresEngine.OpenAsync(address, TimeProvider.System, "node-1", None);
    }

    [Fact]
    public async Task A_target_with_tables_or_nodes_and_a_source_with_nodes_are_refused()
    {
        var address = await NewDatabaseAsync();
        await using var source = await SqliteDoor.ReadAsync(_store.Path, None);
        await using (await PostgresEngine.OpenAsync(address, TimeProvider.System, "node-7", None))
        {
            var running = await Assert.ThrowsAsync<TransferRefusedException>(() => PostgresDoor.HoldAsync(address, None));
            Assert.Contains("node-7", running.Message, StringComparison.Ordinal);
        }
        await using var target = await PostgresDoor.HoldAsync(address, None);
        var refused = await Assert.ThrowsAsync<TransferRefusedException>(() => CopyAsync(source, target));
        Assert.Contains("not empty", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_source_of_an_older_schema_and_a_damaged_one_are_refused()
    {
        await using (var old = await SqliteDoor.MakeAsync(_store.In("old.db"), None))
        {
            await MigrationRunner.RunAsync(old.Connection, [.. Migration.Known.Take(1)], TimeProvider.System, None, backfills: []);
            await using var target = await SqliteDoor.MakeAsync(_store.In("t1.db"), None);
            Assert.Contains("admin db migrate", (await Assert.ThrowsAsync<TransferRefusedException>(() => CopyAsync(old, target))).Message, StringComparison.Ordinal);
        }
        await using (var engine = await SqliteEngine.OpenAsync(_store.Path, TimeProvider.System, "node-1", None))
            await engine.WriteAsync(unit => unit.ExecuteAsync("UPDATE sealed_values SET name = 'ca/other' WHERE name = 'ca/test 1'", new { }), None);
        await using (var source = await SqliteDoor.ReadAsync(_store.Path, None))
        await using (var target = await SqliteDoor.MakeAsync(_store.In("t2.db"), None))
        {
            Assert.Contains("ca/other", (await Assert.ThrowsAsync<TransferRefusedException>(() => CopyAsync(source, target))).Message, StringComparison.Ordinal);
            await StoreCopy.RunAsync(source, target, _store.Kek, true, TimeProvider.System, null, None);
        }
        Assert.Equal(await FullStore.ContentOfAsync(_store.Path), await FullStore.ContentOfAsync(_store.In("t2.db")));
    }

    [Fact]
    public async Task A_value_of_another_type_than_its_column_does_not_reach_the_target()
    {
        await using (var engine = await SqliteEngine.OpenAsync(_store.Path, TimeProvider.System, "node-1", None))
            await engine.WriteAsync(unit => unit.ExecuteAsync("UPDATE devices SET version = 'many' WHERE version = (SELECT max(version) FROM devices)", new { }), None);
        await using var source = await SqliteDoor.ReadAsync(_store.Path, None);
        await using var target = await SqliteDoor.MakeAsync(_store.In("t.db"), None);
        Assert.Contains("column version of table devices", (await Assert.ThrowsAsync<InvalidDataException>(() => CopyAsync(source, target))).Message, StringComparison.Ordinal);
    }

    private Task<IReadOnlyList<TableTally>> CopyAsync(StoreDoor source, StoreDoor target) => StoreCopy.RunAsync(source, target, _store.Kek, false, TimeProvider.System, null, None);

    private static async Task<PostgresAddress> NewDatabaseAsync() =>
        PostgresAddress.TryRead(await (await TestPostgres.SharedAsync()).NewDatabaseAsync(), allowPlain: false, out var address, out var wrong) ? address : throw new InvalidOperationException(wrong);
}
