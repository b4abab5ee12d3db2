using System.Runtime.InteropServices;

namespace Keyreeve.Server.Hosting;

/// <summary>
/// Asks the kernel not to write this process's memory anywhere, and not to show it to other processes of the same user: keys lie in it. A request, no wall:
/// root reads it all the same, and swap is the operator's (docs/operations.md, the seal).
/// </summary>
internal static class ProcessSecrecy
{
    private const int SetDumpable = 4; // PR_SET_DUMPABLE of <sys/prctl.h>
    private const int CoreSize = 4; // RLIMIT_CORE of <sys/resource.h>

    /// <summary>For the process that serves. False when the kernel did not do it, or is another one.</summary>
    public static bool Ask()
    {
        if (!OperatingSystem.IsLinux())
            return false;
        var none = new Limit();
        var noCore = SetLimit(CoreSize, ref none) == 0;
        return Control(SetDumpable, 0, 0, 0, 0) == 0 && noCore;
    }

    [DllImport("libc", EntryPoint = "prctl")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
    private static extern int Control(int option, nuint a, nuint b, nuint c, nuint d);

    [DllImport("libc", EntryPoint = "setrlimit")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
    private static extern int SetLimit(int resource, ref Limit limit);

    /// <summary>struct rlimit: soft and hard limit.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Limit
    {
        public nuint Soft;
        public nuint Hard;
    }
}
