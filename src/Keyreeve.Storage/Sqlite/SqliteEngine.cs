using System.Data.Common;
using Microsoft.Data.Sqlite;

namespace Keyreeve.Storage;

/// <summary>
/// SQLite in one file: write-ahead log, every acknowledged write fsynced, one writer with group commit, several readers. For one
/// node; several nodes need PostgreSQL.
/// </summary>
public sealed class SqliteEngine : IDatabase
{
    /// <summary>Octets of the write-ahead log that stay when it is begun anew. Our choice: a reader that stood long makes it grow; it need not stay so.</summary>
    private const int MaxIdleLog = 64 * 1024 * 1024;

    /// <summary>Seconds to wait for another process that holds the file locked; then the callers are told to come again. Our choice.</summary>
    private const int Patience = 3;

    /// <summary>KiB of pages the writer keeps. Our choice: keys are random, and a batch that touches more pages than fit writes them twice.</summary>
    private const int WriterCache = 16 * 1024;

    private readonly RememberedKeys _remembered = new();
    private readonly SqliteReaders _readers;
    private readonly SqliteCheckpoints _checkpoints;
    private readonly BatchWriter _writer;
    private int _disposed;

    private SqliteEngine(string path, SqliteConnection writer, TimeProvider clock, string node)
    {
        (Clock, Node) = (clock, node);
        _readers = new(() => Task.FromResult(OpenConnection(path, readOnly: true)), clock);
        _checkpoints = new(() => OpenConnection(path, readOnly: false));
        _writer = new(this, new SqliteWriting(() => OpenConnection(path, readOnly: false), _checkpoints, _remembered.Changes), writer);
    }

    /// <inheritdoc />
    public string Node { get; }

    /// <inheritdoc />
    public TimeProvider Clock { get; }

    /// <inheritdoc />
    public string SkipLocked => "";

    /// <inheritdoc />
    public string? Announcement => null;

    /// <inheritdoc />
    RememberedKeys? IDatabase.Remembered => _remembered;

    /// <inheritdoc />
    public int WaitingWrites => _writer.Waiting;

    /// <summary>Opens the file, makes it if it is not there (readable by its owner only), and brings its schema up to date.</summary>
    /// <param name="path">The file; its folder exists. <c>-wal</c> and <c>-shm</c> lie beside it.</param>
    /// <param name="clock">For rows whose time nobody hands in.</param>
    /// <param name="node">This node's name in the audit.</param>
    /// <param name="cancel">Stops the opening; a schema step that began is taken back.</param>
    /// <exception cref="SchemaRefusedException">The file was written by a newer program.</exception>
    public static async Task<SqliteEngine> OpenAsync(string path, TimeProvider clock, string node, CancellationToken cancel)
    {
        NativeSqlite.Bind();
        path = Path.GetFullPath(path);
        CreatePrivate(path);
        var connection = OpenConnection(path, readOnly: false);
        try
        {
            await MigrationRunner.RunAsync(connection, Migration.Known, clock, cancel);
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
        return new(path, connection, clock, node);
    }

    /// <inheritdoc />
    public Task<T> ReadAsync<T>(Func<DbConnection, Task<T>> work, CancellationToken cancel) => _readers.ReadAsync(work, cancel);

    /// <inheritdoc />
    public Task<T> WriteAsync<T>(Func<UnitOfWork, Task<T>> work, CancellationToken cancel) => _writer.EnqueueAsync(work, alone: true, cancel);

    /// <inheritdoc />
    public Task<T> WriteSharedAsync<T>(Func<UnitOfWork, Task<T>> work, CancellationToken cancel) => _writer.EnqueueAsync(work, alone: false, cancel);

    /// <summary>There is no other node.</summary>
    public ValueTask<bool> LeadsAsync(string job, CancellationToken cancel) => new(true);

    /// <summary>There is no other node.</summary>
    public ValueTask ResignAsync(string job, CancellationToken cancel) => ValueTask.CompletedTask;

    /// <summary>There is no other node.</summary>
    public Task<IAsyncDisposable> AloneAsync(string what, CancellationToken cancel) => Task.FromResult<IAsyncDisposable>(new Nobody());

    /// <inheritdoc />
    /// <remarks>No other node writes here; the command line may, and nothing tells of it but the counters.</remarks>
    public Task WaitForChangeAsync(TimeSpan atMost, CancellationToken cancel) => Task.Delay(atMost, Clock, cancel);

    /// <summary>Writes what was accepted, checkpoints and closes.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
            return;
        // Readers first: a checkpoint cannot truncate the log under one of them.
        await _readers.DisposeAsync();
        await _checkpoints.DisposeAsync();
        await _writer.DisposeAsync();
    }

    /// <summary>SQLite would make the file by the umask; it gives <c>-wal</c> and <c>-shm</c> the mode of the file.</summary>
    internal static void CreatePrivate(string path)
    {
        if (File.Exists(path))
            return;
        var options = new FileStreamOptions { Mode = FileMode.OpenOrCreate, Access = FileAccess.ReadWrite, Share = FileShare.ReadWrite };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        new FileStream(path, options).Dispose();
    }

    private static SqliteConnection OpenConnection(string path, bool readOnly)
    {
        var text = new SqliteConnectionStringBuilder { DataSource = path, Mode = SqliteOpenMode.ReadWrite, Pooling = false, ForeignKeys = true, DefaultTimeout = Patience };
        var connection = new SqliteConnection(text.ConnectionString);
        try
        {
            connection.Open();
            using var pragmas = connection.CreateCommand();
            pragmas.CommandText = "PRAGMA busy_timeout = 2500; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                + (readOnly ? " PRAGMA query_only = ON;" : $" PRAGMA journal_size_limit = {MaxIdleLog}; PRAGMA wal_autocheckpoint = {SqliteCheckpoints.MostPages}; PRAGMA cache_size = -{WriterCache}; PRAGMA secure_delete = FAST;");
            pragmas.ExecuteNonQuery();
            return connection;
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    private sealed class Nobody : IAsyncDisposable
    {
        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
