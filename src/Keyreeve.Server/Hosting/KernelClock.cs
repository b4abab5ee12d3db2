using System.Runtime.InteropServices;

namespace Keyreeve.Server.Hosting;

/// <summary>What the kernel knows of its clock. Key requests carry the time to within 5 s (TS 33.434 5.3.2): a clock that nobody sets refuses good ones.</summary>
internal static class KernelClock
{
    /// <summary>What an operator does about it.</summary>
    public const string Cure = "run NTP (apt-get install chrony): key requests carry the time to within 5 s";

    private const int Unsynchronised = 0x40; // STA_UNSYNC of <sys/timex.h>

    /// <summary>True when NTP or the like keeps it; null when the kernel does not say.</summary>
    public static bool? IsSynchronised()
    {
        var timex = new byte[512];
        if (!OperatingSystem.IsLinux() || AdjustTime(timex) < 0)
            return null;
        // struct timex on 64-bit Linux: modes(4) pad(4) offset(8) freq(8) maxerror(8) esterror(8) status(4)
        return (BitConverter.ToInt32(timex, 40) & Unsynchronised) == 0;
    }

    [DllImport("libc", EntryPoint = "adjtimex")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
    private static extern int AdjustTime([In, Out] byte[] timex);
}
