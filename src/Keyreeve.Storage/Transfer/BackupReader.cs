using System.Globalization;
using System.IO.Compression;
using System.Security.Cryptography;
using Keyreeve.Core.Keys;

namespace Keyreeve.Storage;

/// <summary>
/// Reads a backup (the format stands at <see cref="BackupWriter"/>): first the header, then the seal over every octet, and only then, and bounded all the
/// same, what is in it.
/// </summary>
public sealed class BackupReader : IDisposable
{
    private const string Damaged = "the file is torn, was changed, or was made by somebody else: it is not restored";

    private readonly FileStream _file;
    private readonly long _bodyStart;

    private BackupReader(FileStream file, BackupHeader header, string sealedBy, long bodyStart) => (_file, Header, SealedBy, _bodyStart) = (file, header, sealedBy, bodyStart);

    /// <summary>What the file says of itself; to be believed after <see cref="CheckSeal"/>.</summary>
    public BackupHeader Header { get; }

    /// <summary>ID of the KEK that sealed the file.</summary>
    public string SealedBy { get; }

    /// <summary>IDs of every KEK that a restore needs.</summary>
    public IReadOnlyList<string> NeededKeks => [.. Header.Keks.Append(SealedBy).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];

    /// <summary>Opens a file and reads its header.</summary>
    /// <exception cref="TransferRefusedException">No backup, or one of a newer program.</exception>
    public static BackupReader Open(string path)
    {
        var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        try
        {
            var first = new byte[BackupWriter.FirstLine.Length];
            if (file.ReadAtLeast(first, first.Length, throwOnEndOfStream: false) < first.Length || !first.AsSpan().SequenceEqual(BackupWriter.FirstLine))
                throw new TransferRefusedException($"{path} is no backup of Keyreeve");
            var start = new byte[BackupHeader.MaxLength];
            var length = start.AsSpan(0, file.ReadAtLeast(start, start.Length, throwOnEndOfStream: false)).IndexOf((byte)'\n');
            if (length < 0)
                throw new TransferRefusedException($"{path}: {Damaged}");
            var header = BackupHeader.Read(start.AsSpan(0, length));
            var bodyStart = first.Length + length + 1;
            if (file.Length < bodyStart + BackupWriter.SealLength)
                throw new TransferRefusedException($"{path}: {Damaged}");
            file.Position = file.Length - BackupWriter.SealLength;
            var seal = new byte[BackupWriter.SealLength];
            file.ReadExactly(seal);
            return new(file, header, Kek.IdOf(seal) ?? throw new TransferRefusedException($"{path}: {Damaged}"), bodyStart);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Reads the whole file and holds it against its seal.</summary>
    /// <exception cref="TransferRefusedException">One octet is not as it was written, or the KEK is another.</exception>
    public void CheckSeal(Kek kek, Action<TransferProgress>? progress, CancellationToken cancel)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var end = _file.Length - BackupWriter.SealLength;
        var buffer = new byte[1024 * 1024];
        _file.Position = 0;
        while (_file.Position < end)
        {
            cancel.ThrowIfCancellationRequested();
            var read = _file.Read(buffer, 0, (int)Math.Min(buffer.Length, end - _file.Position));
            if (read == 0)
                break;
            hash.AppendData(buffer, 0, read);
            progress?.Invoke(new("checking the file", "octets", _file.Position, end));
        }
        Compare(kek, hash.GetHashAndReset());
    }

    /// <summary>
    /// Reads the tables in the order in which they lie in the file. The rows of each are read to their end before the next one. What was read is hashed on its
    /// way: when the file is another one by now than it was at <see cref="CheckSeal"/>, the end says so, and nothing of it may be used.
    /// </summary>
    /// <exception cref="TransferRefusedException">The file changed while it was read.</exception>
    /// <exception cref="InvalidDataException">It is not what a backup holds.</exception>
    public async Task ReadBodyAsync(Kek kek, Func<BackupTable, Task> table, Action<string, byte[]> attachment, CancellationToken cancel)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var head = new byte[_bodyStart];
        _file.Position = 0;
        _file.ReadExactly(head);
        hash.AppendData(head);
        await using var hashed = new HashedReadStream(_file, _file.Length - _bodyStart - BackupWriter.SealLength, hash);
        await using (var gzip = new GZipStream(hashed, CompressionMode.Decompress, leaveOpen: true))
        await using (var body = new BufferedStream(gzip, 64 * 1024))
        {
            try
            {
                await ReadBodyAsync(body, table, attachment, cancel);
            }
            catch (EndOfStreamException end)
            {
                throw new InvalidDataException("the backup ends in the middle of a row", end);
            }
        }
        // The decompressor stops at its own end.
        var rest = new byte[64 * 1024];
        while (hashed.Read(rest) > 0)
            cancel.ThrowIfCancellationRequested();
        Compare(kek, hash.GetHashAndReset());
    }

