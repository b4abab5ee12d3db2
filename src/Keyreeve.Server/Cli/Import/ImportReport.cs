using System.Text.Json;
using System.Text.Json.Nodes;

namespace Keyreeve.Server.Cli.Import;

/// <summary>A line that was refused.</summary>
/// <param name="Line">Its number in the file, from 1.</param>
/// <param name="Param">The member that is wrong, or null.</param>
/// <param name="Reason">Why.</param>
internal sealed record RefusedLine(long Line, string? Param, string Reason);

/// <summary>
/// Every line that was refused, as lines of JSON in a file beside the one that is imported; the first of them are kept for the screen. It is made when
/// there is something to tell.
/// </summary>
internal sealed class ImportReport(string file, long keptOctets) : IDisposable
{
    /// <summary>On the screen. Our choice: all are in the file.</summary>
    public const int Shown = 20;

    private FileStream? _stream;

    /// <summary>Where it is.</summary>
    public string File { get; } = file;

    /// <summary>Its octets.</summary>
    public long Octets { get; private set; } = keptOctets;

    /// <summary>Lines added in this run.</summary>
    public long Added { get; private set; }

    /// <summary>The first ones of this run.</summary>
    public List<RefusedLine> First { get; } = [];

    public void Add(RefusedLine line)
    {
        Added++;
        if (First.Count < Shown)
            First.Add(line);
        Open();
        var json = new JsonObject { ["line"] = line.Line };
        if (line.Param is not null)
            json["param"] = line.Param;
        json["reason"] = line.Reason;
        _stream!.Write(JsonSerializer.SerializeToUtf8Bytes(json));
        _stream.WriteByte((byte)'\n');
        Octets = _stream.Position;
    }

    /// <summary>To the disk, before the state says so.</summary>
    public void Flush() => _stream?.Flush(flushToDisk: true);

    /// <summary>Takes away what an earlier import has left, when this one begins anew.</summary>
    public void Begin()
    {
        if (Octets == 0)
            System.IO.File.Delete(File);
        else
            Open();
    }

    public void Dispose() => _stream?.Dispose();

    private void Open()
    {
        if (_stream is not null)
            return;
        _stream = new FileStream(File, new FileStreamOptions { Mode = FileMode.OpenOrCreate, Access = FileAccess.Write, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite });
        // What was told beyond the state belongs to lines that are sent again.
        _stream.SetLength(Math.Min(_stream.Length, Octets));
        _stream.Position = _stream.Length;
    }
}
