using Keyreeve.Core.Keys;
using Xunit;

namespace Keyreeve.Tests.Core.Keys.Sealing;

public sealed class ShareTextTests
{
    private static readonly byte[] Y = [.. Enumerable.Range(0, 32).Select(i => (byte)(i * 7))];

    [Fact]
    public void What_is_written_reads_back()
    {
        var text = ShareText.Write("0123abcd", new(32, Y));
        Assert.StartsWith("kshare-0123abcd-32-", text, StringComparison.Ordinal);
        Assert.True(ShareText.TryRead($"  {text}\r\n", out var set, out var share));
        Assert.Equal(("0123abcd", 32), (set, share.Value.X));
        Assert.Equal(Y, share.Value.Y);
        Assert.True(ShareText.IsSet(ShareText.NewSet()));
    }

    [Fact]
    public void One_character_that_was_mistyped_is_found()
    {
        var text = ShareText.Write("0123abcd", new(2, Y));
        for (var i = 0; i < text.Length; i++)
            foreach (var wrong in "0fA_ ")
                if (text[i] != wrong)
                    Assert.False(ShareText.TryRead(text[..i] + wrong + text[(i + 1)..], out _, out _), $"{i} {wrong}");
    }

    [Theory]
    [InlineData("")]
    [InlineData("kshare")]
    [InlineData("kshare---")]
    [InlineData("kshare-0123abcd-00-AAAA")]
    [InlineData("kshare-0123abcd-33-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    [InlineData("kshare-0123ABCD-01-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    [InlineData("kshare-0123abcd-01-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    [InlineData("kshare-0123abcd-01-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==")]
    public void What_is_no_share_is_none(string text) => Assert.False(ShareText.TryRead(text, out _, out _));

    [Fact]
    public void Shares_that_were_given_wait_for_others_of_their_set_and_not_for_ever()
    {
        var clock = new TestClock(DateTimeOffset.UnixEpoch);
        var given = new GivenShares(clock);
        var made = Shamir.Split(Y, 3, 3, Shamir.Fill);
        given.Add("a", made[0]);
        given.Add("a", new(1, [.. made[0].Y]));
        Assert.Equal(1, given.Count);
        given.Add("b", new(2, [.. made[1].Y]));
        Assert.Equal(1, given.Count);
        clock.Advance(GivenShares.Patience + TimeSpan.FromSeconds(1));
        Assert.Equal(0, given.Count);
        for (var i = 0; i < 3; i++)
            given.Add("a", made[i] with { Y = [.. Shamir.Split(Y, 3, 3, Zero)[i].Y] });
        using var secret = given.Combine();
        Assert.Equal(Y, secret.Span.ToArray());
        Assert.Equal(0, given.Count);

        static void Zero(Span<byte> octets) => octets.Clear();
    }
}
