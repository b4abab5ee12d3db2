using Keyreeve.Core.Snapshots;
using Xunit;

namespace Keyreeve.Tests.Core.Snapshots;

public sealed class GenerationCacheTests
{
    [Theory]
    [InlineData(2)]
    [InlineData(10)]
    [InlineData(1000)]
    public void It_never_remembers_more_than_its_capacity(int capacity)
    {
        var cache = new GenerationCache<int, string>(capacity);
        for (var i = 0; i < capacity * 5; i++)
        {
            cache.Add(i, "v");
            if (i % 7 == 0)
                _ = cache.TryGet(i / 2, out _);
            // A look moves a value: so a copy of the same history is asked, not this one.
            if (i % Math.Max(1, capacity / 3) == 0)
                Assert.InRange(Remembered(capacity, i), 1, capacity);
        }
    }

    [Fact]
    public void What_is_used_survives_and_what_is_not_goes()
    {
        var cache = new GenerationCache<string, string>(100);
        cache.Add("hot", "value");
        cache.Add("cold", "value");
        for (var i = 0; i < 10_000; i++)
        {
            cache.Add("k" + i, "v");
            if (i % 20 == 0)
                Assert.True(cache.TryGet("hot", out _), $"after {i}");
        }
        Assert.False(cache.TryGet("cold", out _));
        Assert.True(cache.TryGet("k9999", out _));
    }

    [Fact]
    public void The_last_half_is_always_remembered()
    {
        var cache = new GenerationCache<int, string>(100);
        for (var i = 0; i < 1000; i++)
            cache.Add(i, "v" + i);
        for (var i = 999; i >= 950; i--)
        {
            Assert.True(cache.TryGet(i, out var value));
            Assert.Equal("v" + i, value);
        }
        Assert.False(cache.TryGet(1, out var none));
        Assert.Null(none);
    }

    [Fact]
    public void Many_threads_find_what_they_put_there()
    {
        var cache = new GenerationCache<int, string>(100_000);
        Parallel.For(0, 8, thread =>
        {
            for (var i = 0; i < 5000; i++)
            {
                cache.Add(thread * 10_000 + i, "v");
                if (!cache.TryGet(thread * 10_000 + i, out _))
                    throw new InvalidOperationException($"{thread}/{i} is lost");
            }
        });
    }

    [Fact]
    public void With_second_sight_a_full_one_remembers_a_value_when_its_key_comes_again()
    {
        var cache = new GenerationCache<string, string>(100, secondSight: true);
        cache.Add("once", "there is room");
        Assert.True(cache.TryGet("once", out _));
        for (var i = 0; i < 1000; i++)
            cache.Add("k" + i, "v");
        cache.Add("twice", "first");
        Assert.False(cache.TryGet("twice", out _));
        cache.Add("twice", "second");
        Assert.True(cache.TryGet("twice", out var value));
        Assert.Equal("second", value);
    }

    [Fact]
    public void With_second_sight_keys_that_come_once_push_out_nothing()
    {
        var cache = new GenerationCache<int, string>(100, secondSight: true);
        for (var i = 0; i < 40; i++)
        {
            cache.Add(i, "hot");
            cache.Add(i, "hot");
        }
        for (var i = 1000; i < 100_000; i++)
            cache.Add(i, "once");
        for (var i = 0; i < 40; i++)
            Assert.True(cache.TryGet(i, out _), $"{i} is lost");
    }

    private static int Remembered(int capacity, int last)
    {
        var cache = new GenerationCache<int, string>(capacity);
        for (var i = 0; i <= last; i++)
        {
            cache.Add(i, "v");
            if (i % 7 == 0)
                _ = cache.TryGet(i / 2, out _);
        }
        // From the oldest on: a value that is found moves to the young ones and may push out what was not asked yet, never the reverse.
        return Enumerable.Range(0, last + 1).Reverse().Count(i => cache.TryGet(i, out _));
    }
}
