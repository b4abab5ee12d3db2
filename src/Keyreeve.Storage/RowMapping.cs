using Dapper;

namespace Keyreeve.Storage;

/// <summary>How rows become objects.</summary>
internal static class RowMapping
{
    /// <summary>Columns are snake_case, rows in C# are not. Nothing else in the process uses Dapper.</summary>
    public static void Set() => DefaultTypeMap.MatchNamesWithUnderscores = true;
}
