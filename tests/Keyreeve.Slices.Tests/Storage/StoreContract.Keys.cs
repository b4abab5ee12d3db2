using Keyreeve.Core.Keys;
using Keyreeve.Core.Snapshots;
using Keyreeve.Core.Tokens;
using Keyreeve.Wire.Jose;
using Xunit;

namespace Keyreeve.Slices.Tests.Storage;

public abstract partial class StoreContract
{
    private static SigningKeyRow SigningKey(int generation, JwsAlgorithm algorithm = JwsAlgorithm.ES256) => new()
    {
        KeyId = $"{algorithm}-{generation}",
        Algorithm = algorithm,
        Generation = generation,
        SealedPrivateKey = Samples.Hash($"{generation}"),
        CreatedAt = Now + generation,
        ActivatesAt = Now + generation + 1,
    };

    [Fact]
    public async Task A_signing_key_comes_back_with_every_field_oldest_first()
    {
        var full = SigningKey(1, JwsAlgorithm.RS256) with { ExpiresAt = Now + 9, Revoked = true };
        Assert.Empty(RecordText.Unset(full));
        var plain = SigningKey(0, JwsAlgorithm.PS256);
        Assert.True(await Stores.SigningKeys.AddAsync(full, Entry(), None));
        Assert.True(await Stores.SigningKeys.AddAsync(plain, Entry(), None));
        Assert.Equal([RecordText.Of(plain), RecordText.Of(full)], (await Stores.SigningKeys.LoadAsync(None)).Select(RecordText.Of));
    }

    [Fact]
    public async Task Of_nodes_that_rotate_at_once_one_makes_the_key()
    {
        var added = await AtOnceAsync(10, i => Stores.SigningKeys.AddAsync(SigningKey(1) with { KeyId = $"kid {i}" }, Entry("key.added"), None));
        Assert.Single(added, won => won);
        Assert.Equal($"kid {Array.IndexOf(added, true)}", Assert.Single(await Stores.SigningKeys.LoadAsync(None)).KeyId);
        Assert.Single(await AuditKindsAsync(), kind => kind == "key.added");
        Assert.Equal(1, await VersionOfAsync(Topic.SigningKeys));
        Assert.True(await Stores.SigningKeys.AddAsync(SigningKey(1, JwsAlgorithm.ES384), Entry(), None));
        Assert.True(await Stores.SigningKeys.AddAsync(SigningKey(2), Entry(), None));
    }

    [Fact]
    public async Task The_end_of_a_signing_key_is_set_once_and_it_goes_after_it()
    {
        await Stores.SigningKeys.AddAsync(SigningKey(1), Entry(), None);
        await Stores.SigningKeys.AddAsync(SigningKey(2), Entry(), None);
        await Stores.SigningKeys.SetExpiryAsync("ES256-1", Now + 100, None);
        await Stores.SigningKeys.SetExpiryAsync("ES256-1", Now + 999, None);
        Assert.Equal(3, await VersionOfAsync(Topic.SigningKeys));
        Assert.Equal(Now + 100, (await Stores.SigningKeys.LoadAsync(None))[0].ExpiresAt);
        Assert.Equal(0, await Stores.SigningKeys.DeleteExpiredAsync(Now + 100, None));
        Assert.Equal(1, await Stores.SigningKeys.DeleteExpiredAsync(Now + 101, None));
        Assert.Equal("ES256-2", Assert.Single(await Stores.SigningKeys.LoadAsync(None)).KeyId);
        Assert.Equal(4, await VersionOfAsync(Topic.SigningKeys));
    }

    [Fact]
    public async Task A_signing_key_taken_out_is_out_and_every_node_learns_of_it()
    {
        await Stores.SigningKeys.AddAsync(SigningKey(1), Entry(), None);
        Assert.True(await Stores.SigningKeys.RevokeAsync("ES256-1", Entry("key.revoked"), None));
        Assert.False(await Stores.SigningKeys.RevokeAsync("unknown", Entry("key.revoked"), None));
        Assert.True(Assert.Single(await Stores.SigningKeys.LoadAsync(None)).Revoked);
        Assert.Equal(2, await VersionOfAsync(Topic.SigningKeys));
        Assert.Single(await AuditKindsAsync(), kind => kind == "key.revoked");
    }

    [Fact]
    public async Task Of_many_who_add_a_sealed_value_all_get_the_same_one()
    {
        Assert.Null(await Stores.Sealed.FindAsync("ca", None));
        var seen = await AtOnceAsync(10, i => Stores.Sealed.AddIfAbsentAsync("ca", [(byte)i], Entry("sealed.added"), None));
        Assert.Single(seen.Select(Convert.ToHexString).Distinct());
        Assert.Equal(seen[0], await Stores.Sealed.FindAsync("ca", None));
        Assert.Single(await AuditKindsAsync(), kind => kind == "sealed.added");
        await Stores.Sealed.PutAsync("ca", [200, 0, 1], Entry(), None);
        Assert.Equal([200, 0, 1], await Stores.Sealed.FindAsync("ca", None));
    }

