using Keyreeve.Core.Limits;
using Xunit;

namespace Keyreeve.Tests.Core.Limits;

public sealed class RateMeterTests
{
    private static readonly Rate TenASecond = new(10, 5);

    private readonly TestClock _clock = new(Samples.Now);

    [Fact]
    public void The_burst_at_once_and_then_the_rate()
    {
        var meter = new RateMeter(TenASecond, _clock);
        for (var i = 0; i < 5; i++)
            Assert.True(meter.TryTake("a", out _), $"{i}");
        Assert.False(meter.TryTake("a", out var wait));
        Assert.Equal(TimeSpan.FromMilliseconds(100), wait);
        // Asking again costs nothing.
        Assert.False(meter.TryTake("a", out wait));
        Assert.Equal(TimeSpan.FromMilliseconds(100), wait);
        Assert.True(meter.TryTake("b", out _));
        _clock.Advance(wait);
        Assert.True(meter.TryTake("a", out _));
        Assert.False(meter.TryTake("a", out _));
        // A second of silence gives no more than the burst.
        _clock.Advance(TimeSpan.FromHours(1));
        Assert.Equal(5, Enumerable.Range(0, 20).Count(_ => meter.TryTake("a", out var _)));
    }

    [Fact]
    public void What_happened_already_is_charged_even_beyond_the_burst_but_never_for_ever()
    {
        var meter = new RateMeter(TenASecond, _clock);
        for (var i = 0; i < 4; i++)
            meter.Charge("a");
        Assert.False(meter.IsSpent("a", out _));
        meter.Charge("a");
        Assert.True(meter.IsSpent("a", out var wait));
        Assert.Equal(TimeSpan.FromMilliseconds(100), wait);
        for (var i = 0; i < 100_000; i++)
            meter.Charge("a");
        Assert.True(meter.IsSpent("a", out wait));
        Assert.InRange(wait, TimeSpan.FromMinutes(5), TimeSpan.FromMinutes(5.1));
        _clock.Advance(wait);
        Assert.False(meter.IsSpent("a", out _));
    }

    [Fact]
    public void A_flood_of_names_fills_no_memory_and_is_measured_together()
    {
        var meter = new RateMeter(new Rate(0.001, 1), _clock, capacity: 100);
        var taken = Enumerable.Range(0, 50_000).Count(i => meter.TryTake($"name {i}", out var _));
        Assert.Equal(100, meter.Count);
        Assert.InRange(taken, 200, 100 + 1024);
    }

    [Fact]
    public void Who_is_forgotten_makes_room()
    {
        var meter = new RateMeter(TenASecond, _clock, capacity: 100);
        for (var i = 0; i < 100; i++)
            Assert.True(meter.TryTake($"old {i}", out _));
        _clock.Advance(TimeSpan.FromSeconds(2));
        for (var i = 0; i < 5; i++)
            Assert.True(meter.TryTake("new", out _), $"{i}");
        Assert.False(meter.TryTake("new", out _));
        Assert.Equal(1, meter.Count);
    }

    [Fact]
    public async Task Callers_at_the_same_moment_get_no_more_together()
    {
        var meter = new RateMeter(new Rate(0.001, 1000), _clock);
        var taken = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(() => Enumerable.Range(0, 1000).Count(_ => meter.TryTake("a", out var _)))));
        Assert.Equal(1000, taken.Sum());
    }

    [Theory]
    [InlineData("60/min", 1, 600)]
    [InlineData("60/min burst 120", 1, 120)]
    [InlineData("1000/s", 1000, 2000)]
    [InlineData("1000/s burst 1", 1000, 1)]
    public void Rates_are_read(string text, double perSecond, double burst)
    {
        Assert.True(Rate.TryRead(text, out var rate));
        Assert.Equal(new Rate(perSecond, burst), rate);
    }

    [Theory]
    [InlineData("")]
    [InlineData("60")]
    [InlineData("0/s")]
    [InlineData("-1/s")]
    [InlineData("1/h")]
    [InlineData("1/s burst")]
    [InlineData("1/s burst 0")]
    [InlineData("1/s bursts 5")]
    [InlineData("1e9/s")]
    public void Other_texts_are_none(string text) => Assert.False(Rate.TryRead(text, out _));

    [Fact]
    public void Off_is_no_rate()
    {
        Assert.True(Rate.TryRead("off", out var rate));
        Assert.Null(rate);
    }
}
