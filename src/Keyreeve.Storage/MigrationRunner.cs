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

    private const string NeedsBackfill = "-- needs backfill ";
    private const string Passing = "CREATE /* UNLOGGED */ TABLE ";

    /// <summary>
    /// Tables whose rows may be lost at any time, and which say so by being empty: an engine need not keep them over a crash, and nobody moves them.
    /// </summary>
    public static IReadOnlySet<string> PassingTables { get; } = Known.SelectMany(step => step.Statements()).Where(statement => statement.StartsWith(Passing, StringComparison.Ordinal))
        .Select(statement => statement[Passing.Length..statement.IndexOf('(', StringComparison.Ordinal)].Trim()).ToHashSet(StringComparer.Ordinal);

    /// <summary>Backfills that are finished before this step: its first lines say <c>-- needs backfill N</c>.</summary>
    public IEnumerable<int> Needs => Sql.ReplaceLineEndings("\n").Split('\n').TakeWhile(line => line.StartsWith("--", StringComparison.Ordinal))
        .Where(line => line.StartsWith(NeedsBackfill, StringComparison.Ordinal)).Select(line => int.Parse(line[NeedsBackfill.Length..], CultureInfo.InvariantCulture));

    /// <summary>The statements: they end with a semicolon at the end of a line, so that one inside a text does not cut.</summary>
    public IEnumerable<string> Statements() =>
        Sql.ReplaceLineEndings("\n").Split(";\n").Select(WithoutRemarks).Where(text => text.Length > 0);

    /// <summary>A dialect looks at how a statement begins.</summary>
    private static string WithoutRemarks(string text) =>
        string.Join('\n', text.Split('\n').SkipWhile(line => line.StartsWith("--", StringComparison.Ordinal) || string.IsNullOrWhiteSpace(line))).Trim();
}

/// <summary>The database was not made by this program or one before it.</summary>
public sealed class SchemaRefusedException(string message) : Exception(message);

/// <summary>Brings a database to the schema this program knows, each step in its own transaction.</summary>
public static class MigrationRunner
{
    /// <summary>
    /// Applies what is missing; two nodes that start at once wait for each other. Backfills are registered here and run elsewhere (<see cref="BackfillRunner"/>).
    /// A dialect may say a statement in the engine's words.
    /// </summary>
    /// <exception cref="SchemaRefusedException">The database has steps this program does not know, or is half filled.</exception>
    public static async Task RunAsync(
        DbConnection connection, IReadOnlyList<Migration> known, TimeProvider clock, CancellationToken cancel, Func<string, string>? dialect = null, IReadOnlyList<Backfill>? backfills = null)
    {
        await connection.ExecuteAsync(new CommandDefinition(Say(dialect, StoreMarks.Create), cancellationToken: cancel));
        if (await StoreMarks.FillingAsync(connection) is { } by)
            throw new SchemaRefusedException($"the database is half filled: {by} has not ended. Run it again (it begins anew), or empty the database");
        await ApplyAsync(connection, known, backfills ?? Backfill.Known, clock, dialect, cancel);
    }

    /// <summary>The same for a store that is being filled: its filler makes the schema.</summary>
    internal static async Task ApplyAsync(
        DbConnection connection, IReadOnlyList<Migration> known, IReadOnlyList<Backfill> backfills, TimeProvider clock, Func<string, string>? dialect, CancellationToken cancel)
    {
        await connection.ExecuteAsync(new CommandDefinition(
            Say(dialect, "CREATE TABLE IF NOT EXISTS schema_migrations (number BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL, applied_at BIGINT NOT NULL)"), cancellationToken: cancel));
        await connection.ExecuteAsync(new CommandDefinition(Say(dialect, BackfillTable.Create), cancellationToken: cancel));
        Refuse(await ReadAppliedAsync(connection, null), known);
        var before = (await ReadAppliedAsync(connection, null)).Count;
        foreach (var step in known.Skip(before))
        {
            foreach (var needed in step.Needs)
                await FinishAsync(connection, backfills.Single(b => b.Number == needed), clock, cancel);
            await using var transaction = await connection.BeginTransactionAsync(cancel);
            var applied = await ReadAppliedAsync(connection, transaction);
            if (applied.Any(row => row.Number == step.Number))
                continue;
            foreach (var statement in step.Statements())
                await connection.ExecuteAsync(new CommandDefinition(Say(dialect, statement), transaction: transaction, cancellationToken: cancel));
            await connection.ExecuteAsync("INSERT INTO schema_migrations (number, name, applied_at) VALUES (@Number, @Name, @At)",
                new { Number = (long)step.Number, step.Name, At = clock.GetUtcNow().ToUnixTimeSeconds() }, transaction);
            await transaction.CommitAsync(cancel);
        }
        await RegisterAsync(connection, backfills, cancel);
    }

