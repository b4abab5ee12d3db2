using Keyreeve.Core.Keys;
using Keyreeve.Seal;
using Keyreeve.Storage;
using Keyreeve.Testing;
using Keyreeve.Wire.Seal;
using Xunit;

namespace Keyreeve.Slices.Tests.Storage;

/// <summary>Key management records and their versions; the store sees octets.</summary>
public abstract partial class StoreContract
{
    private async Task<ServiceKek> AddKekAsync(string service, long version = 1)
    {
        await Stores.Seal.AddRootAsync(new() { Version = 1, Method = SealMethod.Passphrase, Wrapped = [1], CreatedAt = Now }, 0, [], Entry(), None);
        var kek = new ServiceKek { ServiceId = service, Version = version, Root = 1, Wrapped = Samples.Hash($"kek {service} {version}"), CreatedAt = Now };
        return await Stores.Seal.AddKekAsync(kek, null, None) ? kek : (await Stores.Seal.FindKekAsync(service, None))!;
    }

    private async Task<KeyRecord?> SaveAsync(KeyRecord record, KeyVersion version, params long[] dropped) =>
        (await Stores.KeyRecords.SaveAsync([new(record with { Latest = Math.Max(record.Latest, version.Number) }, version, dropped)], _ => Entry("record.saved"), None))[0];

    private async Task<KeyRecord> AddRecordAsync(KeyRecord record)
    {
        await AddKekAsync(record.ServiceId);
        return (await SaveAsync(record, Samples.Version()))!;
    }

    private Task<FoundKey?> ActiveAsync(KeyRecord record, long now = Now) => Stores.KeyRecords.FindActiveAsync(record.ServiceId, record.Identity, now, None);

    private async Task<StoredKeys> ReadAsync(KeyRecord record) => (await Stores.KeyRecords.ReadAsync([(record.ServiceId, record.Identity)], None))[0];

    [Fact]
    public async Task A_key_record_comes_back_with_every_field()
    {
        var kek = await AddKekAsync("service");
        var record = Samples.Record("service", KmIdentityKind.User, "user");
        var version = Samples.Version() with { ExpiresAt = Now + 9 };
        Assert.Empty(RecordText.Unset(version));
        Assert.Equal(RecordText.Of(record with { Version = 1 }), RecordText.Of(await SaveAsync(record, version)));
        var (stored, versions) = await ReadAsync(record);
        Assert.Equal(RecordText.Of(record with { Version = 1 }), RecordText.Of(stored));
        Assert.Equal(RecordText.Of(version), RecordText.Of(Assert.Single(versions)));
        Assert.Equal(RecordText.Of(new FoundKey(version, kek)), RecordText.Of(await ActiveAsync(record)));
        Assert.Null(await Stores.KeyRecords.FindActiveAsync("service", KmIdentity.ServiceOnly, Now, None));
        Assert.Null(await Stores.KeyRecords.FindActiveAsync("Service", record.Identity, Now, None));
        Assert.Single(await AuditKindsAsync(), kind => kind == "record.saved");
    }

    [Fact]
    public async Task Row_versions_decide_who_saves_a_key_record()
    {
        var record = Samples.Record("service");
        await AddKekAsync("service");
        Assert.Null(await SaveAsync(record with { Version = 1 }, Samples.Version()));
        var first = (await SaveAsync(record, Samples.Version()))!;
        Assert.Equal(1, first.Version);
        Assert.Null(await SaveAsync(record, Samples.Version(2)));
        Assert.Equal(2, (await SaveAsync(first, Samples.Version(2, Now + 1)))!.Version);
        Assert.Null(await SaveAsync(first, Samples.Version(3, Now + 2)));
        Assert.Equal([1, 2], (await ReadAsync(record)).Versions.Select(v => v.Number));
        Assert.Equal(2, (await AuditKindsAsync()).Count(kind => kind == "record.saved"));
    }

