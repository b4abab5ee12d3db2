using System.Data.Common;
using Dapper;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Keys;
using Keyreeve.Storage;
using Xunit;

namespace Keyreeve.Slices.Tests.Storage.Transfer;

/// <summary>A backup is every table, is sealed, and becomes a store again or nothing at all.</summary>
public sealed class BackupFileTests : IAsyncLifetime
{
    private FullStore _store = null!;

    private static CancellationToken None => TestContext.Current.CancellationToken;

    private string File => _store.In("backup");

    public async ValueTask InitializeAsync() => _store = await FullStore.MakeAsync();

    public ValueTask DisposeAsync() => _store.DisposeAsync();

    [Fact]
    public async Task Every_table_of_the_schema_is_in_it_but_the_runners_own_and_what_may_be_lost_at_any_time()
    {
        var header = await _store.BackUpAsync(File);
        await using var door = await SqliteDoor.ReadAsync(_store.Path, None);
        // Asked of the engine in another way than the door does.
        var there = (await door.Connection.QueryAsync<string>("SELECT tbl_name FROM sqlite_schema WHERE sql LIKE 'CREATE TABLE%'")).Except(["schema_migrations", "schema_marks"])
            // What nodes may lose at any time: named here, so that a table does not become one of these unseen.
            .Except(["km_requests_seen", "km_requests_horizon"]);
        Assert.Equal(there.Order(StringComparer.Ordinal), header.Rows.Keys.Order(StringComparer.Ordinal));
        Assert.All(header.Rows, rows => Assert.True(rows.Value > 0, $"{rows.Key} is empty: the samples do not cover it"));
    }

    [Fact]
    public async Task Every_sealed_column_is_known_as_one()
    {
        await using var door = await SqliteDoor.ReadAsync(_store.Path, None);
        var sealedByName = (await door.ReadCatalogueAsync(null, None)).SelectMany(t => t.Columns.Where(c => c.Name.StartsWith("sealed_", StringComparison.Ordinal)).Select(c => (t.Name, c.Name)));
        Assert.Empty(sealedByName.Except(SealedColumns.Known).Except([("refresh_families", "sealed_successor")]));
    }

