using Keyreeve.Core.Keys;
using Xunit;

namespace Keyreeve.Tests.Core.Keys;

public sealed class KekRingTests
{
    private static SealingKey Key(byte fill) => SealingKey.FromBytes([.. Enumerable.Repeat(fill, SealingKey.KeySize)]);

    [Fact]
    public void It_seals_by_the_current_key_and_opens_by_all()
    {
        using var old = Samples.NewKek(1);
        using var kek = new Kek(Key(2), [Key(1), Key(2), Key(1)]);
        Assert.Equal([old.Id], kek.OtherIds);
        Assert.Equal(kek.Id, Kek.IdOf(kek.Seal("p", "x"u8)));
        Assert.True(kek.TryOpen("p", old.Seal("p", "x"u8), out var opened));
        Assert.Equal("x"u8.ToArray(), opened);
        Assert.False(kek.TryOpen("q", old.Seal("p", "x"u8), out _));
        Assert.Equal(1, kek.Seals);
    }

    [Fact]
    public void It_says_which_key_a_value_needs()
    {
        using var unknown = Samples.NewKek(9);
        using var kek = Samples.NewKek(1);
        Assert.Equal($"it was sealed by KEK {unknown.Id}, which is not known here", kek.WhyNot(unknown.Seal("p", "x"u8)));
        Assert.Equal($"it was sealed by KEK {kek.Id}, which is known here: the row was changed or moved", kek.WhyNot(kek.Seal("q", "x"u8)));
        Assert.Equal("it is no sealed value", kek.WhyNot([]));
    }

    [Fact]
    public void Keys_change_while_others_seal_and_open()
    {
        using var kek = new Kek(Key(1), []);
        Parallel.For(0, 8, thread =>
        {
            for (var i = 0; i < 2000; i++)
            {
                if (thread == 0)
                    kek.Replace(new Kek(Key((byte)(1 + i % 2)), [Key(1), Key(2)]));
                else if (!kek.TryOpen("p", kek.Seal("p", "x"u8), out _))
                    throw new InvalidOperationException("what was sealed does not open");
            }
        });
    }

    [Fact]
    public void A_key_that_was_taken_out_opens_nothing_any_more()
    {
        using var kek = new Kek(Key(1), []);
        var value = kek.Seal("p", "x"u8);
        kek.Replace(new Kek(Key(2), [Key(1)]));
        Assert.True(kek.TryOpen("p", value, out _));
        kek.Replace(new Kek(Key(2), []));
        Assert.False(kek.TryOpen("p", value, out _));
        Assert.Empty(kek.OtherIds);
    }
}
