using Keyreeve.Core.Audit;
using Keyreeve.Core.Keys;
using Keyreeve.Seal;
using Keyreeve.Storage;
using Keyreeve.Wire.Seal;
using Xunit;

namespace Keyreeve.Slices.Tests.Storage;

/// <summary>Key records in memory say at any moment what the file says: it is asked by another engine, which remembers nothing.</summary>
public sealed class RememberedKeysTests : IAsyncLifetime
{
    private const long Now = 1_767_225_600;
    private const string Service = "service";

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("keyreeve-keys-");
    private SqliteEngine _engine = null!;
    private SqliteEngine _other = null!;

    private static CancellationToken None => TestContext.Current.CancellationToken;

    private RememberedKeys Remembered => ((IDatabase)_engine).Remembered!;

    private KeyRecordStore Keys => new(_engine);

    private SealStore Seal => new(_engine);

    public async ValueTask InitializeAsync()
    {
        _engine = await OpenAsync();
        _other = await OpenAsync();
        Remembered.Capacity = 1 << 20;
        await Seal.AddRootAsync(new() { Version = 1, Method = SealMethod.Passphrase, Wrapped = [1], CreatedAt = Now }, 0, [], Entry, None);
        foreach (var service in new[] { Service, "other" })
            Assert.True(await Seal.AddKekAsync(Kek(service), null, None));
    }

    public async ValueTask DisposeAsync()
    {
        await _other.DisposeAsync();
        await _engine.DisposeAsync();
        _folder.Delete(recursive: true);
    }

    [Fact]
    public async Task What_was_found_once_is_not_looked_up_again()
    {
        var record = await AddAsync(Service, "alice");
        Assert.Equal(0, Remembered.Count);
        await AgreeAsync(record);
        Assert.Equal(1, Remembered.Count);
        // Behind its back, by rows that the engine does not tell of: so it is known who answers.
        await using (var connection = new Microsoft.Data.Sqlite.SqliteConnection("Data Source=" + FilePath))
        {
            await connection.OpenAsync(None);
            await using var command = connection.CreateCommand();
            command.CommandText = "DELETE FROM key_versions";
            await command.ExecuteNonQueryAsync(None);
        }
        Assert.Equal(1, (await FindAsync(Keys, record, Now))!.Version!.Number);
        // The next write of this process sees that another has written.
        await AddAsync(Service, "bob");
        Assert.Equal(0, Remembered.Count);
        await AgreeAsync(record);
    }

    [Fact]
    public async Task Any_sequence_of_changes_leaves_no_old_answer()
    {
        var random = new Random(7);
        var identities = Enumerable.Range(0, 4).Select(i => (i % 2 == 0 ? Service : "other", new KmIdentity(KmIdentityKind.User, $"u{i / 2}"))).ToArray();
        var remembered = 0L;
        for (var step = 0; step < 400; step++)
        {
            var (service, identity) = identities[random.Next(identities.Length)];
            await ChangeAsync(random, service, identity);
            foreach (var (s, i) in identities)
                foreach (var at in new[] { Now, Now + 50, Now - 100, Now + 200, Now })
                    Assert.Equal(RecordText.Of(await new KeyRecordStore(_other).FindActiveAsync(s, i, at, None)), RecordText.Of(await Keys.FindActiveAsync(s, i, at, None)));
            remembered += Remembered.Count;
        }
        // Else nothing was tested.
        Assert.True(remembered > 100, $"{remembered} records remembered in all");
    }

    [Fact]
    public async Task Nobody_is_given_a_former_key_after_a_write_was_acknowledged()
    {
        var record = await AddAsync(Service, "alice");
        var acknowledged = 1L;
        using var end = new CancellationTokenSource();
        var readers = Enumerable.Range(0, 4).Select(_ => Task.Run(async () =>
        {
            while (!end.IsCancellationRequested)
            {
                var least = Interlocked.Read(ref acknowledged);
                var found = (await FindAsync(Keys, record, Now))!.Version!.Number;
                Assert.True(found >= least, $"version {found} after {least} was acknowledged");
            }
        }, None)).ToArray();
        for (var number = 2L; number < 400; number++)
        {
            record = (await SaveAsync(record, Samples.Version(number), number - 1))!;
            Interlocked.Exchange(ref acknowledged, number);
        }
        await end.CancelAsync();
        await Task.WhenAll(readers);
        await AgreeAsync(record);
    }

