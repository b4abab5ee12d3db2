using System.Runtime.CompilerServices;
using Keyreeve.Wire.Seal;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace Keyreeve.Storage;

/// <summary>
/// What SQLite's one writer does to key records, so that <see cref="RememberedKeys"/> forgets them. The engine itself tells of the rows it changes; a write
/// that changes some and has named no record makes all forgotten. So a write that names nothing costs time, and gives nobody an old key.
/// </summary>
/// <remarks>
/// Used by the writer alone, from the begin of a transaction to its end. The engine does not tell of rows that a DELETE without WHERE takes, that
/// REPLACE displaces, or that lie in a table WITHOUT ROWID: these tables know none of the three.
/// </remarks>
internal sealed class KeyChanges(RememberedKeys keys)
{
    /// <summary>The connection's version of the file: another number when another connection has written.</summary>
    private const string FileVersion = "PRAGMA data_version";

    private readonly HashSet<(string ServiceId, KmIdentity Identity)> _named = [];
    private SqliteConnection? _writer;
    private delegate_update? _hook;
    private long _fileVersion;
    private bool _isNamed;
    private bool _unnamed;

    /// <summary>A transaction has begun, so that nobody else writes until it ends.</summary>
    public void Began(SqliteConnection writer)
    {
        var row = SqliteStatement.On(writer, FileVersion);
        var version = row.Step() ? row.Number(0) : throw new InvalidDataException("the file has no version");
        row.Reset();
        if (ReferenceEquals(writer, _writer) && version == _fileVersion)
            return;
        // What happened between two connections, or by another program, nobody has told.
        if (!ReferenceEquals(writer, _writer))
            raw.sqlite3_update_hook(writer.Handle, _hook ??= OnRow, null);
        (_writer, _fileVersion) = (writer, version);
        keys.ForgetAll();
    }

    /// <summary>The next write of the transaction, which has named nothing.</summary>
    public void BeginWrite() => _isNamed = false;

    /// <summary>This write changes the record, and no others than it names.</summary>
    public void Name(string serviceId, KmIdentity identity)
    {
        _isNamed = true;
        _named.Add((serviceId, identity));
    }

    /// <summary>This write changes only what is never remembered: rows that the release before has sealed, or that a destroyed key wraps.</summary>
    public void NameNone() => _isNamed = true;

    /// <summary>The transaction has ended, well or not, and nobody was told yet.</summary>
    public void Ended()
    {
        if (_unnamed)
            keys.ForgetAll();
        else
            foreach (var (serviceId, identity) in _named)
                keys.Forget(serviceId, identity);
        _named.Clear();
        _unnamed = false;
    }

    private void OnRow(object user, int kind, utf8z database, utf8z table, long row)
    {
        if (_isNamed || _unnamed)
            return;
        // A new record or key has nothing that could be remembered.
        _unnamed = Is(table, "key_versions\0"u8) || kind != raw.SQLITE_INSERT && (Is(table, "key_records\0"u8) || Is(table, "service_keks\0"u8));
    }

    /// <summary>By its octets: this is called for every row of every write.</summary>
    private static bool Is(utf8z text, ReadOnlySpan<byte> name)
    {
        ref readonly var first = ref text.GetPinnableReference();
        for (var i = 0; i < name.Length; i++)
            if (Unsafe.Add(ref Unsafe.AsRef(in first), i) != name[i])
                return false;
        return true;
    }
}
