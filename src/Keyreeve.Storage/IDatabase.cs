using System.Data.Common;
using Keyreeve.Core.Refusals;

namespace Keyreeve.Storage;

/// <summary>
/// The border to the database engine: the stores write their SQL once and hand it to this. What an engine cannot do (disk full,
/// connection lost) comes out as an exception; it is never turned into an empty answer.
/// </summary>
public interface IDatabase : IAsyncDisposable
{
    /// <summary>The name of this node in the audit.</summary>
    string Node { get; }

    /// <summary>The clock of the rows that carry a time nobody handed in.</summary>
    TimeProvider Clock { get; }

    /// <summary>
    /// The end of a SELECT inside a write that takes rows nobody else is working on: <c>FOR UPDATE SKIP LOCKED</c>, or nothing where there is
    /// one writer only.
    /// </summary>
    string SkipLocked { get; }

    /// <summary>The statement that wakes the other nodes when the transaction is written, or null when there are none.</summary>
    string? Announcement { get; }

    /// <summary>
    /// Reads. The connection is the caller's alone until the work ends and cannot write. One statement sees one state; two
    /// statements may see two.
    /// </summary>
    /// <exception cref="StoreUnavailableException">The database is away.</exception>
    Task<T> ReadAsync<T>(Func<DbConnection, Task<T>> work, CancellationToken cancel);

    /// <summary>
    /// Writes: all of the work or, after an exception, nothing of it, and no other writer in between (serializable). When the task
    /// completes, the change is on disk. An engine may run the work more than once, so it has no effect beside the database.
    /// A cancellation before the work begins means that nothing was written; one after it is too late and the result is told.
    /// The work itself never calls <see cref="WriteAsync"/>: it would wait for itself.
    /// </summary>
    /// <exception cref="StoreBusyException">Too many writes are waiting; nothing was written.</exception>
    /// <exception cref="StoreUnavailableException">The database is away. Unless it says so, nobody knows whether the work was written.</exception>
    Task<T> WriteAsync<T>(Func<UnitOfWork, Task<T>> work, CancellationToken cancel);

    /// <summary>
    /// As <see cref="WriteAsync"/>, but other nodes' writes of this kind may run in between its statements. Those of
    /// <see cref="WriteAsync"/> still do not.
    /// <para>
    /// Only for work whose every statement compares and sets by itself: an UPDATE or DELETE whose WHERE says, in columns of the row it
    /// changes, what must still hold; an INSERT whose key decides; an upsert. The engine locks the row and looks again before it
    /// changes it (READ COMMITTED), so of two that want the same change one sees what the other did. It may read other tables only
    /// where their columns in question are changed by <see cref="WriteAsync"/> alone. Never: read, decide in the program, write.
    /// </para>
    /// </summary>
    Task<T> WriteSharedAsync<T>(Func<UnitOfWork, Task<T>> work, CancellationToken cancel);

    /// <summary>
    /// Whether this node is the one that does a background job now; asked before each round. The answer holds as long as the node's
    /// connection, and the node cannot know of its loss while a round runs: a round that two nodes do at once must do no harm.
    /// One node that is alone always leads.
    /// </summary>
    /// <exception cref="StoreUnavailableException">The database is away.</exception>
    ValueTask<bool> LeadsAsync(string job, CancellationToken cancel);

    /// <summary>Leaves a background job to the others: for a node that cannot do it now. Nothing when this one does not lead it.</summary>
    /// <exception cref="StoreUnavailableException">The database is away: then this node leads nothing.</exception>
    ValueTask ResignAsync(string job, CancellationToken cancel);

    /// <summary>
    /// Waits until no other node does what is named, and keeps the others waiting until the answer is disposed: for what is made once
    /// at the first start. Work of seconds.
    /// </summary>
    /// <exception cref="StoreUnavailableException">The database is away, or the other node does not come to an end.</exception>
    Task<IAsyncDisposable> AloneAsync(string what, CancellationToken cancel);

    /// <summary>Key records in memory, where this process has the only writer; null where other nodes write too.</summary>
    internal RememberedKeys? Remembered => null;

    /// <summary>Writes of this node that wait for their transaction.</summary>
    int WaitingWrites => 0;

    /// <summary>
    /// Ends when another node may have raised a topic, at the latest after <paramref name="atMost"/>. It never fails because the
    /// database is away: whoever waited reads next, and learns it there.
    /// </summary>
    Task WaitForChangeAsync(TimeSpan atMost, CancellationToken cancel);
}

/// <summary>More writes are waiting than the store accepts. Nothing was written; the peer may try again (HTTP 503).</summary>
public sealed class StoreBusyException(int waiting) : TryLaterException($"more than {waiting} writes are waiting for the database");

/// <summary>
/// The database is away, full or overloaded (HTTP 503). A write may or may not have been made when the connection was lost at its
/// commit: the caller is told that it failed and finds out by reading.
/// </summary>
public sealed class StoreUnavailableException(string message, Exception? cause = null) : TryLaterException(message, cause);

/// <summary>The database cannot be used by this node; the message says why and what to do.</summary>
public sealed class StoreRefusedException(string message) : Exception(message);
