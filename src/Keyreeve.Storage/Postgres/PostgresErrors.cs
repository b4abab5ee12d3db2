using System.Net.Sockets;
using Npgsql;

namespace Keyreeve.Storage;

/// <summary>Which of PostgreSQL's answers mean what.</summary>
internal static class PostgresErrors
{
    private const string IdleInTransaction = "25P03";

    /// <summary>Taken back by the server for the sake of another transaction: certainly not written.</summary>
    public static bool IsCollision(Exception failure) =>
        failure is PostgresException { SqlState: PostgresErrorCodes.SerializationFailure or PostgresErrorCodes.DeadlockDetected };

    /// <summary>The connection, or the server behind it, is not to be used again.</summary>
    public static bool IsLost(Exception failure) => failure is NpgsqlException and not PostgresException or SocketException or IOException or TimeoutException
        || failure is PostgresException answer && (answer.SqlState is PostgresErrorCodes.ReadOnlySqlTransaction or IdleInTransaction || answer.SqlState[..2] is "08" or "57" or "58");

    /// <summary>An outage that nobody called one yet. In a reader the refusal to write is the caller's mistake.</summary>
    public static bool IsReadOutage(Exception failure) =>
        failure is not (StoreUnavailableException or PostgresException { SqlState: PostgresErrorCodes.ReadOnlySqlTransaction }) && Tell(failure) is StoreUnavailableException;

    /// <summary>
    /// What the world outside the database's text is told: an outage as one, everything else (a constraint, a bug) as it is. The text
    /// says what an operator looks at; the cause is for the log.
    /// </summary>
    public static Exception Tell(Exception failure) => failure switch
    {
        StoreUnavailableException => failure,
        PostgresException answer when Outage(answer.SqlState) is { } what => new StoreUnavailableException($"{what} (SQLSTATE {answer.SqlState})", failure),
        PostgresException => failure,
        NpgsqlException or SocketException or IOException or TimeoutException => new StoreUnavailableException("the database does not answer", failure),
        _ => failure,
    };

    private static string? Outage(string state) => state switch
    {
        PostgresErrorCodes.SerializationFailure or PostgresErrorCodes.DeadlockDetected => "other nodes' writes kept coming in between",
        PostgresErrorCodes.LockNotAvailable => "other nodes' writes do not come to an end",
        PostgresErrorCodes.QueryCanceled => "the database takes too long",
        PostgresErrorCodes.DiskFull => "the database's disk is full",
        PostgresErrorCodes.TooManyConnections => "the database takes no more connections",
        PostgresErrorCodes.ReadOnlySqlTransaction => "the database is a standby and cannot be written",
        PostgresErrorCodes.InvalidCatalogName => "the database is not there",
        IdleInTransaction => "the node was stopped in the middle of a write",
        PostgresErrorCodes.InsufficientPrivilege => null,
        _ => state[..2] switch
        {
            "08" => "the connection to the database is lost",
            "28" => "the database does not accept this user or password",
            "53" => "the database is out of resources",
            "57" => "the database is shutting down or starting",
            "58" => "the database's machine has an error",
            _ => null,
        },
    };
}