    [Fact]
    public async Task What_comes_back_is_what_was_there_but_for_what_could_be_used_twice()
    {
        await _store.BackUpAsync(File);
        var before = await FullStore.ContentOfAsync(_store.Path);
        var ended = await RestoreAsync(_store.In("again.db"), keepGrants: false);
        var after = (await FullStore.ContentOfAsync(_store.In("again.db"))).ToDictionary(t => t.Table, StringComparer.Ordinal);

        string[] touched = ["refresh_families", "authorization_codes", "login_sessions", "signing_keys", "audit", "audit_heads", "topic_versions"];
        Assert.All(before.Where(t => !touched.Contains(t.Table, StringComparer.Ordinal)), t => Assert.Equal(t, after[t.Table]));
        Assert.Equal((3, 3, 3), (ended.Codes, ended.Sessions, ended.SigningKeys));
        await using var engine = await SqliteEngine.OpenAsync(_store.In("again.db"), TimeProvider.System, "node-1", None);
        var stores = new Stores(engine);
        Assert.Equal(0, await CountAsync(engine, "SELECT count(*) FROM refresh_families WHERE ended_at = 0"));
        Assert.Equal(0, await CountAsync(engine, "SELECT count(*) FROM authorization_codes"));
        Assert.Equal(0, await CountAsync(engine, "SELECT count(*) FROM login_sessions"));
        // Without a horizon, key requests that may have been answered are refused by their date.
        Assert.Equal(0, await CountAsync(engine, "SELECT count(*) FROM km_requests_horizon"));
        Assert.All(await stores.SigningKeys.LoadAsync(None), key => Assert.True(key.Revoked));
        var walk = await AuditVerification.WalkAsync(stores.Audit, None);
        Assert.Null(walk.BrokenAt);
        var line = Assert.Single(await stores.Audit.ReadAsync(RestoredState.Node, 0, 10, None));
        Assert.Contains("\"kind\":\"store.restored\"", System.Text.Encoding.UTF8.GetString(line.Json), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Grants_go_on_when_that_is_asked_for()
    {
        await _store.BackUpAsync(File);
        var before = (await FullStore.ContentOfAsync(_store.Path)).Single(t => t.Table == "refresh_families");
        Assert.Equal(0, (await RestoreAsync(_store.In("again.db"), keepGrants: true)).Grants);
        Assert.Equal(before, (await FullStore.ContentOfAsync(_store.In("again.db"))).Single(t => t.Table == "refresh_families"));
    }

    [Fact]
    public async Task It_is_the_state_of_one_moment_while_others_write()
    {
        await using var engine = await SqliteEngine.OpenAsync(_store.Path, TimeProvider.System, "node-1", None);
        var stores = new Stores(engine);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(None);
        var written = 0;
        var writers = Enumerable.Range(0, 4).Select(w => Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested)
            {
                await stores.Audit.AppendAsync([FullStore.Entry("a"), FullStore.Entry("b")], None);
                Interlocked.Increment(ref written);
            }
        }, None)).ToList();
        for (var i = 0; i < 5; i++)
        {
            var enough = Volatile.Read(ref written) + 20;
            while (Volatile.Read(ref written) < enough)
                await Task.Delay(1, None);
            // The chain of a torn state would not hold: lines and head are two tables.
            await _store.BackUpAsync(_store.In($"b{i}"));
        }
        await stop.CancelAsync();
        await Task.WhenAll(writers);
        for (var i = 0; i < 5; i++)
            await RestoreAsync(_store.In($"r{i}.db"), keepGrants: false, _store.In($"b{i}"));
    }

    [Fact]
    public async Task A_change_of_any_octet_and_a_cut_anywhere_is_refused_before_anything_is_written()
    {
        await _store.BackUpAsync(File);
        var good = await System.IO.File.ReadAllBytesAsync(File, None);
        await using var file = new FileStream(File, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
        for (var i = 0; i < good.Length; i++)
        {
            Put(file, i, (byte)(good[i] ^ (1 << (i % 8))));
            Refused($"octet {i}");
            Put(file, i, good[i]);
        }
        for (var length = 0; length < good.Length; length += length < 200 ? 1 : 97)
        {
            await System.IO.File.WriteAllBytesAsync(_store.In("cut"), good[..length], None);
            Refused($"the first {length} octets", _store.In("cut"));
        }
        await System.IO.File.WriteAllBytesAsync(_store.In("longer"), [.. good, 0], None);
        Refused("an octet more", _store.In("longer"));
        using var unchanged = BackupReader.Open(File);
        StoreRestore.Check(unchanged, _store.Kek, null, None);
    }

    [Fact]
    public async Task Another_KEK_is_refused_by_its_id_and_one_that_was_made_to_look_like_it_by_the_seal()
    {
        var header = await _store.BackUpAsync(File);
        using var other = Kek.FromBytes(new byte[32]);
        using var backup = BackupReader.Open(File);
        var refused = Assert.Throws<TransferRefusedException>(() => StoreRestore.Check(backup, other, null, None));
        Assert.Contains(_store.Kek.Id, refused.Message, StringComparison.Ordinal);
        Assert.Contains(other.Id, refused.Message, StringComparison.Ordinal);
        Assert.Equal([_store.Kek.Id], header.Keks);

        await using var door = await SqliteDoor.ReadAsync(_store.Path, None);
        refused = await Assert.ThrowsAsync<TransferRefusedException>(() =>
            BackupWriter.WriteAsync(door, other, new("1.0", "node-1", 1, false), new Dictionary<string, byte[]>(), _store.In("other"), null, None));
        Assert.Contains($"sealed by KEK {_store.Kek.Id}", refused.Message, StringComparison.Ordinal);
        Assert.False(System.IO.File.Exists(_store.In("other")) || System.IO.File.Exists(_store.In("other.unfinished")));
    }

    [Fact]
    public async Task The_file_is_its_owners_and_never_written_over_and_holds_no_secret_in_the_clear()
    {
        await _store.BackUpAsync(File);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, System.IO.File.GetUnixFileMode(File));
        var before = await System.IO.File.ReadAllBytesAsync(File, None);
        await Assert.ThrowsAsync<TransferRefusedException>(() => _store.BackUpAsync(File));
        Assert.Equal(before, await System.IO.File.ReadAllBytesAsync(File, None));
    }

    [Fact]
    public async Task A_store_that_was_damaged_is_restored_only_when_that_is_asked_for()
    {
        await using (var engine = await SqliteEngine.OpenAsync(_store.Path, TimeProvider.System, "node-1", None))
            await engine.WriteAsync(unit => unit.ExecuteAsync("UPDATE audit SET json = @Json WHERE seq = 2", new { Json = "{}"u8.ToArray() }), None);
        await _store.BackUpAsync(File);
        var refused = await Assert.ThrowsAsync<TransferRefusedException>(() => RestoreAsync(_store.In("again.db"), keepGrants: false));
        Assert.Contains("broken at node-1/2", refused.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<SchemaRefusedException>(() => SqliteEngine.OpenAsync(_store.In("again.db"), TimeProvider.System, "node-1", None));
        await RestoreAsync(_store.In("again.db"), keepGrants: false, acceptDamage: true);
        await using var opened = await SqliteEngine.OpenAsync(_store.In("again.db"), TimeProvider.System, "node-1", None);
    }

    [Fact]
    public async Task A_backup_of_an_older_schema_is_restored_and_then_brought_up_to_date()
    {
        var path = _store.In("old.db");
        await using (var door = await SqliteDoor.MakeAsync(path, None))
        {
            await MigrationRunner.RunAsync(door.Connection, [.. Migration.Known.Take(1)], TimeProvider.System, None, backfills: []);
            await door.Connection.ExecuteAsync("INSERT INTO val_services (service_id, name, audience, version) VALUES ('s', 'n', 'a', 1)");
        }
        await using (var door = await SqliteDoor.ReadAsync(path, None))
            Assert.Single((await BackupWriter.WriteAsync(door, _store.Kek, new("0.1", "node-1", 1, false), new Dictionary<string, byte[]>(), File, null, None)).Schema);
        await RestoreAsync(_store.In("new.db"), keepGrants: false);
        await using var engine = await SqliteEngine.OpenAsync(_store.In("new.db"), TimeProvider.System, "node-1", None);
        Assert.Equal(Migration.Known.Count, await CountAsync(engine, "SELECT count(*) FROM schema_migrations"));
        Assert.Equal(1, await CountAsync(engine, "SELECT count(*) FROM val_services"));
    }

    internal static async Task<RestoredState> RestoreAsync(FullStore store, string file, string target, bool keepGrants, bool acceptDamage)
    {
        using var backup = BackupReader.Open(file);
        StoreRestore.Check(backup, store.Kek, null, None);
        await using var door = await SqliteDoor.MakeAsync(target, None);
        return await StoreRestore.RunAsync(backup, door, store.Kek, new(keepGrants, acceptDamage), (_, _) => { }, TimeProvider.System, null, None);
    }

    private Task<RestoredState> RestoreAsync(string target, bool keepGrants, string? file = null, bool acceptDamage = false) =>
        RestoreAsync(_store, file ?? File, target, keepGrants, acceptDamage);

    private void Refused(string what, string? path = null)
    {
        try
        {
            using var backup = BackupReader.Open(path ?? File);
            StoreRestore.Check(backup, _store.Kek, null, None);
        }
        catch (Exception e) when (e is TransferRefusedException or SchemaRefusedException)
        {
            return;
        }
        Assert.Fail($"{what}: not noticed");
    }

    private static void Put(FileStream file, int position, byte value)
    {
        file.Position = position;
        file.WriteByte(value);
        file.Flush();
    }

    private static Task<long> CountAsync(IDatabase database, string sql) => database.ReadAsync(connection => connection.ExecuteScalarAsync<long>(sql), None);
}
