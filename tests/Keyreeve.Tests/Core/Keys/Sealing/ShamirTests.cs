using FsCheck;
using FsCheck.Fluent;
using Keyreeve.Core.Keys;
using Xunit;

namespace Keyreeve.Tests.Core.Keys.Sealing;

public sealed class ShamirTests
{
    [Theory]
    [InlineData(0x57, 0x83, 0xc1)] // FIPS 197, 4.2
    [InlineData(0x57, 0x13, 0xfe)] // FIPS 197, 4.2.1
    [InlineData(0x57, 0x02, 0xae)]
    [InlineData(0x57, 0x04, 0x47)]
    [InlineData(0x57, 0x08, 0x8e)]
    [InlineData(0x57, 0x10, 0x07)]
    [InlineData(0x53, 0xca, 0x01)] // FIPS 197's S-box begins with this inverse
    [InlineData(0x00, 0xff, 0x00)]
    public void Products_are_those_of_AES(byte a, byte b, byte product)
    {
        Assert.Equal(product, Gf256.Multiply(a, b));
        Assert.Equal(product, Gf256.Multiply(b, a));
    }

    [Fact]
    public void It_is_a_field()
    {
        Assert.Equal(0, Gf256.Inverse(0));
        for (var a = 0; a < 256; a++)
        {
            Assert.Equal(a, Gf256.Multiply((byte)a, 1));
            Assert.Equal(a == 0 ? 0 : 1, Gf256.Multiply((byte)a, Gf256.Inverse((byte)a)));
            for (var b = 0; b < 256; b++)
            {
                Assert.Equal(SlowProduct(a, b), Gf256.Multiply((byte)a, (byte)b));
                Assert.Equal(Gf256.Multiply((byte)a, (byte)(b ^ 0x5a)), Gf256.Multiply((byte)a, (byte)b) ^ Gf256.Multiply((byte)a, 0x5a));
            }
        }
    }

    [Fact]
    public void Shares_are_points_of_the_polynomial()
    {
        // By hand: 0x42 + 0x11 x + 0xa7 x^2 at 1, 2, 3.
        var shares = Shamir.Split([0x42], 3, 3, octets => ((byte[])[0x11, 0xa7]).CopyTo(octets));
        Assert.Equal([0x42 ^ 0x11 ^ 0xa7, 0x42 ^ 0x22 ^ SlowProduct(0xa7, 4), 0x42 ^ SlowProduct(0x11, 3) ^ SlowProduct(0xa7, 5)], shares.Select(s => (int)s.Y[0]));
        Assert.Equal([1, 2, 3], shares.Select(s => (int)s.X));
    }

    [Fact]
    public void So_many_as_the_threshold_says_give_the_secret_whichever_they_are() => Prop.ForAll(Cases(), t =>
    {
        var (secret, shares, threshold, seed) = t;
        var made = Shamir.Split(secret, shares, threshold, Shamir.Fill);
        var random = new Random(seed);
        var chosen = made.OrderBy(_ => random.Next()).Take(threshold).ToList();
        using var again = Shamir.Combine(chosen);
        Assert.Equal(secret, again.Span.ToArray());
        using var all = Shamir.Combine(made);
        Assert.Equal(secret, all.Span.ToArray());
    }).QuickCheckThrowOnFailure();

    [Fact]
    public void One_less_leaves_every_secret_as_likely_as_before()
    {
        // With threshold 2 a share alone: for each value of the secret there is exactly one coefficient that gives it.
        for (var share = 0; share < 256; share += 51)
            Assert.Equal(256, Enumerable.Range(0, 256).Select(secret => Gf256.Multiply((byte)(secret ^ share), Gf256.Inverse(3))).Distinct().Count());
        // And with more shares than one: what they give is not the secret, but for one time in 2^256.
        var secretOctets = Enumerable.Range(1, 32).Select(i => (byte)i).ToArray();
        var made = Shamir.Split(secretOctets, 5, 3, Shamir.Fill);
        using var less = Shamir.Combine(made[..2]);
        Assert.NotEqual(secretOctets, less.Span.ToArray());
    }

    [Fact]
    public void A_wrong_share_gives_another_secret()
    {
        var made = Shamir.Split([1, 2, 3], 3, 2, Shamir.Fill);
        made[1].Y[0] ^= 1;
        using var wrong = Shamir.Combine(made[..2]);
        Assert.NotEqual([1, 2, 3], wrong.Span.ToArray());
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(2, 1)]
    [InlineData(2, 3)]
    [InlineData(33, 2)]
    public void Numbers_that_make_no_sense_are_refused(int shares, int threshold) =>
        Assert.ThrowsAny<ArgumentException>(() => Shamir.Split([1], shares, threshold, Shamir.Fill));

    [Fact]
    public void Shares_that_do_not_go_together_are_refused()
    {
        Assert.Throws<ArgumentException>(() => Shamir.Combine([]));
        Assert.Throws<ArgumentException>(() => Shamir.Combine([new(1, [1]), new(1, [2])]));
        Assert.Throws<ArgumentException>(() => Shamir.Combine([new(1, [1]), new(2, [2, 3])]));
        Assert.Throws<ArgumentException>(() => Shamir.Combine([new(0, [1]), new(2, [2])]));
    }

    [Fact]
    public void A_share_prints_nothing_of_its_value() => Assert.Equal("Share 7", new Share(7, [0xaa]).ToString());

    private static Arbitrary<(byte[] Secret, int Shares, int Threshold, int Seed)> Cases() => (
        from length in Gen.Choose(1, 40)
        from secret in Gen.ArrayOf(Gen.Choose(0, 255).Select(i => (byte)i), length)
        from shares in Gen.Choose(2, 12)
        from threshold in Gen.Choose(2, shares)
        from seed in Gen.Choose(0, int.MaxValue - 1)
        select (secret, shares, threshold, seed)).ToArbitrary();

    /// <summary>Long division, bit by bit.</summary>
    private static int SlowProduct(int a, int b)
    {
        var product = 0;
        for (var i = 0; i < 8; i++)
            if ((b >> i & 1) != 0)
                product ^= a << i;
        for (var i = 14; i >= 8; i--)
            if ((product >> i & 1) != 0)
                product ^= 0x11b << (i - 8);
        return product;
    }
}