    /// <inheritdoc />
    public void Dispose() => _file.Dispose();

    private void Compare(Kek kek, byte[] hash)
    {
        var seal = new byte[BackupWriter.SealLength];
        _file.Position = _file.Length - seal.Length;
        _file.ReadExactly(seal);
        if (!kek.TryOpen(BackupWriter.Purpose, seal, out var opened) || !CryptographicOperations.FixedTimeEquals(opened, hash))
            throw new TransferRefusedException($"{_file.Name}: {Damaged}");
    }

    private async Task ReadBodyAsync(Stream body, Func<BackupTable, Task> table, Action<string, byte[]> attachment, CancellationToken cancel)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        while (true)
        {
            cancel.ThrowIfCancellationRequested();
            switch (body.ReadByte())
            {
                case 'T':
                    var next = BackupTable.ReadHead(body);
                    if (!seen.Add(next.Name) || !Header.Rows.ContainsKey(next.Name))
                        throw new InvalidDataException($"table {next.Name} comes twice, or is not in the header");
                    await table(next);
                    if (!next.IsRead)
                        throw new InvalidOperationException($"the rows of {next.Name} were not read");
                    if (next.Rows != Header.Rows[next.Name])
                        throw new InvalidDataException($"table {next.Name} has {next.Rows} rows, the header says {Header.Rows[next.Name]}");
                    break;
                case 'F':
                    attachment(RowCodec.ReadText(body), RowCodec.ReadOctets(body));
                    break;
                case 'Z' when seen.Count == Header.Rows.Count && body.ReadByte() < 0:
                    return;
                default:
                    throw new InvalidDataException(string.Create(CultureInfo.InvariantCulture, $"the backup's body makes no sense after {seen.Count} tables"));
            }
        }
    }
}

/// <summary>A table in a backup.</summary>
public sealed class BackupTable
{
    private readonly Stream _body;

    private BackupTable(Stream body, string name, IReadOnlyList<(string Name, ColumnKind Kind)> columns) => (_body, Name, Columns) = (body, name, columns);

    /// <summary>Its name, as the file says it: to be looked up, never to be put into a statement.</summary>
    public string Name { get; }

    /// <summary>Its columns in the order of the rows' values.</summary>
    public IReadOnlyList<(string Name, ColumnKind Kind)> Columns { get; }

    /// <summary>Rows read so far.</summary>
    public long Rows { get; private set; }

    /// <summary>All of them.</summary>
    public bool IsRead { get; private set; }

    /// <summary>The rows.</summary>
    public IEnumerable<object?[]> ReadRows(IReadOnlyList<ColumnShape> columns)
    {
        while (true)
        {
            switch (_body.ReadByte())
            {
                case 'R':
                    Rows++;
                    yield return RowCodec.Read(_body, columns);
                    break;
                case 'E' when RowCodec.ReadNumber(_body) == Rows:
                    IsRead = true;
                    yield break;
                default:
                    throw new InvalidDataException($"table {Name} makes no sense after {Rows} rows");
            }
        }
    }

    internal static BackupTable ReadHead(Stream body)
    {
        var name = RowCodec.ReadText(body);
        var columns = new (string, ColumnKind)[Math.Max(0, body.ReadByte())];
        for (var i = 0; i < columns.Length; i++)
            columns[i] = (RowCodec.ReadText(body), (ColumnKind)body.ReadByte());
        return new(body, name, columns);
    }
}
