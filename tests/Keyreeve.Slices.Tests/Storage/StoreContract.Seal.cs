using System.Text;
using Keyreeve.Core.Keys;
using Keyreeve.Core.Refusals;
using Keyreeve.Seal;
using Keyreeve.Storage;
using Keyreeve.Wire.Seal;
using Xunit;

namespace Keyreeve.Slices.Tests.Storage;

/// <summary>Roots, services' keys, and what is provisioned under them.</summary>
public abstract partial class StoreContract
{
    private static SealRoot Root(long version) => new()
    {
        Version = version,
        Method = SealMethod.Shares,
        Wrapped = [(byte)version, 1],
        ByFormer = [(byte)version, 2],
        Parameters = new() { Set = "0123abcd", Shares = 5, Threshold = 3, Iterations = 7, Salt = "c2FsdA" },
        CreatedAt = Now,
    };

    /// <summary>An open store, as a node has it.</summary>
    private async Task<(RootKeys Roots, RecordVault Vault, KeyProvisioning Provisioning)> OpenSealAsync(Kek kek)
    {
        var source = new KekRootSource(kek);
        using var octets = PinnedSecret.Random(SealingKey.KeySize);
        Assert.True(await Stores.Seal.AddRootAsync(new() { Version = 1, Method = source.Method, Wrapped = source.Seal(1, octets.Span), CreatedAt = Now }, 0, [], Entry(), None));
        var roots = new RootKeys();
        Assert.True(roots.TryOpen(await Stores.Seal.RootsAsync(None), source));
        var vault = new RecordVault(roots, kek);
        return (roots, vault, new(Stores.KeyRecords, Stores.Seal, vault));
    }

    [Fact]
    public async Task Of_nodes_that_add_a_root_at_once_one_does_and_it_comes_back_with_every_field()
    {
        Assert.Empty(RecordText.Unset(Root(1)));
        Assert.Single(await AtOnceAsync(8, _ => Stores.Seal.AddRootAsync(Root(1), 0, [], Entry("root.added"), None)), added => added);
        Assert.Equal(RecordText.Of(Root(1)), RecordText.Of(Assert.Single(await Stores.Seal.RootsAsync(None))));
        Assert.Single(await AuditKindsAsync(), kind => kind == "root.added");
        Assert.False(await Stores.Seal.AddRootAsync(Root(3), 1, [], Entry(), None));
        Assert.True(await Stores.Seal.AddRootAsync(Root(2), 1, [(1, [9])], Entry(), None));
        var former = (await Stores.Seal.RootsAsync(None))[0];
        Assert.Equal((SealMethod.NextRoot, "09"), (former.Method, Convert.ToHexString(former.Wrapped)));
    }

    [Fact]
    public async Task A_root_goes_when_no_key_needs_it_and_with_it_the_bridge_to_the_next()
    {
        await AddKekAsync("service");
        Assert.True(await Stores.Seal.AddRootAsync(Root(2), 1, [(1, [9])], Entry(), None));
        Assert.False(await Stores.Seal.RetireRootAsync(1, Entry(), None));
        Assert.False(await Stores.Seal.RetireRootAsync(2, Entry(), None));
        var kek = (await Stores.Seal.FindKekAsync("service", None))!;
        // A node that has not heard of the new root cannot bring a key under the former.
        Assert.False(await Stores.Seal.AddKekAsync(kek with { ServiceId = "other" }, null, None));
        Assert.Equal(0, await Stores.Seal.RewrapKeksAsync([(kek with { Wrapped = [1] }, kek with { Root = 2 })], None));
        Assert.Equal(1, await Stores.Seal.RewrapKeksAsync([(kek, kek with { Root = 2, Wrapped = [7] })], None));
        Assert.Equal((1, 0), await Stores.Seal.CountKeksAsync(2, None));
        Assert.True(await Stores.Seal.RetireRootAsync(1, Entry(), None));
        Assert.Empty(Assert.Single(await Stores.Seal.RootsAsync(None)).ByFormer);
    }