    [Fact]
    public async Task Sealed_values_are_listed_by_exactly_the_beginning_of_their_name()
    {
        foreach (var name in new[] { "dp/2", "dp/1", "DP/3", "dp", "dq/1", "d%/1", "𝒹p/1", "𝒹p/2", "" })
            await Stores.Sealed.PutAsync(name, [1], Entry(), None);
        Assert.Equal(["dp/1", "dp/2"], (await Stores.Sealed.ListAsync("dp/", None)).Select(row => row.Name));
        Assert.Equal(["d%/1"], (await Stores.Sealed.ListAsync("d%", None)).Select(row => row.Name));
        Assert.Equal(["𝒹p/1", "𝒹p/2"], (await Stores.Sealed.ListAsync("𝒹p", None)).Select(row => row.Name));
        Assert.Equal(9, (await Stores.Sealed.ListAsync("", None)).Count);
        Assert.Empty(await Stores.Sealed.ListAsync("zz", None));
    }

    [Fact]
    public async Task A_second_revocation_only_widens_the_first()
    {
        await Stores.Revocations.AddAsync([new(RevocationKind.Client, "c", 100, 500), new(RevocationKind.Subject, "c", 7, 8)], Entry(), None);
        await Stores.Revocations.AddAsync([new(RevocationKind.Client, "c", 90, 600)], Entry(), None);
        Assert.Contains(new(RevocationKind.Client, "c", 100, 600), await RevocationsAsync());
        await Stores.Revocations.AddAsync([new(RevocationKind.Client, "c", 110, 400)], Entry(), None);
        Assert.Equal([new(RevocationKind.Subject, "c", 7, 8), new(RevocationKind.Client, "c", 110, 600)], await RevocationsAsync());
        Assert.Equal(3, await VersionOfAsync(Topic.Revocations));
    }

    [Fact]
    public async Task A_node_that_follows_the_versions_misses_no_revocation()
    {
        await Stores.Revocations.AddAsync([OfJwt("a")], Entry(), None);
        var seen = await VersionOfAsync(Topic.Revocations);
        await Stores.Revocations.AddAsync([OfJwt("b"), OfJwt("c")], Entry(), None);
        await Stores.Revocations.AddAsync([OfJwt("a") with { IssuedUntil = Now + 1 }], Entry(), None);
        Assert.Equal(["a", "b", "c"], (await RevocationsAsync(0, seen)).Select(row => row.Value));
        Assert.Empty(await RevocationsAsync(0, await VersionOfAsync(Topic.Revocations)));

        // Many at once, and a node that reads all the while: what it saw piece by piece is the whole.
        var found = new HashSet<string>();
        var writers = Enumerable.Range(0, 8).Select(w => Task.Run(async () =>
        {
            for (var i = 0; i < 25; i++)
                await Stores.Revocations.AddAsync([OfJwt($"{w}.{i}")], Entry(), None);
        })).ToArray();
        var all = Task.WhenAll(writers);
        for (var (version, last) = (seen, false); !last;)
        {
            last = all.IsCompleted;
            var now = await VersionOfAsync(Topic.Revocations);
            found.UnionWith((await RevocationsAsync(0, version)).Select(row => row.Value));
            version = now;
        }
        await all;
        Assert.Equal(203, found.Count);
    }

    [Fact]
    public async Task Revocations_are_kept_until_no_token_needs_them()
    {
        await Stores.Revocations.AddAsync([.. Enumerable.Range(0, 10).Select(i => new Revocation(RevocationKind.JwtId, $"jti {i}", Now, Now + i))], Entry(), None);
        Assert.Equal(7, (await RevocationsAsync(Now + 3)).Count());
        Assert.Equal(2, await Stores.Revocations.DeleteExpiredAsync(Now + 3, 2, None));
        Assert.Equal(1, await Stores.Revocations.DeleteExpiredAsync(Now + 3, 100, None));
        Assert.Equal(Enumerable.Range(3, 7).Select(i => $"jti {i}"), (await RevocationsAsync()).Select(row => row.Value));
    }

    private async Task<IEnumerable<Revocation>> RevocationsAsync(long now = 0, long after = -1) =>
        (await Stores.Revocations.LoadAsync(after, now, None)).OrderBy(row => row.Kind).ThenBy(row => row.Value, StringComparer.Ordinal);

    private static Revocation OfJwt(string id) => new(RevocationKind.JwtId, id, Now, Now + 100);
}
