using System.Data.Common;

namespace Keyreeve.Storage;

/// <summary>What <see cref="BatchWriter"/> must know of an engine.</summary>
internal interface IWriteEngine
{
    /// <summary>Writes in one transaction at most.</summary>
    int MaxBatch { get; }

    /// <summary>A connection for the writer alone.</summary>
    Task<DbConnection> OpenAsync();

    /// <summary>Begins the transaction, and waits until those who must not come in between are out of it.</summary>
    /// <param name="connection">The writer's.</param>
    /// <param name="alone">No other writer in between; else those that compare and set may.</param>
    Task<DbTransaction> BeginAsync(DbConnection connection, bool alone);

    /// <summary>A transaction was committed.</summary>
    void Committed(DbConnection connection);

    /// <summary>The next write of the transaction begins.</summary>
    void BeginWrite()
    {
    }

    /// <summary>A transaction has ended, however it did; who waits for it was not told yet.</summary>
    void Ended()
    {
    }

    /// <summary>True when the engine took the transaction back for the sake of another one, so that doing it again may work.</summary>
    bool IsCollision(Exception failure);

    /// <summary>True when the connection is not to be used again.</summary>
    bool IsLost(Exception failure);

    /// <summary>What the callers are told.</summary>
    Exception Tell(Exception failure);

    /// <summary>The last words before the connection is closed for good.</summary>
    Task EndAsync(DbConnection connection);
}
