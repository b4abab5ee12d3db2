using System.Buffers;
using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Keyreeve.Storage;

/// <summary>
/// How many rows a table has and what is in them, whatever their order: the sum of the SHA-256 of every row. Two engines that hold the same rows have the
/// same tally; it shows accidents, not attacks.
/// </summary>
/// <param name="Table">Its name.</param>
/// <param name="Rows">How many rows.</param>
/// <param name="Sum">Four sums of 64 bits, in hex.</param>
public sealed record TableTally(string Table, long Rows, string Sum)
{
    /// <summary>Counts the rows of a table.</summary>
    public static async Task<TableTally> OfAsync(StoreDoor door, TableShape table, Action<long>? progress, CancellationToken cancel)
    {
        var counter = new TallyCounter(table.Name);
        await foreach (var row in door.ReadRowsAsync(table, null, cancel))
        {
            counter.Add(row);
            if (counter.Rows % 1000 == 0)
                progress?.Invoke(counter.Rows);
        }
        return counter.Tally;
    }
}

/// <summary>Adds up rows.</summary>
internal sealed class TallyCounter(string table)
{
    private readonly ArrayBufferWriter<byte> _row = new();
    private readonly ulong[] _sum = new ulong[4];

    public long Rows { get; private set; }

    public TableTally Tally => new(table, Rows, string.Concat(_sum.Select(lane => lane.ToString("x16", System.Globalization.CultureInfo.InvariantCulture))));

    /// <summary>Adds one; returns it as octets, good until the next one.</summary>
    public ReadOnlyMemory<byte> Add(object?[] row)
    {
        _row.ResetWrittenCount();
        RowCodec.Write(_row, row);
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(_row.WrittenSpan, hash);
        for (var i = 0; i < _sum.Length; i++)
            _sum[i] = unchecked(_sum[i] + BinaryPrimitives.ReadUInt64LittleEndian(hash[(8 * i)..]));
        Rows++;
        return _row.WrittenMemory;
    }
}
