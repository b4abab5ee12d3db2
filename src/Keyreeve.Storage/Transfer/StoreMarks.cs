using System.Data.Common;
using Dapper;

namespace Keyreeve.Storage;

/// <summary>
/// The table <c>schema_marks</c>: what must be known of a store before anything else of it is believed. A store that is being filled
/// carries a mark, and no server starts on it until the filling has ended.
/// </summary>
public static class StoreMarks
{
    /// <summary>Its table.</summary>
    public const string Table = "schema_marks";

    internal const string Create = $"CREATE TABLE IF NOT EXISTS {Table} (name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL)";

    private const string Filling = "filling";

    /// <summary>Says that the store is being filled, and by what. The mark and its table come together: there is no moment without it.</summary>
    public static async Task BeginFillingAsync(DbConnection connection, string by, CancellationToken cancel)
    {
        await using var transaction = await connection.BeginTransactionAsync(cancel);
        await connection.ExecuteAsync(new CommandDefinition(Create, transaction: transaction, cancellationToken: cancel));
        await connection.ExecuteAsync($"INSERT INTO {Table} (name, value) VALUES (@Name, @Value)", new { Name = Filling, Value = by }, transaction);
        await transaction.CommitAsync(cancel);
    }

    /// <summary>Whole: from now on a server may use it.</summary>
    public static Task EndFillingAsync(DbConnection connection, DbTransaction? transaction) =>
        connection.ExecuteAsync($"DELETE FROM {Table} WHERE name = @Name", new { Name = Filling }, transaction);

    /// <summary>What began to fill it and has not ended, or null. The table is there.</summary>
    public static Task<string?> FillingAsync(DbConnection connection, DbTransaction? transaction = null) =>
        connection.QuerySingleOrDefaultAsync<string>($"SELECT value FROM {Table} WHERE name = @Name", new { Name = Filling }, transaction);
}
