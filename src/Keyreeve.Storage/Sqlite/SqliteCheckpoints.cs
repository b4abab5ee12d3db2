using Microsoft.Data.Sqlite;

namespace Keyreeve.Storage;

/// <summary>
/// Moves the write-ahead log into the file, on a connection and a thread of its own. SQLite would do it in the commit that makes the log
/// too long, and everybody's writes would wait for thousands of scattered pages to reach the disk. The writer only counts its pages and
/// says when there are enough; it moves the log itself when this one has fallen far behind.
/// </summary>
internal sealed class SqliteCheckpoints : IAsyncDisposable
{
    /// <summary>
    /// Pages written to the log before it is moved: 2 MB. Our choice: while pages go to the disk, commits wait behind them, so a pass is short
    /// rather than rare; sixteen megabytes at once were 30 ms for everybody, measured.
    /// </summary>
    private const int Pages = 512;

    /// <summary>
    /// Pages of the log at which the writer's commit moves it: 64 MB. So long a log means that the disk does not keep up, or a reader
    /// stands in the way; then writers wait, as they must somewhere.
    /// </summary>
    public const int MostPages = 16 * 1024;

    /// <summary>
    /// The log is begun anew only when all of it was moved, and the writer adds to it meanwhile. Each pass has little left to do; one that
    /// still does not come to the end is followed by the next time.
    /// </summary>
    private const int Passes = 4;

    private readonly Func<SqliteConnection> _open;
    private readonly object _gate = new();
    private readonly Task _loop;
    private long _written;
    private bool _wanted;
    private volatile bool _closed;

    public SqliteCheckpoints(Func<SqliteConnection> open)
    {
        _open = open;
        // Not a thread of the pool: it stands still for as long as the disk takes.
        _loop = Task.Factory.StartNew(Run, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    /// <summary>The writer has committed so many pages. Only the writer says it.</summary>
    public void Wrote(int pages)
    {
        _written += pages;
        if (_written < Pages)
            return;
        _written = 0;
        Wake(closed: false);
    }

    /// <summary>Ends after the pass that runs.</summary>
    public async ValueTask DisposeAsync()
    {
        Wake(closed: true);
        await _loop;
    }

    private void Wake(bool closed)
    {
        lock (_gate)
        {
            _wanted = true;
            _closed |= closed;
            Monitor.Pulse(_gate);
        }
    }

    /// <summary>False when it is over.</summary>
    private bool Wait()
    {
        lock (_gate)
        {
            while (!_wanted)
                Monitor.Wait(_gate);
            _wanted = false;
            return !_closed;
        }
    }

    private void Run()
    {
        while (Wait())
        {
            try
            {
                using var connection = _open();
                for (var pass = 0; pass < Passes && !_closed && !MoveAll(connection); pass++)
                {
                    // The writer's next pages.
                }
            }
            catch (SqliteException)
            {
                // A full or broken disk: the writer meets it at its own commits, and tells.
            }
        }
    }

    /// <summary>PASSIVE waits for nobody and holds nobody up. True when nothing is left in the log.</summary>
    private static bool MoveAll(SqliteConnection connection)
    {
        using var command = connection.CreateCommand();
        command.CommandText = "PRAGMA wal_checkpoint(PASSIVE)";
        using var row = command.ExecuteReader();
        // busy, pages in the log, pages moved
        return row.Read() && row.GetInt64(1) == row.GetInt64(2);
    }
}
