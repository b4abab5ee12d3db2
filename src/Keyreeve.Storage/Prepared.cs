using System.Data.Common;
using System.Runtime.CompilerServices;

namespace Keyreeve.Storage;

/// <summary>
/// Statements of the hot paths, parsed once per connection: parsing one costs the engine more than looking up the row. A connection
/// belongs to one piece of work at a time, so its statements need no lock; they end with it.
/// </summary>
internal static class Prepared
{
    private static readonly ConditionalWeakTable<DbConnection, Dictionary<string, DbCommand>> Kept = [];

    /// <summary>
    /// The connection's command for a text. Its parameters are <paramref name="names"/> in that order, with the values of the last use:
    /// the caller sets every one.
    /// </summary>
    /// <param name="connection">The connection, which is the caller's alone.</param>
    /// <param name="sql">A constant: each text is kept as long as the connection.</param>
    /// <param name="names">Named as in the text, <c>@</c> included.</param>
    public static DbCommand On(DbConnection connection, string sql, params ReadOnlySpan<string> names)
    {
        var known = Kept.GetOrCreateValue(connection);
        if (known.TryGetValue(sql, out var command))
            return command;
        command = connection.CreateCommand();
        command.CommandText = sql;
        foreach (var name in names)
        {
            var parameter = command.CreateParameter();
            parameter.ParameterName = name;
            command.Parameters.Add(parameter);
        }
        known.Add(sql, command);
        return command;
    }
}
