using Keyreeve.Core.Audit;
using Keyreeve.Core.Keys;
using Keyreeve.Storage;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Server.Tests.Cli;

/// <summary>What the tests of backup, restore and copy do to data folders.</summary>
internal static class StoreFolder
{
    private static CancellationToken None => TestContext.Current.CancellationToken;

    /// <summary>What makes the program use an engine, "SQLite" or an empty database of "PostgreSQL", as the node that it is by default on SQLite.</summary>
    public static async Task<IReadOnlyDictionary<string, string>> EnvironmentOfAsync(string engine) => engine == "SQLite" ? new Dictionary<string, string>() : new()
    {
        ["KEYREEVE__Storage__Connection"] = await (await TestPostgres.SharedAsync()).NewDatabaseAsync(),
        ["KEYREEVE__Node"] = "node-1",
    };

    /// <summary>An empty folder with another one's KEK, as an operator prepares it.</summary>
    public static void TakeKekOf(this TempFolder folder, TempFolder other)
    {
        Directory.CreateDirectory(folder.Data, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        File.Copy(other.File("kek"), folder.File("kek"));
    }

    /// <summary>Audit lines by the thousand, as a year of service leaves them.</summary>
    public static async Task GrowAsync(this TempFolder folder, int lines)
    {
        await using var engine = await SqliteEngine.OpenAsync(folder.File("keyreeve.db"), TimeProvider.System, "node-1", None);
        var audit = new Stores(engine).Audit;
        var entry = new AuditEntry { Kind = "test", Outcome = AuditOutcome.Granted, At = 1, Actor = "system", Detail = new string('x', 200) };
        for (var done = 0; done < lines; done += 5000)
            await audit.AppendAsync([.. Enumerable.Repeat(entry, 5000)], None);
    }

    /// <summary>Rows and content by table.</summary>
    public static async Task<List<TableTally>> ContentAsync(this StoreDoor door)
    {
        var tallies = new List<TableTally>();
        foreach (var table in TableShape.InOrder(await door.ReadCatalogueAsync(null, None)))
            tallies.Add(await TableTally.OfAsync(door, table, null, None));
        return tallies;
    }

    public static async Task<List<TableTally>> ContentAsync(this TempFolder folder)
    {
        await using var door = await SqliteDoor.ReadAsync(folder.File("keyreeve.db"), None);
        return await door.ContentAsync();
    }

    /// <summary>Runs a command that must be refused, with its exit code and a part of what it says.</summary>
    public static Task RefusedAsync(int code, string says, params string[] arguments) => RefusedAsync(null, code, says, arguments);

    public static async Task RefusedAsync(IReadOnlyDictionary<string, string>? environment, int code, string says, params string[] arguments)
    {
        var (exit, output) = await KeyreeveProcess.RunAsync(arguments, environment);
        Assert.True(exit == code && output.Contains(says, StringComparison.Ordinal), $"{exit}: {output}");
    }

    public static Task<string> DoneAsync(params string[] arguments) => DoneAsync(null, arguments);

    public static async Task<string> DoneAsync(IReadOnlyDictionary<string, string>? environment, params string[] arguments)
    {
        var (exit, output) = await KeyreeveProcess.RunAsync(arguments, environment);
        Assert.True(exit == 0, output);
        return output;
    }
}
