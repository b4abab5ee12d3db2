using Keyreeve.Server.Hosting;
using Keyreeve.Slices.Tests.Seal;
using Keyreeve.Testing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Keyreeve.Slices.Tests.Web;

/// <summary>The window of key requests needs clocks that agree: readiness tells of one that nobody keeps, and the log once.</summary>
[Proves("TS 33.434", "5.3.2")]
public sealed class ClockWatchTests
{
    [Fact]
    public async Task A_clock_that_nobody_keeps_is_a_warning_until_somebody_does()
    {
        await using var server = await TestServer.StartAsync();
        var log = new LogLines();
        server.Server.Application.Services.GetRequiredService<ILoggerFactory>().AddProvider(log);
        var watch = server.Server.Application.Services.GetRequiredService<ClockWatch>();
        using var health = server.NewClient("health");
        foreach (var (state, warns) in new (bool?, bool)[] { (null, false), (true, false), (false, true), (false, true), (true, false), (false, true) })
        {
            watch.IsSynchronised = () => state;
            var text = await health.GetStringAsync("/readyz", TestContext.Current.CancellationToken);
            Assert.Equal(warns, text.StartsWith("ready\nwarning: the kernel does not know the clock as synchronised", StringComparison.Ordinal));
            Assert.Equal(!warns, text == "ready\n");
        }
        Assert.Equal(2, log.All.Count(l => l.StartsWith("the kernel does not know the clock", StringComparison.Ordinal)));
    }
}
