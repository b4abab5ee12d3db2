using Keyreeve.Core.Keys;
using Xunit;

namespace Keyreeve.Tests.Core.Keys.Sealing;

public sealed class FreshOctetsTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(40)]
    [InlineData(56)]
    [InlineData(3584)]
    public async Task No_two_ever_have_the_same_octets(int atOnce)
    {
        using var fresh = new FreshOctets(atOnce);
        var drawn = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(() => Enumerable.Range(0, 2000).Select(i =>
        {
            var octets = new byte[i % 2 == 0 ? 32 : 12];
            fresh.Fill(octets);
            return octets;
        }).ToList())));
        // Every octet was handed out once: also no part of one is a part of another.
        var words = drawn.SelectMany(d => d).SelectMany(octets => Enumerable.Range(0, octets.Length - 7).Select(at => BitConverter.ToInt64(octets, at))).ToList();
        Assert.Equal(words.Count, words.Distinct().Count());
    }

    [Fact]
    public void After_the_work_there_are_none()
    {
        var fresh = new FreshOctets(64);
        fresh.Fill(new byte[12]);
        fresh.Dispose();
        Assert.Throws<ObjectDisposedException>(() => fresh.Fill(new byte[12]));
        FreshOctets.OneByOne.Dispose();
        var octets = new byte[32];
        FreshOctets.OneByOne.Fill(octets);
        Assert.NotEqual(new byte[32], octets);
    }

    [Fact]
    public void What_is_sealed_by_them_opens_as_what_is_sealed_one_by_one()
    {
        using var fresh = new FreshOctets(56);
        using var key = SealingKey.FromBytes([.. Enumerable.Repeat((byte)7, SealingKey.KeySize)]);
        Assert.True(key.TryOpen("p\u00e4", key.Seal("p\u00e4"u8, "payload"u8, fresh), out var opened));
        Assert.Equal("payload"u8.ToArray(), opened);
        Assert.False(key.TryOpen("q", key.Seal("p"u8, "payload"u8, fresh), out _));
        var data = new byte[DataKey.KeySize];
        Assert.Equal("payload"u8.ToArray(), DataKey.Open(data, "p\u00e4", DataKey.Seal(data, "p\u00e4"u8, "payload"u8, fresh)));
    }
}