    /// <summary>The steps a database has, by number; none when it is not one of ours.</summary>
    public static async Task<IReadOnlyList<(int Number, string Name)>> AppliedAsync(DbConnection connection, DbTransaction? transaction) =>
        [.. (await ReadAppliedAsync(connection, transaction)).Select(row => ((int)row.Number, row.Name))];

    /// <summary>Throws when the steps are not this program's first ones.</summary>
    /// <exception cref="SchemaRefusedException">They are another program's, or a newer one's.</exception>
    public static void Refuse(IReadOnlyList<(int Number, string Name)> applied) =>
        Refuse([.. applied.Select(a => new Row { Number = a.Number, Name = a.Name })], Migration.Known);

    /// <summary>Somebody skipped the release in whose background this would have run: then the step that relies on it waits for it here.</summary>
    private static async Task FinishAsync(DbConnection connection, Backfill backfill, TimeProvider clock, CancellationToken cancel)
    {
        await RegisterAsync(connection, [backfill], cancel);
        while (!(await BackfillTable.ReadAsync(connection, null)).Any(b => b.Number == backfill.Number && b.IsFinished))
        {
            bool ours;
            await using (var transaction = await connection.BeginTransactionAsync(cancel))
            {
                ours = await BackfillTable.RunBatchAsync(connection, transaction, backfill, "migration", BackfillRunner.BatchRows, clock.GetUtcNow(), cancel);
                await transaction.CommitAsync(cancel);
            }
            if (!ours)
                await Task.Delay(TimeSpan.FromSeconds(1), clock, cancel);
        }
    }

    private static string Say(Func<string, string>? dialect, string statement) => dialect is null ? statement : dialect(statement);

    private static async Task RegisterAsync(DbConnection connection, IReadOnlyList<Backfill> backfills, CancellationToken cancel)
    {
        await using var transaction = await connection.BeginTransactionAsync(cancel);
        await BackfillTable.RegisterAsync(connection, transaction, backfills);
        await transaction.CommitAsync(cancel);
    }

    private static async Task<List<Row>> ReadAppliedAsync(DbConnection connection, DbTransaction? transaction) =>
        (await connection.QueryAsync<Row>("SELECT number, name FROM schema_migrations ORDER BY number", transaction: transaction)).AsList();

    private static void Refuse(List<Row> applied, IReadOnlyList<Migration> known)
    {
        foreach (var (row, place) in applied.Select((row, place) => (row, place)))
        {
            var step = known.FirstOrDefault(step => step.Number == row.Number);
            if (step is null)
                throw new SchemaRefusedException(
                    $"the database has schema version {applied[^1].Number}, this program knows up to version {known[^1].Number}: start the newer program, or restore a backup from before its first start");
            if (!string.Equals(step.Name, row.Name, StringComparison.Ordinal))
                throw new SchemaRefusedException(
                    $"schema version {row.Number} of the database is \"{row.Name}\", this program's is \"{step.Name}\": the database belongs to another program");
            // A step that was left out would have to be made on a schema it was not written for.
            if (known[place].Number != row.Number)
                throw new SchemaRefusedException($"the database has schema version {row.Number} but not {known[place].Number}: a program that is not a release has used it; restore a backup from before");
        }
    }

    private sealed class Row
    {
        public long Number { get; init; }

        public string Name { get; init; } = "";
    }
}
