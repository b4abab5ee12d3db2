using Keyreeve.Core.Tokens;
using Xunit;

namespace Keyreeve.Tests.Core.Tokens;

public sealed class RevocationListTests
{
    [Theory]
    [InlineData(RevocationKind.JwtId, "jti")]
    [InlineData(RevocationKind.Subject, "subject")]
    [InlineData(RevocationKind.Client, "client")]
    [InlineData(RevocationKind.Grant, "grant")]
    public void Each_kind_ends_the_tokens_issued_until_then(RevocationKind kind, string value)
    {
        var list = new RevocationList([new Revocation(kind, value, IssuedUntil: 100, KeepUntil: 1000)]);
        Assert.True(list.Covers("jti", "subject", "client", "grant", 99));
        Assert.True(list.Covers("jti", "subject", "client", "grant", 100));
        Assert.False(list.Covers("jti", "subject", "client", "grant", 101));
        Assert.False(list.Covers("JTI", "SUBJECT", "CLIENT", "GRANT", 100));
        Assert.Equal(1, list.Count);
    }

    [Fact]
    public void A_value_counts_for_its_kind_only()
    {
        foreach (var kind in Enum.GetValues<RevocationKind>())
        {
            var list = new RevocationList([new Revocation(kind, "x", 100, 1000)]);
            Assert.Equal(kind == RevocationKind.JwtId, list.Covers("x", "-", "-", "-", 1));
            Assert.Equal(kind == RevocationKind.Subject, list.Covers("-", "x", "-", "-", 1));
            Assert.Equal(kind == RevocationKind.Client, list.Covers("-", "-", "x", "-", 1));
            Assert.Equal(kind == RevocationKind.Grant, list.Covers("-", "-", "-", "x", 1));
        }
    }

    [Fact]
    public void Of_two_revocations_of_one_thing_the_wider_holds_in_any_order()
    {
        Revocation narrow = new(RevocationKind.Subject, "s", 100, 1000), wide = narrow with { IssuedUntil = 200 };
        foreach (var list in new[] { new RevocationList([narrow, wide]), new RevocationList([wide, narrow]) })
        {
            Assert.True(list.Covers(null, "s", "c", null, 200));
            Assert.False(list.Covers(null, "s", "c", null, 201));
        }
    }

    [Fact]
    public void A_token_without_jti_or_grant_is_covered_by_the_other_kinds()
    {
        var list = new RevocationList([new Revocation(RevocationKind.Client, "c", 100, 1000)]);
        Assert.True(list.Covers(null, "s", "c", null, 100));
        Assert.False(RevocationList.Empty.Covers(null, "s", "c", null, 0));
        Assert.False(list.Covers(null, "s", "other", null, 100));
    }

    [Fact]
    public void A_list_that_grew_one_by_one_says_what_one_built_at_once_says()
    {
        var all = Enumerable.Range(0, 5000).Select(i => new Revocation((RevocationKind)(1 + (i % 4)), $"v {i % 1700}", i % 97, 1000)).ToArray();
        var grown = RevocationList.Empty;
        for (var i = 0; i < all.Length; i += 7)
            grown = grown.With(all[i..Math.Min(i + 7, all.Length)], now: 0);
        var built = new RevocationList(all);
        foreach (var row in all)
            for (var at = row.IssuedUntil; at <= row.IssuedUntil + 97; at += 48)
                Assert.Equal(built.Covers(row.Value, row.Value, row.Value, row.Value, at), grown.Covers(row.Value, row.Value, row.Value, row.Value, at));
    }

    [Fact]
    public void A_longer_list_leaves_the_one_before_as_it_was()
    {
        var before = new RevocationList([new Revocation(RevocationKind.Client, "c", 100, 1000)]);
        var after = before.With([new Revocation(RevocationKind.Client, "c", 200, 1000)], now: 0);
        Assert.False(before.Covers(null, "s", "c", null, 150));
        Assert.True(after.Covers(null, "s", "c", null, 150));
        // What comes late and is narrower takes nothing away.
        Assert.True(after.With([new Revocation(RevocationKind.Client, "c", 50, 1000)], now: 0).Covers(null, "s", "c", null, 200));
    }

    [Fact]
    public void Entries_that_no_token_can_need_do_not_pile_up()
    {
        var list = RevocationList.Empty;
        for (var now = 0; now < 50_000; now++)
            list = list.With([new Revocation(RevocationKind.JwtId, $"jti {now}", now, now + 10)], now);
        Assert.InRange(list.Count, 1, 2500);
        Assert.True(list.Covers("jti 49999", "s", "c", null, 49_999));
    }
}
