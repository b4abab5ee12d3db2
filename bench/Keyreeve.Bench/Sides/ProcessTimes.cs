using System.Globalization;

namespace Keyreeve.Bench.Sides;

/// <summary>CPU time out of /proc (proc(5)).</summary>
internal static class ProcessTimes
{
    /// <summary>Unit of /proc/PID/stat. The kernel shows times in hundredths of a second whatever its own tick is.</summary>
    public const double MicrosecondsPerTick = 10_000;

    /// <summary>User and system time of all threads of a process.</summary>
    public static double Of(int id) => Read(id) is { } fields ? (fields[11] + fields[12]) * MicrosecondsPerTick : 0;

    /// <summary>The same for a process, its children, and those of its children that have ended.</summary>
    public static double OfTree(int id)
    {
        var sum = Read(id) is { } parent ? (parent[11] + parent[12] + parent[13] + parent[14]) * MicrosecondsPerTick : 0;
        foreach (var folder in Directory.EnumerateDirectories("/proc"))
            if (int.TryParse(Path.GetFileName(folder), NumberStyles.None, CultureInfo.InvariantCulture, out var child) && Read(child) is { } fields && fields[1] == id)
                sum += (fields[11] + fields[12]) * MicrosecondsPerTick;
        return sum;
    }

    /// <summary>The fields behind the name, state as 0; null when there is no such process. The name may hold anything, parentheses too.</summary>
    private static long[]? Read(int id)
    {
        try
        {
            var stat = File.ReadAllText($"/proc/{id}/stat");
            return [.. stat[(stat.LastIndexOf(')') + 2)..].Split(' ').Select(f => long.TryParse(f, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var n) ? n : 0)];
        }
        catch (IOException)
        {
            return null;
        }
    }
}
