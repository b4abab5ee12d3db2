using System.Text;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Keys;
using Keyreeve.Core.Snapshots;
using Keyreeve.Seal;
using Keyreeve.Storage;
using Keyreeve.Wire.Seal;
using Xunit;

namespace Keyreeve.Slices.Tests.Storage;

/// <summary>What the KEK seals, counted and sealed anew.</summary>
public abstract partial class StoreContract
{
    private static byte[] KekOctets(byte fill) => [.. Enumerable.Repeat(fill, Kek.KeySize)];

    private static KmIdentity Identity(int i) => new((KmIdentityKind)(i % 4), i % 4 == 0 ? "" : $"it's {i} \u00e9");

    private static ValProfile SealedProfile(Kek kek, int i, string text)
    {
        var service = $"service {i:000}";
        return new() { ServiceId = service, Target = Identity(i), SealedDocument = kek.Seal(ValProfile.Purpose(service, Identity(i)), Encoding.UTF8.GetBytes(text)), UpdatedAt = Now };
    }

    private async Task SealSomeAsync(Kek kek, int profiles)
    {
        await Stores.Sealed.PutAsync("ca/Root", kek.Seal("ca/Root", "root"u8), Entry(), None);
        await Stores.SigningKeys.AddAsync(SigningKey(1) with { SealedPrivateKey = kek.Seal(SigningKeyRow.PurposeOf("ES256-1"), "key"u8) }, Entry(), None);
        await Task.WhenAll(Enumerable.Range(0, profiles).Select(i => Stores.Profiles.SaveAsync(SealedProfile(kek, i, $"document {i}"), null, Entry(), None)));
    }

    private Task<RewrapProgress> RewrapAsync(Kek kek, Func<Task<bool>>? goesOn = null) =>
        new SealedRows(Database).RewrapAsync(kek, goesOn ?? (() => Task.FromResult(true)), _ => { }, None);

    private async Task<Dictionary<string, long>> CountAsync() =>
        (await new SealedRows(Database).CountAsync(None)).GroupBy(c => c.KekId ?? "none").ToDictionary(g => g.Key, g => g.Sum(c => c.Rows));

    [Fact]
    public async Task Everything_that_one_KEK_sealed_is_sealed_anew_by_another_and_opens_with_it_alone()
    {
        using var before = Kek.FromBytes(KekOctets(1));
        await SealSomeAsync(before, 450);
        Assert.Equal(new() { [before.Id] = 452 }, await CountAsync());
        using var both = new Kek(SealingKey.FromBytes(KekOctets(2)), [SealingKey.FromBytes(KekOctets(1))]);
        Assert.Equal(new RewrapProgress(452, 452, 0, null), await RewrapAsync(both));
        Assert.Equal(new() { [both.Id] = 452 }, await CountAsync());
        using var after = Kek.FromBytes(KekOctets(2));
        Assert.True(after.TryOpen("ca/Root", (await Stores.Sealed.FindAsync("ca/Root", None))!, out _));
        Assert.NotNull(after.TryOpen(SigningKeyRow.PurposeOf("ES256-1"), (await Stores.SigningKeys.LoadAsync(None))[0].SealedPrivateKey, out var key) ? key : null);
        for (var i = 0; i < 450; i++)
        {
            var profile = (await Stores.Profiles.FindAsync($"service {i:000}", Identity(i), None))!;
            Assert.True(after.TryOpen(ValProfile.Purpose(profile.ServiceId, profile.Target), profile.SealedDocument, out var document));
            Assert.Equal($"document {i}", Encoding.UTF8.GetString(document));
            Assert.Equal(1, profile.Version); // nobody's ETag is void by it
        }
        Assert.Equal(0, (await RewrapAsync(both)).Rewrapped);
    }

    [Fact]
    public async Task Nodes_are_told_when_a_value_that_they_hold_sealed_was_sealed_anew()
    {
        using var before = Kek.FromBytes(KekOctets(1));
        await SealSomeAsync(before, 1);
        using var both = new Kek(SealingKey.FromBytes(KekOctets(2)), [SealingKey.FromBytes(KekOctets(1))]);
        // Private keys and profiles are not held sealed: nobody reads them again for it.
        var told = await Stores.Changes.ReadAsync(None);
        Assert.Equal(3, (await RewrapAsync(both)).Rewrapped);
        Assert.Equal(told, await Stores.Changes.ReadAsync(None));

        var issuer = Samples.FullIssuer();
        Value(await Stores.Directory.SaveIssuerAsync(issuer with { Origin = issuer.Origin! with { SealedSecret = before.Seal(OriginCheck.PurposeOf(issuer.Issuer), "secret"u8) } }, create: true, null, Entry(), None));
        var version = (await Stores.Changes.ReadAsync(None))[Topic.Issuers];
        Assert.Equal(1, (await RewrapAsync(both)).Rewrapped);
        Assert.Equal(version + 1, (await Stores.Changes.ReadAsync(None))[Topic.Issuers]);
        Assert.Equal(0, (await RewrapAsync(both)).Rewrapped);
        Assert.Equal(version + 1, (await Stores.Changes.ReadAsync(None))[Topic.Issuers]);
    }

