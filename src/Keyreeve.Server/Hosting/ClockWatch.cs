using Microsoft.Extensions.Logging;

namespace Keyreeve.Server.Hosting;

/// <summary>
/// Looks at the clock whenever somebody asks how this node is, and once at the start. That the kernel does not know it as synchronised is a warning and no
/// failure: it may be right all the same.
/// </summary>
public sealed partial class ClockWatch(ILogger<ClockWatch> log)
{
    private int _told; // 1 while the last thing said was that it is not

    /// <summary>True when something keeps the clock; null when that is not known.</summary>
    public Func<bool?> IsSynchronised { get; set; } = () => null;

    /// <summary>For whoever asks how this node is. A change is logged.</summary>
    public IEnumerable<string> Warnings()
    {
        var lost = IsSynchronised() is false;
        if (Interlocked.Exchange(ref _told, lost ? 1 : 0) != (lost ? 1 : 0))
        {
            if (lost)
                LogLost(log, KernelClock.Cure);
            else
                LogKept(log);
        }
        return lost ? ["the kernel does not know the clock as synchronised: " + KernelClock.Cure] : [];
    }

    [LoggerMessage(EventId = 1, Level = LogLevel.Warning, Message = "the kernel does not know the clock as synchronised: {Cure}")]
    private static partial void LogLost(ILogger log, string cure);

    [LoggerMessage(EventId = 2, Level = LogLevel.Information, Message = "the clock is synchronised")]
    private static partial void LogKept(ILogger log);
}