    [Fact]
    public async Task The_version_that_was_activated_last_is_found_unless_it_is_over_and_none_that_it_superseded()
    {
        var record = await AddRecordAsync(Samples.Record("service"));
        record = (await SaveAsync(record, Samples.Version(2, Now + 10) with { ExpiresAt = Now + 20 }))!;
        record = (await SaveAsync(record, Samples.Version(3, Now + 10) with { ExpiresAt = Now + 15 }))!;
        foreach (var (at, number) in new (long, long?)[] { (-1, null), (0, 1), (9, 1), (10, 3), (14, 3), (15, null), (19, null), (20, null) })
            Assert.Equal(number, (await ActiveAsync(record, Now + at))!.Version?.Number);
        Assert.NotNull(await SaveAsync(record, Samples.Version(4, Now + 30), 1, 2));
        Assert.Equal([3, 4], (await ReadAsync(record)).Versions.Select(v => v.Number));
        Assert.Equal(new(null, null), await ActiveAsync(record, Now + 20));
    }

    [Fact]
    public async Task Versions_whose_record_is_gone_are_given_to_nobody()
    {
        var record = await AddRecordAsync(Samples.Record("service", KmIdentityKind.User, "user"));
        Assert.NotNull((await ActiveAsync(record))!.Version);
        // As a node that knows of no versions leaves them.
        await Database.WriteAsync(unit => unit.ExecuteAsync("DELETE FROM key_records WHERE identity_value = 'user'", new { }), None);
        Assert.Null(await ActiveAsync(record));
        Assert.Equal((null, 0), ((await ReadAsync(record)).Record, (await ReadAsync(record)).Versions.Count));
    }

    [Fact]
    [Proves("TS 33.434", "5.3.2")]
    public async Task No_split_of_a_key_meets_another_record()
    {
        var longest = new string('é', 127) + "x";
        KeyRecord[] records =
        [
            Samples.Record("a"), Samples.Record("a", KmIdentityKind.User, "b|c"), Samples.Record("a|b", KmIdentityKind.User, "c"),
            Samples.Record("a", KmIdentityKind.Client, "b|c"), Samples.Record("a", KmIdentityKind.Device, "b|c"), Samples.Record("a|b|c"),
            Samples.Record("A"), Samples.Record("a "), Samples.Record("a", KmIdentityKind.User, "b"), Samples.Record("ab", KmIdentityKind.User, ""),
            Samples.Record("a'; DROP TABLE key_records; --"), Samples.Record("a", KmIdentityKind.User, "\"b' OR '1'='1"),
            Samples.Record("a", KmIdentityKind.User, "é"), Samples.Record("a", KmIdentityKind.User, "e\u0301"), Samples.Record("a", KmIdentityKind.User, "%"),
            Samples.Record(longest, KmIdentityKind.User, longest), Samples.Record("12", KmIdentityKind.User, "1"), Samples.Record("1", KmIdentityKind.User, "21"),
            Samples.Record("1", KmIdentityKind.User, "1"), Samples.Record("1.0", KmIdentityKind.User, "01"), Samples.Record("😀", KmIdentityKind.Device, "@p;\n"),
        ];
        foreach (var service in records.Select(r => r.ServiceId).Distinct())
            await AddKekAsync(service);
        var saves = records.Select((record, i) => new KeySave(record, Samples.Version(text: $"{i}"), [])).ToList();
        Assert.DoesNotContain(null, await Stores.KeyRecords.SaveAsync(saves, _ => Entry("imported"), None));
        foreach (var save in saves)
            Assert.Equal(RecordText.Of(save.Version), RecordText.Of((await ActiveAsync(save.Record))!.Version));
        Assert.Equal(records.Length, (await Stores.KeyRecords.ListAsync(null, null, 1000, removed: false, None)).Count);
        Assert.Single(await AuditKindsAsync(), kind => kind == "imported");
    }