    [Fact]
    public async Task A_rewrap_that_was_cut_off_goes_on_where_it_was()
    {
        using var before = Kek.FromBytes(KekOctets(1));
        await SealSomeAsync(before, 450);
        using var both = new Kek(SealingKey.FromBytes(KekOctets(2)), [SealingKey.FromBytes(KekOctets(1))]);
        var batches = 0;
        var cut = await RewrapAsync(both, () => Task.FromResult(++batches <= 3));
        Assert.InRange(cut.Rewrapped, 1, 451);
        Assert.Equal(cut.Rewrapped, (await CountAsync())[both.Id]);
        Assert.Equal(452 - cut.Rewrapped, (await RewrapAsync(both)).Rewrapped);
        Assert.Equal(new() { [both.Id] = 452 }, await CountAsync());
    }

    [Fact]
    public async Task A_rewrap_never_overwrites_what_is_changed_meanwhile()
    {
        using var before = Kek.FromBytes(KekOctets(1));
        await SealSomeAsync(before, 200);
        using var both = new Kek(SealingKey.FromBytes(KekOctets(2)), [SealingKey.FromBytes(KekOctets(1))]);
        var last = new int[200];
        var done = false;
        var writers = Enumerable.Range(0, 4).Select(w => Task.Run(async () =>
        {
            for (var round = 1; !Volatile.Read(ref done) && round < 400; round++)
            {
                var i = w * 50 + round % 50;
                // Sealed by the old one, as a node does that has not switched yet.
                Value(await Stores.Profiles.SaveAsync(SealedProfile(before, i, $"{round}"), null, Entry(), None));
                last[i] = round;
            }
        })).ToArray();
        for (var walk = 0; walk < 5; walk++)
            await RewrapAsync(both);
        Volatile.Write(ref done, true);
        await Task.WhenAll(writers);
        await RewrapAsync(both);
        Assert.Equal([both.Id], (await CountAsync()).Keys);
        for (var i = 0; i < 200; i++)
        {
            var profile = (await Stores.Profiles.FindAsync($"service {i:000}", Identity(i), None))!;
            Assert.True(both.TryOpen(ValProfile.Purpose(profile.ServiceId, profile.Target), profile.SealedDocument, out var document));
            Assert.Equal(last[i] == 0 ? $"document {i}" : $"{last[i]}", Encoding.UTF8.GetString(document));
        }
    }

    [Fact]
    public async Task A_row_that_does_not_open_stays_as_it_is_and_is_named()
    {
        using var unknown = Kek.FromBytes(KekOctets(9));
        await SealSomeAsync(unknown, 0);
        using var kek = Kek.FromBytes(KekOctets(2));
        await Stores.Sealed.PutAsync("moved", kek.Seal("elsewhere", "x"u8), Entry(), None);
        var progress = await RewrapAsync(kek);
        Assert.Equal((0, 2), (progress.Rewrapped, progress.Unopened));
        Assert.Equal($"sealed_values.value, row ca/Root: it was sealed by KEK {unknown.Id}, which is not known here", progress.FirstUnopened);
        Assert.Equal(new() { [unknown.Id] = 2, [kek.Id] = 1 }, await CountAsync());
    }

    [Fact]
    public async Task Every_column_of_octets_is_sealed_by_the_KEK_or_said_not_to_be()
    {
        // A new sealed column that is not listed would be lost with the first KEK that is retired.
        var octets = await Database.ReadAsync(async connection => (await Dapper.SqlMapper.QueryAsync<string>(connection, Database is SqliteEngine
            ? "SELECT m.name || '.' || c.name FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table' AND c.type IN ('BYTEA', 'BLOB')"
            : "SELECT table_name || '.' || column_name FROM information_schema.columns WHERE table_schema = current_schema() AND data_type = 'bytea'")).Order(StringComparer.Ordinal).ToList(), None);
        Assert.Equal(octets, SealedColumn.All.Select(c => c.ToString()).Concat(SealedColumn.NotByKek.Keys).Order(StringComparer.Ordinal));
    }
}
