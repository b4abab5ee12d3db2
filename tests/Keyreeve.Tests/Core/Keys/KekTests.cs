using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Keyreeve.Core.Keys;
using Xunit;
using Fuzz = Keyreeve.Tests.Wire.OAuth.Samples;

namespace Keyreeve.Tests.Core.Keys;

public sealed class KekTests
{
    private static readonly byte[] Plain = Encoding.UTF8.GetBytes("a private key");

    [Fact]
    public void What_is_sealed_opens_for_the_same_purpose()
    {
        using var kek = Samples.NewKek();
        Assert.True(kek.TryOpen("table/row", kek.Seal("table/row", Plain), out var opened));
        Assert.Equal(Plain, opened);
        Assert.True(kek.TryOpen("", kek.Seal("", []), out opened));
        Assert.Empty(opened);
    }

    [Theory]
    [InlineData("table/other")]
    [InlineData("table/ro")]
    [InlineData("table/row ")]
    [InlineData("")]
    public void A_value_moved_to_another_row_does_not_open(string purpose)
    {
        using var kek = Samples.NewKek();
        Assert.False(kek.TryOpen(purpose, kek.Seal("table/row", Plain), out var opened));
        Assert.Null(opened);
    }

    [Fact]
    public void Another_key_does_not_open_even_when_its_id_is_written_over()
    {
        using var kek = Samples.NewKek();
        using var other = Samples.NewKek(8);
        var value = kek.Seal("p", Plain);
        Assert.False(other.TryOpen("p", value, out _));
        Convert.FromHexString(other.Id).CopyTo(value, 1);
        Assert.False(other.TryOpen("p", value, out _));
    }

    [Fact]
    public void Every_flipped_bit_is_refused()
    {
        using var kek = Samples.NewKek();
        var value = kek.Seal("p", Plain);
        for (var bit = 0; bit < value.Length * 8; bit++)
        {
            value[bit / 8] ^= (byte)(1 << bit % 8);
            Assert.False(kek.TryOpen("p", value, out _), $"bit {bit}");
            value[bit / 8] ^= (byte)(1 << bit % 8);
        }
        Assert.True(kek.TryOpen("p", value, out _));
    }

    [Fact]
    public void A_truncated_or_longer_value_is_refused()
    {
        using var kek = Samples.NewKek();
        var value = kek.Seal("p", Plain);
        for (var length = 0; length < value.Length; length++)
            Assert.False(kek.TryOpen("p", value.AsSpan(0, length), out _), $"{length} octets");
        Assert.False(kek.TryOpen("p", [.. value, 0], out _));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    [InlineData(255)]
    public void Another_version_is_refused(byte version)
    {
        using var kek = Samples.NewKek();
        var value = kek.Seal("p", Plain);
        value[0] = version;
        Assert.False(kek.TryOpen("p", value, out _));
        Assert.Null(Kek.IdOf(value));
    }

    [Fact]
    public void A_sealed_value_says_which_key_it_needs_and_the_id_does_not_tell_the_key()
    {
        using var kek = Samples.NewKek();
        using var same = Samples.NewKek();
        using var other = Samples.NewKek(8);
        var value = kek.Seal("p", Plain);
        Assert.Equal(kek.Id, Kek.IdOf(value));
        Assert.Equal(kek.Id, same.Id);
        Assert.NotEqual(kek.Id, other.Id);
        Assert.Equal(16, kek.Id.Length);
        Assert.Equal("Kek " + kek.Id, kek.ToString());
        Assert.Null(Kek.IdOf([]));
        Assert.Null(Kek.IdOf(value.AsSpan(0, 8)));
    }

    [Fact]
    public void Two_seals_of_one_value_differ()
    {
        using var kek = Samples.NewKek();
        Assert.Equal(1000, Enumerable.Range(0, 1000).Select(_ => Convert.ToHexString(kek.Seal("p", Plain))).Distinct().Count());
    }

    [Theory]
    [InlineData(0)]
    [InlineData(16)]
    [InlineData(31)]
    [InlineData(33)]
    public void A_key_of_another_size_is_not_taken(int size) => Assert.Throws<ArgumentException>(() => Kek.FromBytes(new byte[size]));

    [Fact]
    public void Many_threads_seal_and_open_at_once()
    {
        // One KEK serves all requests of a node.
        using var kek = Samples.NewKek();
        Parallel.For(0, 8, thread =>
        {
            var plain = Enumerable.Repeat((byte)thread, 100 + thread).ToArray();
            for (var i = 0; i < 20_000; i++)
            {
                if (!kek.TryOpen("p" + thread, kek.Seal("p" + thread, plain), out var opened) || !opened.AsSpan().SequenceEqual(plain))
                    throw new InvalidOperationException($"thread {thread}, round {i}: what was sealed does not open");
            }
        });
    }

    [Fact]
    public void No_octets_make_it_throw_or_open()
    {
        using var kek = Samples.NewKek();
        var head = kek.Seal("p", Plain).AsSpan(0, 9).ToArray();
        Fuzz.Check(ArbMap.Default.GeneratorFor<byte[]>(), octets => !kek.TryOpen("p", octets ?? [], out _) && !kek.TryOpen("p", [.. head, .. octets ?? []], out _));
    }
}
