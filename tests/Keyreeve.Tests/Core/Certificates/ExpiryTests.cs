using Keyreeve.Core.Certificates;
using Xunit;

namespace Keyreeve.Tests.Core.Certificates;

public sealed class ExpiryTests
{
    private static readonly DateTimeOffset Now = TestAuthorities.Now;

    [Theory]
    [InlineData(31, null)]
    [InlineData(30, 30)]
    [InlineData(15, 30)]
    [InlineData(14, 14)]
    [InlineData(7.1, 14)]
    [InlineData(7, 7)]
    [InlineData(1.1, 7)]
    [InlineData(1, 1)]
    [InlineData(0.01, 1)]
    [InlineData(0, 0)]
    [InlineData(-5, 0)]
    public void The_stage_is_the_fewest_days_that_are_left_at_most(double days, int? stage) => Assert.Equal(stage, Expiry.StageOf(Now.AddDays(days), Now));

    [Fact]
    public void Each_end_is_told_once_per_stage_and_anew_when_it_came_back()
    {
        var memory = new ExpiryMemory();
        Ending[] endings = [new("a", Now.AddDays(20)), new("b", Now.AddDays(100))];
        Assert.Equal([("a", 30)], Told(endings, Now));
        Assert.Empty(Told(endings, Now.AddDays(1)));
        Assert.Equal([("a", 7)], Told(endings, Now.AddDays(14)));
        Assert.Equal([("a", 0)], Told(endings, Now.AddDays(20)));
        Assert.Empty(Told(endings, Now.AddDays(21)));
        // Renewed, and later it ends again.
        endings[0] = new("a", Now.AddDays(200));
        Assert.Empty(Told([endings[0]], Now.AddDays(22)));
        Assert.Equal([("a", 30)], Told([endings[0]], Now.AddDays(175)));

        IEnumerable<(string, int)> Told(Ending[] all, DateTimeOffset at) => memory.ToTell(all, at).Select(t => (t.Ending.What, t.Stage));
    }
}
