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
}
