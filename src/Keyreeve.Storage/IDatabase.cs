using System.Data.Common;

namespace Keyreeve.Storage;

/// <summary>
/// The border to the database engine: the stores write their SQL once and hand it to this. What an engine cannot do (disk full,
/// connection lost) comes out as its exception; it is never turned into an empty answer.
/// </summary>
public interface IDatabase : IAsyncDisposable
{
    /// <summary>The name of this node in the audit.</summary>
    string Node { get; }

    /// <summary>The clock of the rows that carry a time nobody handed in.</summary>
    TimeProvider Clock { get; }

    /// <summary>
    /// Reads. The connection is the caller's alone until the work ends and cannot write. One statement sees one state; two
    /// statements may see two.
    /// </summary>
    Task<T> ReadAsync<T>(Func<DbConnection, Task<T>> work, CancellationToken cancel);

    /// <summary>
    /// Writes: all of the work or, after an exception, nothing of it, and no other writer in between (serializable). When the task
    /// completes, the change is on disk. An engine may run the work more than once, so it has no effect beside the database.
    /// A cancellation before the work begins means that nothing was written; one after it is too late and the result is told.
    /// The work itself never calls <see cref="WriteAsync"/>: it would wait for itself.
    /// </summary>
    /// <exception cref="StoreBusyException">Too many writes are waiting; nothing was written.</exception>
    Task<T> WriteAsync<T>(Func<UnitOfWork, Task<T>> work, CancellationToken cancel);

    /// <summary>Whether this node is the one that does a background job now; asked before each round.</summary>
    ValueTask<bool> LeadsAsync(string job, CancellationToken cancel);

    /// <summary>
    /// Ends when another node may have raised a topic, at the latest after <paramref name="atMost"/>. It never fails because the
    /// database is away: whoever waited reads next, and learns it there.
    /// </summary>
    Task WaitForChangeAsync(TimeSpan atMost, CancellationToken cancel);
}

/// <summary>More writes are waiting than the store accepts. Nothing was written; the peer may try again (HTTP 503).</summary>
public sealed class StoreBusyException(int waiting) : Exception($"more than {waiting} writes are waiting for the database");
