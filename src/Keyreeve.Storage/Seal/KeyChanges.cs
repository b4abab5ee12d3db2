using Keyreeve.Wire.Seal;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace Keyreeve.Storage;

/// <summary>
/// What SQLite's one writer does to key records, so that <see cref="RememberedKeys"/> forgets them. The engine itself tells of every row; a write that
/// changes some without having named the records makes all forgotten. So a write that forgets to name costs time, and gives nobody an old key.
/// </summary>
/// <remarks>Used by the writer alone, from the begin of a transaction to its end.</remarks>
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
        var version = row.Step() ? row.Number(0) : -1;
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

    /// <summary>This write changes the record and, if any, others that it names too.</summary>
    public void Name(string serviceId, KmIdentity identity)
    {
        _isNamed = true;
        _named.Add((serviceId, identity));
    }

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
        _unnamed = table.utf8_to_string() switch
        {
            "key_versions" => true,
            // A new one has nothing that could be remembered.
            "key_records" or "service_keks" => kind != raw.SQLITE_INSERT,
            _ => false,
        };
    }
}
