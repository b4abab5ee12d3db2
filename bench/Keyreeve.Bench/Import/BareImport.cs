using System.Diagnostics;
using System.Globalization;
using Keyreeve.Bench.Sides;
using Keyreeve.Storage;

namespace Keyreeve.Bench.Import;

/// <summary>
/// The rows that the server has made of the records, read before the clock runs, into tables with the same indexes. A process of its own: where the sockets of
/// the load have but one thread, a driver that waits on it for the rest of a row waits for ever.
/// </summary>
internal static class BareImport
{
    /// <summary>The first argument, which is not for users: then follow VAL service, records, the store that has them and two that are to be made.</summary>
    public const string Verb = "bare-import";

    private static readonly string[] Tables = ["key_records", "key_versions"];

    /// <summary>Prints the seconds of the second store: the first is for the compilers.</summary>
    public static async Task<int> RunAsync(string service, int records, string has, string first, string second)
    {
        var rows = new Dictionary<string, List<object?[]>>(StringComparer.Ordinal);
        await using (var from = KeyreeveSide.IsFile(has) ? await SqliteDoor.ReadAsync(has, default) : (StoreDoor)await PostgresDoor.ReadAsync(KeyreeveSide.Address(has), default))
            foreach (var table in await ShapesAsync(from))
            {
                var mine = rows[table.Name] = new(records);
                var at = table.Columns.ToList().FindIndex(c => c.Name == "service_id");
                await foreach (var row in from.ReadRowsAsync(table, null, default))
                    if ((string?)row[at] == service)
                        mine.Add(row);
                if (mine.Count != records)
                    throw new BenchException($"{table.Name} has {mine.Count} rows of {records} imported records");
            }
        await WriteAsync(rows, first);
        Console.WriteLine((await WriteAsync(rows, second)).ToString("R", CultureInfo.InvariantCulture));
        return 0;
    }

    private static async Task<double> WriteAsync(Dictionary<string, List<object?[]>> rows, string store)
    {
        await using var to = await MakeAsync(store);
        var shapes = await ShapesAsync(to);
        var watch = Stopwatch.StartNew();
        foreach (var table in shapes)
        {
            await using var sink = await to.FillAsync(table, default);
            foreach (var row in rows[table.Name])
                await sink.WriteAsync(row, default);
            await sink.CompleteAsync(default);
        }
        return watch.Elapsed.TotalSeconds;
    }

    /// <summary>The same schema, with nothing in it.</summary>
    private static async Task<StoreDoor> MakeAsync(string store)
    {
        if (KeyreeveSide.IsFile(store))
        {
            var door = await SqliteDoor.MakeAsync(store, default);
            await MigrationRunner.RunAsync(door.Connection, Migration.Known, TimeProvider.System, default);
            return door;
        }
        await (await PostgresEngine.OpenAsync(KeyreeveSide.Address(store), TimeProvider.System, "bench", default)).DisposeAsync();
        return await PostgresDoor.ReadAsync(KeyreeveSide.Address(store), default);
    }

    private static async Task<List<TableShape>> ShapesAsync(StoreDoor door) => [.. (await door.ReadCatalogueAsync(null, default)).Where(t => Tables.Contains(t.Name)).OrderBy(t => t.Name, StringComparer.Ordinal)];
}
