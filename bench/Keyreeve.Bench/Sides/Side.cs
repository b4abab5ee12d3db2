using Keyreeve.Bench.Load;

namespace Keyreeve.Bench.Sides;

/// <summary>One of those compared: a process and what can be asked of it.</summary>
internal abstract class Side(string name, MeasuredProcess process) : IDisposable
{
    /// <summary>As printed.</summary>
    public string Name { get; } = name;

    /// <summary>The server process.</summary>
    public MeasuredProcess Process { get; } = process;

    /// <summary>CPU time so far of the database server beside it, in microseconds.</summary>
    public virtual double DatabaseMicroseconds => 0;

    /// <summary>What is asked for a row, or null when this side has no answer to it.</summary>
    public abstract Act? ActFor(Row row);

    public virtual void Dispose() => Process.Dispose();
}
