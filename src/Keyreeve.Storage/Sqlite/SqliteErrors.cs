using Microsoft.Data.Sqlite;

namespace Keyreeve.Storage;

/// <summary>Which of SQLite's errors mean that the world is broken for a while, and not that a statement is wrong.</summary>
internal static class SqliteErrors
{
    /// <summary>What the callers are told (result codes of sqlite.org/rescode.html).</summary>
    public static Exception Tell(Exception failure) => failure is SqliteException { SqliteErrorCode: var code } && Why(code) is { } why
        ? new StoreUnavailableException("the database " + why, failure)
        : failure;

    /// <summary>SQLITE_READONLY: of a reader it means that somebody writes where only reading is allowed, which no waiting mends.</summary>
    public const int ReadOnly = 8;

    private static string? Why(int code) => code switch
    {
        3 => "may not be used by this user (SQLITE_PERM)",
        5 or 6 => "is locked by another program",
        7 => "has no memory left (SQLITE_NOMEM)",
        ReadOnly => "cannot be written (SQLITE_READONLY)",
        10 => "cannot be read or written: look at the disk (SQLITE_IOERR)",
        13 => "has no room: the disk is full",
        14 => "cannot be opened: look at the folder and its rights (SQLITE_CANTOPEN)",
        _ => null,
    };
}