    [Fact]
    public async Task A_services_key_goes_when_no_version_needs_it()
    {
        var record = await AddRecordAsync(Samples.Record("service"));
        var second = await AddKekAsync("service", 2);
        Assert.Equal(2, second.Version);
        Assert.Equal(["service"], await Stores.Seal.RotatingAsync(10, None));
        Assert.Equal(1, await Stores.KeyRecords.CountBelowAsync("service", 2, None));
        Assert.False(await Stores.Seal.RetireKekAsync("service", 1, Entry(), None));
        var below = Assert.Single(await Stores.KeyRecords.BelowAsync("service", 2, null, 10, None));
        var after = below.Version with { KekVersion = 2, WrappedKey = [2] };
        Assert.Equal(0, await Stores.KeyRecords.RewrapAsync([(below with { Version = below.Version with { WrappedKey = [9] } }, after)], None));
        Assert.Equal(1, await Stores.KeyRecords.RewrapAsync([(below, after)], None));
        Assert.Equal(1, (await ReadAsync(record)).Record!.Version); // nobody's ETag is void by it
        Assert.True(await Stores.Seal.RetireKekAsync("service", 1, Entry(), None));
        Assert.False(await Stores.Seal.RetireKekAsync("service", 2, Entry(), None));
        Assert.Empty(await Stores.Seal.RotatingAsync(10, None));
        // Who read the former key before it went writes nothing by it.
        Assert.Null(await SaveAsync(record, Samples.Version(2, Now + 1)));
    }

    [Fact]
    public async Task Destroyed_keys_are_empty_at_once_and_what_they_wrapped_is_swept()
    {
        var record = await AddRecordAsync(Samples.Record("service"));
        await AddRecordAsync(Samples.Record("other"));
        await AddFormerAsync("former", [1, 2, 3]);
        Assert.Equal(2, await Stores.Seal.DestroyAsync("service", Now + 5, Entry("destroyed"), None));
        Assert.Equal(0, await Stores.Seal.DestroyAsync("service", Now + 6, Entry("destroyed"), None));
        Assert.Single(await AuditKindsAsync(), kind => kind == "destroyed");
        var kek = (await Stores.Seal.FindKekAsync("service", None))!;
        Assert.Equal((0, Now + 5), (kek.Wrapped.Length, kek.DestroyedAt));
        Assert.Equal(Now + 5, (await ActiveAsync(record))!.Kek!.DestroyedAt);
        Assert.Null((await ActiveAsync(Samples.Record("service", KmIdentityKind.User, "former")))?.Version);
        var sweep = Stores.Sweeps.Single(s => s.Name == "key_versions");
        while ((await sweep.RunAsync(TimeProvider.System.GetUtcNow(), 100, None)).Rows > 0)
        {
        }
        Assert.Equal((1, 1), (await CountAsync("key_versions"), await CountAsync("key_records")));
        // New ones have a new key, and a number that never was.
        Assert.Equal(2, (await AddKekAsync("service", 2)).Version);
        Assert.NotNull(await SaveAsync(Samples.Record("service"), Samples.Version() with { KekVersion = 2 }));
    }

