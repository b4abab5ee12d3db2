using System.Buffers;
using System.Buffers.Binary;
using System.Text;
using Npgsql;

namespace Keyreeve.Storage;

/// <summary>
/// Rows for PostgreSQL's <c>COPY ... FROM STDIN (FORMAT BINARY)</c>, written as octets: many rows are one message, and a value is not an asynchronous call.
/// <code>
///  stream := "PGCOPY\n\xff\r\n\0" | flags(4) = 0 | length of extension(4) = 0 | row* | -1 (2)
///  row    := columns(2) | (length(4) | octets)*                                   numbers in network order, bigint in 8 octets, text in UTF-8
/// </code>
/// </summary>
internal sealed class CopyRows : IDisposable
{
    /// <summary>Octets of a message, about. Our choice.</summary>
    private const int Message = 64 * 1024;

    private static readonly byte[] Head = [.. "PGCOPY\n"u8, 0xff, .. "\r\n\0"u8, 0, 0, 0, 0, 0, 0, 0, 0];

    // What cannot be written as it is fails, as everywhere in this library: another text would be another key.
    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private byte[] _rows = ArrayPool<byte>.Shared.Rent(2 * Message);
    private int _length;

    private CopyRows() => Append(Head);

    /// <summary>Copies the rows. What the server says against them is thrown; then the transaction goes on from a savepoint or not at all.</summary>
    /// <param name="connection">In a transaction: what was sent before a failure is taken back with it.</param>
    /// <param name="copy">The COPY statement.</param>
    /// <param name="rows">The rows.</param>
    /// <param name="write">Writes one: <see cref="Begin"/>, then every column.</param>
    public static async Task SendAsync<T>(NpgsqlConnection connection, string copy, IReadOnlyList<T> rows, Action<T, CopyRows> write)
    {
        using var octets = new CopyRows();
        await using var to = await connection.BeginRawBinaryCopyAsync(copy);
        foreach (var row in rows)
        {
            write(row, octets);
            if (octets._length >= Message)
                await octets.FlushAsync(to);
        }
        octets.Number16(-1);
        await octets.FlushAsync(to);
    }

    /// <summary>A row of so many columns begins.</summary>
    public CopyRows Begin(short columns)
    {
        Number16(columns);
        return this;
    }

    /// <summary>BIGINT.</summary>
    public CopyRows Number(long value)
    {
        var to = Room(12);
        BinaryPrimitives.WriteInt32BigEndian(to, 8);
        BinaryPrimitives.WriteInt64BigEndian(to[4..], value);
        _length += 12;
        return this;
    }

    /// <summary>TEXT.</summary>
    public CopyRows Text(string value)
    {
        var to = Room(4 + Strict.GetMaxByteCount(value.Length));
        var length = Strict.GetBytes(value, to[4..]);
        BinaryPrimitives.WriteInt32BigEndian(to, length);
        _length += 4 + length;
        return this;
    }

    /// <summary>BYTEA.</summary>
    public CopyRows Octets(ReadOnlySpan<byte> value)
    {
        BinaryPrimitives.WriteInt32BigEndian(Room(4), value.Length);
        _length += 4;
        Append(value);
        return this;
    }

    /// <inheritdoc />
    public void Dispose()
    {
        ArrayPool<byte>.Shared.Return(_rows);
        _rows = [];
    }

    private void Number16(short value)
    {
        BinaryPrimitives.WriteInt16BigEndian(Room(2), value);
        _length += 2;
    }

    private void Append(ReadOnlySpan<byte> octets)
    {
        octets.CopyTo(Room(octets.Length));
        _length += octets.Length;
    }

    private Span<byte> Room(int length)
    {
        if (_rows.Length - _length < length)
        {
            var larger = ArrayPool<byte>.Shared.Rent(Math.Max(2 * _rows.Length, _length + length));
            _rows.AsSpan(0, _length).CopyTo(larger);
            ArrayPool<byte>.Shared.Return(_rows);
            _rows = larger;
        }
        return _rows.AsSpan(_length);
    }

    private async Task FlushAsync(NpgsqlRawCopyStream to)
    {
        await to.WriteAsync(_rows.AsMemory(0, _length));
        _length = 0;
    }
}
