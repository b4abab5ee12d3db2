using System.Collections.Concurrent;
using System.Diagnostics;

namespace Keyreeve.Bench.Sides;

/// <summary>What we have started ends with us, also when we are ended by SIGTERM in the middle of a run.</summary>
internal static class Children
{
    private static readonly ConcurrentBag<int> Started = [];

    static Children() => AppDomain.CurrentDomain.ProcessExit += static (_, _) =>
    {
        foreach (var id in Started)
            Kill(id);
    };

    /// <summary>Starts a process that is killed when we end.</summary>
    public static Process Start(ProcessStartInfo start)
    {
        var process = Process.Start(start)!;
        Started.Add(process.Id);
        return process;
    }

    /// <summary>With all that it has started. A process id that is nobody's child of ours any more is left alone.</summary>
    private static void Kill(int id)
    {
        try
        {
            var stat = File.ReadAllText($"/proc/{id}/stat");
            if (stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[1] != Environment.ProcessId.ToString(System.Globalization.CultureInfo.InvariantCulture))
                return;
            using var process = Process.GetProcessById(id);
            process.Kill(entireProcessTree: true);
        }
        catch (Exception e) when (e is IOException or ArgumentException or InvalidOperationException)
        {
            // It has ended.
        }
    }
}