    [Fact]
    public async Task What_is_provisioned_opens_and_the_same_again_is_nothing_new()
    {
        using var kek = Kek.FromBytes(KekOctets(1));
        var (roots, vault, provisioning) = await OpenSealAsync(kek);
        using var _ = roots;
        var name = KeyRecord.Purpose("service", KmIdentity.ServiceOnly);
        Assert.Equal((1L, Provisioned.Added), await SaveAsync("one"));
        Assert.Equal((1L, Provisioned.Unchanged), await SaveAsync("one"));
        Assert.Equal((2L, Provisioned.Changed), await SaveAsync("two"));
        Assert.Equal((3L, Provisioned.Changed), await SaveAsync("three", Now + 10));
        Assert.Equal((3L, Provisioned.Unchanged), await SaveAsync("three", Now + 10));
        Assert.Equal((3L, Provisioned.Unchanged), await SaveAsync("two"));
        Assert.Equal("two", await OpenAsync(Now));
        Assert.Equal("two", await OpenAsync(Now - 100_000)); // a clock that is behind gives it out all the same
        Assert.Equal("three", await OpenAsync(Now + 10));
        Assert.Equal(RefusalCode.Conflict, Code(await provisioning.SaveAsync(KeyOf("four"), 0, Now, Entry(), None)));
        Assert.Equal(RefusalCode.Conflict, Code(await provisioning.SaveAsync(KeyOf("four"), 1, Now, Entry(), None)));
        Assert.Equal(RefusalCode.InvalidParameter, Code(await provisioning.SaveAsync(KeyOf("four") with { ExpiresAt = Now }, null, Now, Entry(), None)));
        Assert.Equal(RefusalCode.InvalidParameter, Code(await provisioning.SaveAsync(KeyOf("four") with { ServiceId = "\uD800" }, null, Now, Entry(), None)));
        // Many at once, each its own: no one is lost, and the newest number is given out.
        var saved = await AtOnceAsync(6, i => SaveAsync($"at once {i}"));
        Assert.All(saved, s => Assert.Equal(Provisioned.Changed, s.What));
        Assert.StartsWith("at once", await OpenAsync(Now), StringComparison.Ordinal);
        roots.Lock();
        Assert.Equal(RefusalCode.Sealed, Code(await provisioning.SaveAsync(KeyOf("four"), null, Now, Entry(), None)));
        Assert.Equal(RefusalCode.Sealed, Code(vault.Open(name, (await ReadAsync(Samples.Record("service"))).Versions[0], null)));

        ProvisionedKey KeyOf(string text, long? at = null) => new("service", KmIdentity.ServiceOnly, Encoding.UTF8.GetBytes(text), at, 0);

        async Task<(long Version, Provisioned What)> SaveAsync(string text, long? at = null) =>
            Value(await provisioning.SaveAsync(KeyOf(text, at), null, Now, Entry(), None)) is var saved ? (saved.Record.Version, saved.What) : default;

        async Task<string> OpenAsync(long now) => (await Stores.KeyRecords.FindActiveAsync("service", KmIdentity.ServiceOnly, now, None)) is { Version: { } version } found
            ? Encoding.UTF8.GetString(Value(vault.Open(name, version, found.Kek)))
            : "none";
    }

    [Fact]
    public async Task Keys_that_another_node_destroyed_rotated_or_wrapped_anew_are_not_kept_unwrapped()
    {
        using var kek = Kek.FromBytes(KekOctets(1));
        var (roots, vault, provisioning) = await OpenSealAsync(kek);
        using var open = roots;
        foreach (var service in (string[])["destroyed", "wrapped anew", "rotated", "same"])
            Value(await provisioning.SaveAsync(new(service, KmIdentity.ServiceOnly, Encoding.UTF8.GetBytes(service), null, 0), null, Now, Entry(), None));
        await vault.DropStaleAsync(Stores.Seal, None);
        Assert.Equal(4, vault.KeptKeys);
        // As another node does it: nobody tells this vault.
        Assert.Equal(1, await Stores.Seal.DestroyAsync("destroyed", Now, Entry(), None));
        var former = (await Stores.Seal.FindKekAsync("wrapped anew", None))!;
        Assert.Equal(1, await Stores.Seal.RewrapKeksAsync([(former, vault.Rewrap(former)!)], None));
        Assert.True(await Stores.Seal.AddKekAsync(vault.NewKek("rotated", 2, Now)!, null, None));
        await Stores.KeyRecords.RewrapAsync([.. (await Stores.KeyRecords.BelowAsync("rotated", 2, null, 10, None)).Select(b => (b, b.Version with { KekVersion = 2 }))], None);
        Assert.True(await Stores.Seal.RetireKekAsync("rotated", 1, Entry(), None));
        await vault.DropStaleAsync(Stores.Seal, None);
        Assert.Equal(1, vault.KeptKeys);
        Assert.Equal("wrapped anew", await OpenAsync("wrapped anew"));
        Assert.Equal("same", await OpenAsync("same"));
        Assert.Equal(2, vault.KeptKeys);
        roots.Lock();
        await vault.DropStaleAsync(Stores.Seal, None);
        Assert.Equal(0, vault.KeptKeys);

        async Task<string> OpenAsync(string service) => (await Stores.KeyRecords.FindActiveAsync(service, KmIdentity.ServiceOnly, Now, None)) is { Version: { } version } found
            ? Encoding.UTF8.GetString(Value(vault.Open(KeyRecord.Purpose(service, KmIdentity.ServiceOnly), version, found.Kek)))
            : "none";
    }