    [Fact]
    public async Task A_write_that_names_no_record_makes_all_forgotten_and_one_that_fails_too()
    {
        var record = await AddAsync(Service, "alice");
        await AgreeAsync(record);
        await _engine.WriteAsync(unit => unit.ExecuteAsync("UPDATE key_versions SET activates_at = activates_at - 1", new { }), None);
        Assert.Equal(0, Remembered.Count);
        await AgreeAsync(record);
        Assert.Equal(1, Remembered.Count);
        await Assert.ThrowsAnyAsync<Exception>(() => _engine.WriteAsync<int>(async unit =>
        {
            await unit.ExecuteAsync("UPDATE key_versions SET activates_at = activates_at - 1", new { });
            throw new InvalidOperationException("taken back");
        }, None));
        Assert.Equal(0, Remembered.Count);
        await AgreeAsync(record);
        // What does not touch them does not.
        await _engine.WriteAsync(unit => unit.ExecuteAsync("INSERT INTO sealed_values (name, value) VALUES (@Name, @Value)", new { Name = "name", Value = new byte[1] }), None);
        Assert.Equal(1, Remembered.Count);
    }

    [Fact]
    public async Task A_version_that_waits_is_given_out_when_its_time_comes()
    {
        var record = await AddAsync(Service, "alice");
        await AgreeAsync(record);
        await SaveAsync(record, Samples.Version(2, Now + 10));
        foreach (var (at, number) in new[] { (Now + 9, 1), (Now + 10, 2), (Now + 9, 1) })
            Assert.Equal(number, (await FindAsync(Keys, record, at))!.Version!.Number);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(7)]
    [InlineData(500)]
    public async Task A_walk_remembers_every_record_that_does_not_depend_on_the_time(int page)
    {
        var (all, mayBeMissed) = (new List<KeyRecord>(), 0);
        for (var i = 0; i < 25; i++)
        {
            var record = await AddAsync(i % 3 == 0 ? Service : "other", $"u{i}");
            for (var number = 2; number <= 1 + i % 4; number++)
                record = (await SaveAsync(record, Samples.Version(number, number == 4 ? long.MaxValue / 2 : Now)))!;
            mayBeMissed += i % 4 == 3 || 1 + i % 4 >= page ? 1 : 0;
            all.Add(record);
        }
        Assert.True(await Keys.RemoveAsync(Service, all[0].Identity, null, Now, Entry, None));
        Remembered.ForgetAll();
        (string, KmIdentity)? after = ("", new((KmIdentityKind)(-1), ""));
        for (var pages = 0; after is { } at; pages++)
        {
            Assert.True(pages < 200, "the walk does not end");
            after = await ActiveKeys.RememberAsync(_engine, at, page, None);
        }
        Assert.InRange(Remembered.Count, 24 - mayBeMissed, 24);
        foreach (var record in all)
        {
            await AgreeAsync(record, long.MaxValue / 2);
            await AgreeAsync(record);
        }
    }

    [Fact]
    public async Task It_holds_no_more_than_it_may_and_answers_all_the_same()
    {
        Remembered.Capacity = 256 * 600;
        var records = new List<KeyRecord>();
        for (var i = 0; i < 1500; i++)
            records.Add(Samples.Record(Service, KmIdentityKind.User, $"u{i}"));
        await Keys.SaveAsync([.. records.Select(r => new KeySave(r, Samples.Version(), []))], _ => Entry, None);
        foreach (var record in records)
        {
            await AgreeAsync(record);
            Assert.InRange(Remembered.Octets, 0, Remembered.Capacity);
        }
        Assert.InRange(Remembered.Count, 100, 1400);
        Remembered.Capacity = 0;
        await AgreeAsync(records[^1]);
    }

