namespace Keyreeve.Server.Cli.Import;

/// <summary>Lines of a file that are sent at once.</summary>
/// <param name="First">Number of the first line, from 1.</param>
/// <param name="Lines">How many.</param>
/// <param name="Octets">The lines, each with its line feed; one that is too long is left empty, so that the others keep their numbers. Good until as many as the reader keeps were read behind it.</param>
/// <param name="TooLong">Numbers of the lines that were too long.</param>
/// <param name="End">Octets of the file up to the end of the batch.</param>
internal sealed record LineBatch(long First, int Lines, ReadOnlyMemory<byte> Octets, IReadOnlyList<long> TooLong, long End);

/// <summary>
/// Cuts a stream into batches of whole lines. Memory is bounded by the two limits, whatever stands in the file: of a line that is too long only its end
/// is looked for.
/// </summary>
/// <param name="stream">What is read.</param>
/// <param name="maxLine">Octets of a line; of a longer one nothing is kept.</param>
/// <param name="maxBatch">Octets of a batch, but for its last line.</param>
/// <param name="maxLines">Lines of a batch.</param>
/// <param name="kept">Batches whose octets stay while another is read.</param>
internal sealed class LineReader(Stream stream, int maxLine, int maxBatch, int maxLines, int kept)
{
    private readonly byte[] _read = new byte[256 * 1024];
    private readonly byte[][] _batches = [.. Enumerable.Range(0, kept + 1).Select(_ => new byte[maxBatch + maxLine + 1])];
    private byte[] _batch = [];
    private int _turn;
    private int _at;
    private int _filled;
    private int _told;

    /// <summary>Octets handed out, from the beginning of the stream's file.</summary>
    public long Position { get; private set; }

    /// <summary>Lines handed out.</summary>
    public long LinesRead { get; private set; }

    /// <summary>Told of every octet in the order of the file, before it is handed out: of many at once.</summary>
    public Action<ReadOnlySpan<byte>>? Passing { get; init; }

    /// <summary>Where the stream stands when it does not stand at the beginning of the file.</summary>
    public void StartAt(long position, long lines) => (Position, LinesRead) = (position, lines);

    /// <summary>The next batch, or null at the end. A last line needs no line feed.</summary>
    public async Task<LineBatch?> ReadAsync(CancellationToken cancel)
    {
        _batch = _batches[_turn = (_turn + 1) % _batches.Length];
        var (length, lines, first, tooLong) = (0, 0, LinesRead + 1, new List<long>());
        var (inLine, isLong) = (0, false); // octets of the line that is not over yet
        while (lines < maxLines && length < maxBatch || inLine > 0)
        {
            if (_at == _filled)
            {
                Tell();
                (_at, _told, _filled) = (0, 0, await stream.ReadAsync(_read, cancel));
                if (_filled == 0)
                    break;
            }
            var rest = _read.AsSpan(_at, _filled - _at);
            var end = rest.IndexOf((byte)'\n');
            var piece = end < 0 ? rest : rest[..(end + 1)];
            _at += piece.Length;
            inLine += piece.Length;
            isLong |= inLine > maxLine + 1;
            if (!isLong)
                piece.CopyTo(_batch.AsSpan(length + inLine - piece.Length));
            if (end >= 0)
                EndLine();
            else if (isLong)
                inLine = 1; // its length is known to be too much: counting on would only overflow
        }
        if (inLine > 0)
            EndLine();
        Tell();
        return lines == 0 ? null : new(first, lines, _batch.AsMemory(0, length), tooLong, Position);

        void EndLine()
        {
            lines++;
            LinesRead++;
            if (isLong)
            {
                tooLong.Add(LinesRead);
                _batch[length++] = (byte)'\n';
            }
            else
            {
                length += inLine;
                if (_batch[length - 1] != (byte)'\n')
                    _batch[length++] = (byte)'\n';
            }
            (inLine, isLong) = (0, false);
        }
    }

    private void Tell()
    {
        Passing?.Invoke(_read.AsSpan(_told.._at));
        Position += _at - _told;
        _told = _at;
    }
}