    [Fact]
    public async Task Many_at_once_are_written_and_read_each_for_itself()
    {
        await AddKekAsync("service");
        var there = await AddRecordAsync(Samples.Record("service", KmIdentityKind.User, "user 003"));
        var records = Enumerable.Range(0, 40).Select(i => Samples.Record(i < 30 ? "service" : "no key", KmIdentityKind.User, $"user {i:000}")).ToList();
        records[5] = records[4]; // twice in one write: one is too late
        var saves = records.Select((record, i) => new KeySave(record with { Latest = 1 }, Samples.Version(text: $"{i}") with { ExpiresAt = Now + 100 + i }, [])).ToList();
        saves.Add(new(there with { Latest = 2 }, Samples.Version(2, Now + 1), []));
        var written = await Stores.KeyRecords.SaveAsync(saves, _ => Entry("imported"), None);
        Assert.Equal(Enumerable.Range(0, 41).Where(i => i is 3 or 5 or (>= 30 and < 40)), Enumerable.Range(0, 41).Where(i => written[i] is null));
        Assert.Equal((1, 2), (written[0]!.Version, written[40]!.Version));
        var read = await Stores.KeyRecords.ReadAsync([.. records.Select(r => (r.ServiceId, r.Identity))], None);
        for (var i = 0; i < 30; i++)
        {
            Assert.Equal(records[i].Identity, read[i].Record!.Identity);
            Assert.Equal(i == 3 ? [1, 2] : [1], read[i].Versions.Select(v => v.Number));
            Assert.Equal(i == 3 ? 0 : Now + 100 + (i == 5 ? 4 : i), read[i].Versions[0].ExpiresAt);
            if (i is not (3 or 5))
                Assert.Equal(RecordText.Of(saves[i].Version), RecordText.Of(read[i].Versions[0]));
        }
        Assert.All(read.Skip(30), r => Assert.True(r.Record is null && r.Versions.Count == 0));
        Assert.Single(await AuditKindsAsync(), kind => kind == "imported");
    }

    [Fact]
    public async Task Key_records_page_by_cursor_without_loss_for_all_services_and_for_one()
    {
        var records = (from service in new[] { "a", "b", "c" }
                       from kind in Enum.GetValues<KmIdentityKind>()
                       from i in Enumerable.Range(0, kind == KmIdentityKind.Service ? 1 : 4)
                       select Samples.Record(service, kind, kind == KmIdentityKind.Service ? "" : $"id {i}")).ToList();
        foreach (var service in new[] { "a", "b", "c" })
            await AddKekAsync(service);
        await Stores.KeyRecords.SaveAsync([.. Enumerable.Reverse(records).Select(record => new KeySave(record, Samples.Version(), []))], _ => Entry(), None);
        var all = await AllPagesAsync<KeyRecord>(last => Stores.KeyRecords.ListAsync(null, last is null ? null : (last.ServiceId, last.Identity), 5, removed: false, None));
        Assert.Equal(records.Select(record => (record.ServiceId, record.Identity)), all.Select(record => (record.ServiceId, record.Identity)));
        var b = await AllPagesAsync<KeyRecord>(last => Stores.KeyRecords.ListAsync("b", last is null ? null : (last.ServiceId, last.Identity), 5, removed: false, None));
        Assert.Equal(13, b.Count);
        Assert.All(b, record => Assert.Equal("b", record.ServiceId));
    }

    [Fact]
    public async Task A_removed_record_is_given_to_nobody_and_comes_back_until_it_is_shredded()
    {
        var record = await AddRecordAsync(Samples.Record("service"));
        Assert.False(await Stores.KeyRecords.RemoveAsync("service", record.Identity, 7, Now, Entry(), None));
        Assert.True(await Stores.KeyRecords.RemoveAsync("service", record.Identity, 1, Now + 1, Entry(), None));
        Assert.False(await Stores.KeyRecords.RemoveAsync("service", record.Identity, null, Now + 2, Entry(), None));
        Assert.Null(await ActiveAsync(record));
        Assert.Empty(await Stores.KeyRecords.ListAsync(null, null, 10, removed: false, None));
        Assert.Equal(Now + 1, Assert.Single(await Stores.KeyRecords.ListAsync(null, null, 10, removed: true, None)).RemovedAt);
        Assert.Null(await SaveAsync((await ReadAsync(record)).Record!, Samples.Version(2)));

        Assert.Equal(0, (await Stores.KeyRecords.RestoreAsync("service", record.Identity, Now, Entry(), None))!.RemovedAt);
        Assert.Null(await Stores.KeyRecords.RestoreAsync("service", record.Identity, Now, Entry(), None));
        Assert.Equal(1, (await ActiveAsync(record))!.Version!.Number);
        Assert.False(await Stores.KeyRecords.ShredAsync("service", record.Identity, Entry(), None));
        Assert.True(await Stores.KeyRecords.RemoveAsync("service", record.Identity, null, Now + 3, Entry(), None));
        Assert.True(await Stores.KeyRecords.ShredAsync("service", record.Identity, Entry(), None));
        Assert.False(await Stores.KeyRecords.ShredAsync("service", record.Identity, Entry(), None));
        Assert.Equal(0, await CountAsync("key_versions"));
    }

