using System.Data.Common;
using System.Globalization;
using System.Reflection;
using Dapper;

namespace Keyreeve.Storage;

/// <summary>A numbered step of the schema; forward only.</summary>
/// <param name="Number">From 1, without gaps.</param>
/// <param name="Name">The name in the file name.</param>
/// <param name="Sql">Its statements.</param>
public sealed record Migration(int Number, string Name, string Sql)
{
    /// <summary>The steps this program knows, from its resources <c>Migrations/NNNN_name.sql</c>.</summary>
    public static IReadOnlyList<Migration> Known { get; } = ReadKnown();

    private static Migration[] ReadKnown()
    {
        const string Prefix = "Keyreeve.Storage.Migrations.";
        var assembly = Assembly.GetExecutingAssembly();
        var found = new List<Migration>();
        foreach (var resource in assembly.GetManifestResourceNames().Where(name => name.StartsWith(Prefix, StringComparison.Ordinal)).Order(StringComparer.Ordinal))
        {
            var parts = resource[Prefix.Length..^".sql".Length].Split('_', 2);
            using var reader = new StreamReader(assembly.GetManifestResourceStream(resource)!);
            found.Add(new(int.Parse(parts[0], CultureInfo.InvariantCulture), parts[1], reader.ReadToEnd()));
        }
        return [.. found];
    }

    /// <summary>The statements: they end with a semicolon at the end of a line, so that one inside a text does not cut.</summary>
    public IEnumerable<string> Statements() =>
        Sql.ReplaceLineEndings("\n").Split(";\n").Select(text => text.Trim()).Where(text => text.Length > 0);
}

/// <summary>The database was not made by this program or one before it.</summary>
public sealed class SchemaRefusedException(string message) : Exception(message);

/// <summary>Brings a database to the schema this program knows, each step in its own transaction.</summary>
public static class MigrationRunner
{
    /// <summary>Applies what is missing; two nodes that start at once wait for each other. A dialect may say a statement in the engine's words.</summary>
    /// <exception cref="SchemaRefusedException">The database has steps this program does not know.</exception>
    public static async Task RunAsync(DbConnection connection, IReadOnlyList<Migration> known, TimeProvider clock, CancellationToken cancel, Func<string, string>? dialect = null)
    {
        await connection.ExecuteAsync(new CommandDefinition(
            "CREATE TABLE IF NOT EXISTS schema_migrations (number BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL, applied_at BIGINT NOT NULL)", cancellationToken: cancel));
        Refuse(await ReadAppliedAsync(connection, null), known);
        foreach (var step in known)
        {
            await using var transaction = await connection.BeginTransactionAsync(cancel);
            var applied = await ReadAppliedAsync(connection, transaction);
            if (applied.Any(row => row.Number == step.Number))
                continue;
            foreach (var statement in step.Statements())
                await connection.ExecuteAsync(new CommandDefinition(dialect is null ? statement : dialect(statement), transaction: transaction, cancellationToken: cancel));
            await connection.ExecuteAsync("INSERT INTO schema_migrations (number, name, applied_at) VALUES (@Number, @Name, @At)",
                new { Number = (long)step.Number, step.Name, At = clock.GetUtcNow().ToUnixTimeSeconds() }, transaction);
            await transaction.CommitAsync(cancel);
        }
    }

    private static async Task<List<Row>> ReadAppliedAsync(DbConnection connection, DbTransaction? transaction) =>
        (await connection.QueryAsync<Row>("SELECT number, name FROM schema_migrations ORDER BY number", transaction: transaction)).AsList();

    private static void Refuse(List<Row> applied, IReadOnlyList<Migration> known)
    {
        foreach (var row in applied)
        {
            var step = known.FirstOrDefault(step => step.Number == row.Number);
            if (step is null)
                throw new SchemaRefusedException(
                    $"the database has schema version {applied[^1].Number}, this program knows up to version {known[^1].Number}: start the newer program, or restore a backup from before its first start");
            if (!string.Equals(step.Name, row.Name, StringComparison.Ordinal))
                throw new SchemaRefusedException(
                    $"schema version {row.Number} of the database is \"{row.Name}\", this program's is \"{step.Name}\": the database belongs to another program");
        }
    }

    private sealed class Row
    {
        public long Number { get; init; }

        public string Name { get; init; } = "";
    }
}
