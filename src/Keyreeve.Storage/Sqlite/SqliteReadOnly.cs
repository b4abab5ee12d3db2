using System.Data.Common;
using Microsoft.Data.Sqlite;

namespace Keyreeve.Storage;

/// <summary>
/// A database file to look at and nothing else: no schema step, no write. It may be in use by a server. After a clean stop there is no log beside
/// the file; it is then read as a file that nobody changes, so that not even <c>-wal</c> and <c>-shm</c> are made, and <see cref="HasChanged"/> says
/// afterwards whether a server has started meanwhile.
/// </summary>
public sealed class SqliteReadOnly : IDatabase
{
    private readonly string _path;
    private readonly SqliteReaders _readers;
    private readonly bool _still;
    private readonly (long, DateTime) _before;

    /// <summary>Opens nothing yet.</summary>
    /// <param name="path">The file, which exists.</param>
    /// <param name="clock">The interface asks for one; nothing is written with it.</param>
    public SqliteReadOnly(string path, TimeProvider clock)
    {
        NativeSqlite.Bind();
        (_path, Clock) = (Path.GetFullPath(path), clock);
        _still = !File.Exists(_path + "-wal");
        _before = Stamp();
        _readers = new(OpenConnectionAsync, clock);
    }

    /// <inheritdoc />
    public string Node => "reader";

    /// <inheritdoc />
    public TimeProvider Clock { get; }

    /// <inheritdoc />
    public string SkipLocked => "";

    /// <inheritdoc />
    public string? Announcement => null;

    /// <summary>True when what was read may be no whole state: read again.</summary>
    public bool HasChanged => _still && (File.Exists(_path + "-wal") || Stamp() != _before);

    /// <inheritdoc />
    public Task<T> ReadAsync<T>(Func<DbConnection, Task<T>> work, CancellationToken cancel) => _readers.ReadAsync(work, cancel);

    /// <inheritdoc />
    /// <exception cref="NotSupportedException">Always.</exception>
    public Task<T> WriteAsync<T>(Func<UnitOfWork, Task<T>> work, CancellationToken cancel) => throw OnlyReads();

    /// <inheritdoc />
    /// <exception cref="NotSupportedException">Always.</exception>
    public Task<T> WriteSharedAsync<T>(Func<UnitOfWork, Task<T>> work, CancellationToken cancel) => throw OnlyReads();

    /// <inheritdoc />
    public ValueTask<bool> LeadsAsync(string job, CancellationToken cancel) => ValueTask.FromResult(false);

    /// <inheritdoc />
    public ValueTask ResignAsync(string job, CancellationToken cancel) => ValueTask.CompletedTask;

    /// <inheritdoc />
    /// <exception cref="NotSupportedException">Always.</exception>
    public Task<IAsyncDisposable> AloneAsync(string what, CancellationToken cancel) => throw OnlyReads();

    /// <inheritdoc />
    public Task WaitForChangeAsync(TimeSpan atMost, CancellationToken cancel) => Task.Delay(atMost, Clock, cancel);

    internal static NotSupportedException OnlyReads() => new("this database was opened for reading");

    /// <inheritdoc />
    public ValueTask DisposeAsync() => _readers.DisposeAsync();

    private (long, DateTime) Stamp() => new FileInfo(_path) is { Exists: true } file ? (file.Length, file.LastWriteTimeUtc) : default;

    private async Task<SqliteConnection> OpenConnectionAsync()
    {
        // SQLite's URI: everything that could end the path is escaped.
        var uri = "file:" + string.Join('/', _path.Split('/').Select(Uri.EscapeDataString)) + (_still ? "?immutable=1" : "");
        var connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = uri, Mode = SqliteOpenMode.ReadOnly, Pooling = false }.ConnectionString);
        try
        {
            await connection.OpenAsync();
            await using var pragmas = connection.CreateCommand();
            pragmas.CommandText = "PRAGMA busy_timeout = 5000; PRAGMA query_only = ON;";
            await pragmas.ExecuteNonQueryAsync();
            return connection;
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }
}