    [Fact]
    public async Task Dropping_a_key_disturbs_nobody_who_uses_it()
    {
        using var kek = Kek.FromBytes(KekOctets(1));
        var (roots, vault, provisioning) = await OpenSealAsync(kek);
        using var open = roots;
        Value(await provisioning.SaveAsync(new("service", KmIdentity.ServiceOnly, [1, 2, 3], null, 0), null, Now, Entry(), None));
        var found = (await Stores.KeyRecords.FindActiveAsync("service", KmIdentity.ServiceOnly, Now, None))!;
        // The same key wrapped three times: each user finds another's in its place, and the store knows two of them not.
        ServiceKek[] wrapped = [found.Kek!, vault.Rewrap(found.Kek!)!, vault.Rewrap(found.Kek!)!];
        var name = KeyRecord.Purpose("service", KmIdentity.ServiceOnly);
        var users = wrapped.Select(k => Task.Run(() =>
        {
            for (var i = 0; i < 3000; i++)
            {
                Assert.Equal([1, 2, 3], Value(vault.Open(name, found.Version!, k)));
                Value(vault.Rewrap(name, found.Version!, k, k));
            }
        })).ToArray();
        var all = Task.WhenAll(users);
        while (!all.IsCompleted)
            await vault.DropStaleAsync(Stores.Seal, None);
        await all;
    }

    [Fact]
    public async Task A_record_keeps_a_number_of_versions_and_those_that_are_past_make_room()
    {
        using var kek = Kek.FromBytes(KekOctets(1));
        var (roots, _, provisioning) = await OpenSealAsync(kek);
        using var open = roots;
        ProvisionedKey KeyOf(int i, long? at = null) => new("service", KmIdentity.ServiceOnly, BitConverter.GetBytes(i), at, 0);
        for (var i = 0; i < KeyProvisioning.MaxVersions + 5; i++)
            Value(await provisioning.SaveAsync(KeyOf(i), null, Now, Entry(), None));
        Assert.Equal(Enumerable.Range(6, KeyProvisioning.MaxVersions).Select(i => (long)i), (await ReadAsync(Samples.Record("service"))).Versions.Select(v => v.Number));
        for (var i = 0; i < KeyProvisioning.MaxVersions - 1; i++)
            Value(await provisioning.SaveAsync(KeyOf(i, Now + 100 + i), null, Now, Entry(), None));
        // All others are to come: none may go.
        Assert.Equal(RefusalCode.Conflict, Code(await provisioning.SaveAsync(KeyOf(1000), null, Now, Entry(), None)));
    }

