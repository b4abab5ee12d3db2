using System.Data.Common;

namespace Keyreeve.Storage;

/// <summary>The columns of one row, whichever way it was read.</summary>
internal interface IColumns
{
    /// <summary>True for NULL.</summary>
    bool IsNull(int column);

    /// <summary>BIGINT.</summary>
    long Number(int column);

    /// <summary>BYTEA, copied.</summary>
    byte[] Octets(int column);
}

/// <summary>The row on which a reader stands.</summary>
internal readonly struct ReaderColumns(DbDataReader row) : IColumns
{
    /// <inheritdoc />
    public bool IsNull(int column) => row.IsDBNull(column);

    /// <inheritdoc />
    public long Number(int column) => row.GetInt64(column);

    /// <inheritdoc />
    public byte[] Octets(int column) => row.GetFieldValue<byte[]>(column);
}
