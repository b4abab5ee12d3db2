using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace Keyreeve.Storage;

/// <summary>
/// A row as octets, for backups and for comparing rows of two engines.
/// <code>
///  row   := value*                       one for each column
///  value := 0                            nothing
///         | 1 | number(8)                little endian
///         | 2 | length(4) | UTF-8
///         | 3 | length(4) | octets
/// </code>
/// </summary>
internal static class RowCodec
{
    /// <summary>Octets of one value at most. Our choice: the admin API takes bodies of 448 KiB, so nothing we wrote comes near.</summary>
    public const int MaxValue = 16 * 1024 * 1024;

    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    public static void Write(IBufferWriter<byte> output, object?[] row)
    {
        foreach (var value in row)
        {
            switch (value)
            {
                case null:
                    output.Write((ReadOnlySpan<byte>)[0]);
                    break;
                case long number:
                    var span = output.GetSpan(9);
                    span[0] = 1;
                    BinaryPrimitives.WriteInt64LittleEndian(span[1..], number);
                    output.Advance(9);
                    break;
                case string text:
                    WriteOctets(output, 2, Strict.GetBytes(text));
                    break;
                case byte[] octets:
                    WriteOctets(output, 3, octets);
                    break;
                default:
                    throw new InvalidDataException($"a value of type {value.GetType().Name} cannot be moved");
            }
        }
    }

    /// <exception cref="InvalidDataException">Not what <see cref="Write"/> wrote for these columns.</exception>
    public static object?[] Read(Stream input, IReadOnlyList<ColumnShape> columns)
    {
        var row = new object?[columns.Count];
        for (var i = 0; i < row.Length; i++)
        {
            var kind = input.ReadByte();
            if (kind == 0 ? !columns[i].Nullable : kind != (int)columns[i].Kind)
                throw new InvalidDataException($"column {columns[i].Name}: a value of kind {kind} where {columns[i].Kind} belongs");
            row[i] = kind switch
            {
                0 => null,
                1 => ReadNumber(input),
                2 => ReadText(input),
                _ => ReadOctets(input),
            };
        }
        return row;
    }

    public static void WriteOctets(IBufferWriter<byte> output, byte kind, ReadOnlySpan<byte> octets)
    {
        if (octets.Length > MaxValue)
            throw new InvalidDataException($"a value has {octets.Length} octets; at most {MaxValue} can be moved");
        var head = output.GetSpan(5);
        head[0] = kind;
        BinaryPrimitives.WriteInt32LittleEndian(head[1..], octets.Length);
        output.Advance(5);
        output.Write(octets);
    }

    public static byte[] ReadOctets(Stream input)
    {
        Span<byte> head = stackalloc byte[4];
        input.ReadExactly(head);
        var length = BinaryPrimitives.ReadInt32LittleEndian(head);
        if (length is < 0 or > MaxValue)
            throw new InvalidDataException($"a value claims {(uint)length} octets; at most {MaxValue} are read");
        var octets = new byte[length];
        input.ReadExactly(octets);
        return octets;
    }

    public static string ReadText(Stream input)
    {
        try
        {
            var text = Strict.GetString(ReadOctets(input));
            return StoredText.Keeps(text) ? text : throw new InvalidDataException("a text holds NUL");
        }
        catch (DecoderFallbackException bad)
        {
            throw new InvalidDataException("a text is not UTF-8", bad);
        }
    }

    public static long ReadNumber(Stream input)
    {
        Span<byte> octets = stackalloc byte[8];
        input.ReadExactly(octets);
        return BinaryPrimitives.ReadInt64LittleEndian(octets);
    }
}