    [Fact]
    public async Task The_server_reads_them_at_its_start_and_again_when_all_were_forgotten()
    {
        for (var i = 0; i < 40; i++)
            await AddAsync(Service, $"u{i}");
        using var end = CancellationTokenSource.CreateLinkedTokenSource(None);
        var memory = new KeyMemory(_engine);
        var running = memory.RunAsync(1 << 20, end.Token);
        await UntilAsync(() => memory.Count == 40);
        Assert.InRange(memory.Octets, 40 * 100, 40 * 400);
        Remembered.ForgetAll();
        await UntilAsync(() => memory.Count == 40);
        // Another program, while nothing is written here.
        await new KeyRecordStore(_other).RemoveAsync(Service, new(KmIdentityKind.User, "u7"), null, Now, Entry, None);
        await UntilAsync(() => memory.Count == 39);
        Assert.Null(await Keys.FindActiveAsync(Service, new(KmIdentityKind.User, "u7"), Now, None));
        await end.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);
    }

    private static async Task UntilAsync(Func<bool> holds)
    {
        for (var since = TimeProvider.System.GetTimestamp(); !holds(); await Task.Delay(20, None))
            Assert.True(TimeProvider.System.GetElapsedTime(since) < TimeSpan.FromSeconds(30), "it never came to be");
    }

    private string FilePath => Path.Combine(_folder.FullName, "keyreeve.db");

    private static AuditEntry Entry => new() { Kind = "test.change", Outcome = AuditOutcome.Changed, At = Now * 1000, Actor = "system" };

    private static ServiceKek Kek(string service, long version = 1) => new() { ServiceId = service, Version = version, Root = 1, Wrapped = Samples.Hash($"kek {service} {version}"), CreatedAt = Now };

    private Task<SqliteEngine> OpenAsync() => SqliteEngine.OpenAsync(FilePath, TimeProvider.System, "node-1", None);

    private static Task<FoundKey?> FindAsync(KeyRecordStore keys, KeyRecord record, long now) => keys.FindActiveAsync(record.ServiceId, record.Identity, now, None);

    private async Task AgreeAsync(KeyRecord record, long now = Now) =>
        Assert.Equal(RecordText.Of(await FindAsync(new(_other), record, now)), RecordText.Of(await FindAsync(Keys, record, now)));

    private async Task<KeyRecord> AddAsync(string service, string user) => (await SaveAsync(Samples.Record(service, KmIdentityKind.User, user), Samples.Version()))!;

    private async Task<KeyRecord?> SaveAsync(KeyRecord record, KeyVersion version, params long[] dropped) =>
        (await Keys.SaveAsync([new(record with { Latest = Math.Max(record.Latest, version.Number) }, version, dropped)], _ => Entry, None))[0];

    private async Task ChangeAsync(Random random, string service, KmIdentity identity)
    {
        var (record, versions) = (await Keys.ReadAsync([(service, identity)], None))[0];
        var kek = (await Seal.FindKekAsync(service, None))!;
        switch (random.Next(8))
        {
            case 0 when record is { RemovedAt: 0 }:
                await Keys.RemoveAsync(service, identity, null, Now, Entry, None);
                break;
            case 1:
                await Keys.RestoreAsync(service, identity, Now, Entry, None);
                break;
            case 2:
                await Keys.ShredAsync(service, identity, Entry, None);
                break;
            case 3:
                await Keys.RewrapAsync([.. versions.Select(v => (new StoredVersion(service, identity, v), v with { KekVersion = kek.Version, WrappedKey = Samples.Hash($"again {random.Next()}") }))], None);
                break;
            case 4:
                await Seal.AddKekAsync(Kek(service, kek.Version + 1), null, None);
                break;
            case 5 when random.Next(4) == 0:
                await Seal.DestroyAsync(service, Now, Entry, None);
                await Seal.AddKekAsync(Kek(service, kek.Version + 1), null, None);
                break;
            default:
                var number = (record?.Latest ?? 0) + 1;
                var version = Samples.Version(number, Now + random.Next(-60, 60), $"{random.Next()}") with { KekVersion = kek.Version, ExpiresAt = random.Next(3) == 0 ? Now + random.Next(60, 150) : 0 };
                await SaveAsync(record ?? Samples.Record(service, identity.Kind, identity.Value), version, [.. versions.SkipLast(2).Select(v => v.Number)]);
                break;
        }
    }
}
