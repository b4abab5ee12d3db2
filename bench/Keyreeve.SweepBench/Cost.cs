using System.Diagnostics;
using Keyreeve.Bench.Sides;

namespace Keyreeve.Bench.Sweeping;

/// <summary>What a server takes from a moment on.</summary>
internal sealed class Cost(MeasuredProcess server)
{
    private readonly Stopwatch _watch = Stopwatch.StartNew();
    private readonly double _cpu = server.CpuMicroseconds;
    private readonly long _octets = server.OctetsWritten;

    /// <summary>Seconds of CPU and octets written to files, for each second since.</summary>
    public (double Cpu, double Octets) PerSecond() =>
        ((server.CpuMicroseconds - _cpu) / 1e6 / _watch.Elapsed.TotalSeconds, (server.OctetsWritten - _octets) / _watch.Elapsed.TotalSeconds);
}