    [Fact]
    public async Task What_was_removed_is_shredded_when_its_time_for_recovery_is_over()
    {
        var seconds = DatabaseNow / 1000;
        var (old, young) = (await AddRecordAsync(Samples.Record("service", KmIdentityKind.User, "old")), await AddRecordAsync(Samples.Record("service", KmIdentityKind.User, "young")));
        await Stores.KeyRecords.RemoveAsync("service", old.Identity, null, seconds - (long)Sweeps.Recovery.TotalSeconds - 100, Entry(), None);
        await Stores.KeyRecords.RemoveAsync("service", young.Identity, null, seconds - (long)Sweeps.Recovery.TotalSeconds + 3600, Entry(), None);
        var sweep = Stores.Sweeps.Single(s => s.Name == "key_records");
        Assert.Equal(1, (await sweep.RunAsync(TimeProvider.System.GetUtcNow(), 100, None)).Rows);
        Assert.Null((await ReadAsync(old)).Record);
        Assert.Single((await ReadAsync(young)).Versions);
        Assert.Equal(1, await CountAsync("key_versions"));
        Assert.Single(await AuditKindsAsync(), kind => kind == "key_record.shredded");
    }

    [Fact]
    public async Task What_the_release_before_stored_is_given_out_and_moved_by_the_backfill()
    {
        const int count = 250;
        for (var i = 0; i < count; i++)
            await AddFormerAsync($"{i:000}", Samples.Hash($"{i}"));
        var record = Samples.Record("service", KmIdentityKind.User, "007");
        Assert.Equal((1, Convert.ToHexString(Samples.Hash("7")), 0), await OfFormerAsync(record));
        Assert.Equal(0, await CountAsync("key_versions"));
        // The state after a new store's start is "finished": as after an upgrade it begins again.
        await SqlAsync("UPDATE schema_backfills SET finished_at = 0, cursor = '' WHERE number = 2");
        await Stores.Backfills.RunAsync(background: false, null, None);
        Assert.Equal(count, await CountAsync("key_versions"));
        Assert.Equal((1, Convert.ToHexString(Samples.Hash("7")), 0), await OfFormerAsync(record));
        Assert.Equal(count, await CountAsync("key_records"));
        Assert.Equal(["service"], await Stores.KeyRecords.ServicesOfLegacyAsync(10, None));
        // Again it changes nothing.
        await SqlAsync("UPDATE schema_backfills SET finished_at = 0, cursor = '' WHERE number = 2");
        await Stores.Backfills.RunAsync(background: false, null, None);
        Assert.Equal(count, await CountAsync("key_versions"));
        Assert.Equal(1, (await ReadAsync(record)).Record!.Latest);
    }

    [Fact]
    public async Task A_change_of_what_the_release_before_stored_keeps_it_as_a_version()
    {
        await AddKekAsync("service");
        await AddFormerAsync("u", [1, 2, 3]);
        var (record, versions) = await ReadAsync(Samples.Record("service", KmIdentityKind.User, "u"));
        Assert.Equal((1, 0), (Assert.Single(versions).Number, versions[0].KekVersion));
        Assert.NotNull(await SaveAsync(record!, Samples.Version(2, Now + 10)));
        Assert.Equal([1, 2], (await ReadAsync(record!)).Versions.Select(v => v.Number));
        Assert.Equal((1, "010203", 0), await OfFormerAsync(record!));
    }

    private Task<int> AddFormerAsync(string user, byte[] payload) => SqlAsync(
        "INSERT INTO key_records (service_id, identity_kind, identity_value, sealed_payload, updated_at, version) VALUES ('service', 3, @User, @Payload, @Now, 1)", new { User = user, Payload = payload, Now });

    private async Task<(long Number, string Ciphertext, long Kek)> OfFormerAsync(KeyRecord record) =>
        (await ActiveAsync(record))!.Version is { } version ? (version.Number, Convert.ToHexString(version.Ciphertext), version.KekVersion) : default;
}
