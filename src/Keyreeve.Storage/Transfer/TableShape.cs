namespace Keyreeve.Storage;

/// <summary>What a column holds: the three types every engine has.</summary>
public enum ColumnKind
{
    /// <summary>BIGINT</summary>
    Number = 1,

    /// <summary>TEXT</summary>
    Text = 2,

    /// <summary>BYTEA</summary>
    Octets = 3,
}

/// <summary>A column as the engine's catalogue tells it.</summary>
public sealed record ColumnShape(string Name, ColumnKind Kind, bool Nullable);

/// <summary>A table as the engine's catalogue tells it, so that a table added tomorrow is moved without a word here.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Columns">In their order.</param>
/// <param name="References">Tables its rows refer to.</param>
public sealed record TableShape(string Name, IReadOnlyList<ColumnShape> Columns, IReadOnlyList<string> References)
{
    /// <summary>The runner's own: which steps were applied is told by making them, and marks belong to one database.</summary>
    private static readonly string[] NotMoved = ["schema_migrations", "schema_marks"];

    /// <summary>The columns for a statement. Names come from the catalogue, never from a file.</summary>
    public string ColumnList => string.Join(", ", Columns.Select(c => c.Name));

    /// <summary>Those whose rows are moved, each after the tables it refers to. What may be lost at any time is not.</summary>
    /// <exception cref="InvalidDataException">Two tables refer to each other.</exception>
    public static IReadOnlyList<TableShape> InOrder(IEnumerable<TableShape> tables)
    {
        var waiting = tables.Where(t => !NotMoved.Contains(t.Name, StringComparer.Ordinal) && !Migration.PassingTables.Contains(t.Name)).OrderBy(t => t.Name, StringComparer.Ordinal).ToList();
        var ordered = new List<TableShape>(waiting.Count);
        while (waiting.Count > 0)
        {
            var ready = waiting.FindAll(t => t.References.All(r => r == t.Name || ordered.Exists(o => o.Name == r)));
            if (ready.Count == 0)
                throw new InvalidDataException($"the tables {string.Join(", ", waiting.Select(t => t.Name))} refer to each other: there is no order to fill them in");
            ordered.AddRange(ready);
            waiting.RemoveAll(ready.Contains);
        }
        return ordered;
    }

    /// <summary>The kind of a declared type.</summary>
    /// <exception cref="InvalidDataException">A type the engines do not share.</exception>
    internal static ColumnKind KindOf(string table, string column, string type) => type.ToUpperInvariant() switch
    {
        "BIGINT" => ColumnKind.Number,
        "TEXT" => ColumnKind.Text,
        "BYTEA" => ColumnKind.Octets,
        _ => throw new InvalidDataException($"column {column} of table {table} has the type {type}, which cannot be moved"),
    };
}
