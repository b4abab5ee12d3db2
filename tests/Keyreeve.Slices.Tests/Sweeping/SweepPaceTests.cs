using Keyreeve.Server.Sweeping;
using Keyreeve.Storage;
using Xunit;

namespace Keyreeve.Slices.Tests.Sweeping;

public sealed class SweepPaceTests
{
    private static SweepStep Step(double workingMilliseconds, double busyMilliseconds = 10) =>
        new(100, TimeSpan.FromMilliseconds(workingMilliseconds), TimeSpan.FromMilliseconds(busyMilliseconds));

    [Fact]
    public void Nine_tenths_of_the_time_are_rest() =>
        Assert.Equal(TimeSpan.FromMilliseconds(180), SweepPace.Start.After(Step(5, 20)).Wait);

    [Fact]
    public void A_stalled_disk_does_not_stop_it_for_minutes() =>
        Assert.Equal(TimeSpan.FromSeconds(2), SweepPace.Start.After(Step(5, 60_000)).Wait);

    [Theory]
    [InlineData(3, 200)]
    [InlineData(6, 100)]
    [InlineData(4, 150)]
    [InlineData(2.5, 240)]
    [InlineData(1000, 100)]
    [InlineData(0.001, 400)]
    [InlineData(0, 400)]
    public void The_next_batch_is_as_large_as_takes_three_milliseconds_within_twice_and_half(double workingMilliseconds, int rows) =>
        Assert.Equal(rows, SweepPace.Start.After(Step(workingMilliseconds)).Rows);

    [Fact]
    public void A_batch_stays_within_its_bounds()
    {
        var (fast, slow) = (SweepPace.Start, SweepPace.Start);
        for (var i = 0; i < 100; i++)
            (fast, slow) = (fast.After(Step(0.01)), slow.After(Step(10_000)));
        Assert.Equal((SweepPace.MaxRows, SweepPace.MinRows), (fast.Rows, slow.Rows));
    }
}