    [Fact]
    public async Task A_batch_is_written_at_once_each_for_itself()
    {
        using var kek = Kek.FromBytes(KekOctets(1));
        var (roots, _, provisioning) = await OpenSealAsync(kek);
        using var open = roots;
        var keys = Enumerable.Range(0, 50).Select(i => new ProvisionedKey($"service {i % 3}", new(KmIdentityKind.User, $"user {i % 40}"), BitConverter.GetBytes(i), null, 0)).ToList();
        keys[49] = keys[0] with { Payload = [1] }; // the same record once more: both are written
        keys[7] = keys[7] with { ExpiresAt = 1 };
        var results = await provisioning.SaveManyAsync(keys, null, Now, count => Entry($"imported {count}"), None);
        Assert.Equal(RefusalCode.InvalidParameter, Code(results[7]));
        Assert.All(results.Where((_, i) => i != 7), r => Assert.NotEqual(Provisioned.Unchanged, Value(r).What));
        Assert.Equal(49, await CountAsync("key_versions"));
    }

    [Fact]
    public async Task Of_an_import_that_looks_new_what_is_there_nevertheless_is_found()
    {
        using var kek = Kek.FromBytes(KekOctets(1));
        var (roots, vault, provisioning) = await OpenSealAsync(kek);
        using var open = roots;
        ProvisionedKey KeyOf(int i, int payload) => new("service", new(KmIdentityKind.User, $"user {i}"), BitConverter.GetBytes(payload), null, 0);
        // None of these is among the few that are looked for first.
        (int Same, int Other, int Removed, int Orphan) = (1, 2, 3, 4);
        Value(await provisioning.SaveAsync(KeyOf(Same, Same), null, Now, Entry(), None));
        foreach (var i in new[] { Other, Removed, Orphan })
            Value(await provisioning.SaveAsync(KeyOf(i, 1000 + i), null, Now, Entry(), None));
        Assert.True(await Stores.KeyRecords.RemoveAsync("service", KeyOf(Removed, 0).Identity, null, Now, Entry(), None));
        await SqlAsync("DELETE FROM key_records WHERE identity_value = @User", new { User = KeyOf(Orphan, 0).Identity.Value });

        var keys = Enumerable.Range(0, 200).Select(i => KeyOf(i, i)).ToList();
        var results = await provisioning.SaveManyAsync(keys, null, Now, count => Entry($"imported {count}"), None, isImport: true);
        Assert.Equal(RefusalCode.Conflict, Code(results[Removed]));
        for (var i = 0; i < keys.Count; i++)
            if (i != Removed)
                Assert.Equal(i == Same ? Provisioned.Unchanged : i == Other ? Provisioned.Changed : Provisioned.Added, Value(results[i]).What);
        // The audit has what was written, not what was tried.
        Assert.Equal(["imported 1", "imported 197"], (await AuditKindsAsync()).Where(kind => kind.StartsWith("imported", StringComparison.Ordinal)).Order(StringComparer.Ordinal));

        var serviceKek = (await Stores.Seal.FindKekAsync("service", None))!;
        var stored = await Stores.KeyRecords.ReadAsync([.. keys.Select(k => (k.ServiceId, k.Identity))], None);
        for (var i = 0; i < keys.Count; i++)
        {
            Assert.Equal(i == Other ? 2 : 1, stored[i].Versions.Count);
            Assert.Equal(keys[i].Payload, i == Removed ? keys[i].Payload : Value(vault.Open(KeyRecord.Purpose("service", keys[i].Identity), stored[i].Versions[^1], serviceKek)));
        }
        // No nonce comes twice: octets 9 to 20 of a wrapped key, 1 to 12 of a payload.
        var versions = stored.SelectMany(s => s.Versions).ToList();
        Assert.Equal(2 * versions.Count, versions.SelectMany(v => new[] { Convert.ToHexString(v.WrappedKey, 9, 12), Convert.ToHexString(v.Ciphertext, 1, 12) }).Distinct().Count());

        results = await provisioning.SaveManyAsync(keys, null, Now, count => Entry($"again {count}"), None, isImport: true);
        Assert.All(results.Where((_, i) => i != Removed), r => Assert.Equal(Provisioned.Unchanged, Value(r).What));
        Assert.DoesNotContain(await AuditKindsAsync(), kind => kind.StartsWith("again", StringComparison.Ordinal));
    }
}
