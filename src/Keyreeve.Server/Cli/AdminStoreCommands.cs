using System.CommandLine;
using System.Text.Json.Nodes;
using Keyreeve.Server.Demo;
using Keyreeve.Server.Hosting;
using Keyreeve.Storage;

namespace Keyreeve.Server.Cli;

/// <summary><c>keyreeve admin db</c>: the store itself, without a server.</summary>
internal static class AdminStoreCommands
{
    /// <summary>What is shown as large: the tables that grow with use.</summary>
    private static readonly string[] Growing = ["audit", "users", "clients", "key_records", "refresh_families", "authorization_codes", "login_sessions", "revocations"];

    public static Command Create(Option<string> data, Option<bool> json) => new("db", "The store itself, without a server: status, schema, moving to another engine.")
    {
        CreateStatus(data, json),
        CreateMigrate(data, json),
        CreateCopy(data),
    };

    private static Command CreateStatus(Option<string> data, Option<bool> json)
    {
        var config = StorePlace.ConfigOption();
        var command = new Command("status", "Engine, schema version, what is still to do, and how large the tables are; the server may run.") { config };
        command.SetAction((parse, cancel) => StoreCommand.RunAsync(async _ =>
        {
            var place = StorePlace.Of(DataFolder.Existing(parse.GetValue(data)!), ServeCommand.ReadSettings(parse.GetValue(config), null, []));
            await using var door = await place.ReadAsync(cancel);
            Show(await DescribeAsync(door, place.Name, cancel), parse.GetValue(json));
        }));
        return command;
    }

    private static Command CreateMigrate(Option<string> data, Option<bool> json)
    {
        var config = StorePlace.ConfigOption();
        var again = new Option<bool>("--again") { Description = "run every backfill from its first row once more: after a rolling upgrade in which an older node was still writing" };
        var command = new Command("migrate", "Bring the schema up to date and fill in what that asks for, to the end. Broken off, it goes on where it was.") { config, again };
        command.SetAction((parse, cancel) => StoreCommand.RunAsync(async progress =>
        {
            var settings = ServeCommand.ReadSettings(parse.GetValue(config), null, []);
            using var held = DataFolder.Hold(parse.GetValue(data)!, make: false);
            var place = StorePlace.Of(held, settings);
            await using var door = await place.ReadAsync(cancel);
            await StoreMigration.RunAsync(door, () => place.OpenEngineAsync(cancel), parse.GetValue(again), progress, cancel);
            Show(await DescribeAsync(door, place.Name, cancel), parse.GetValue(json));
        }));
        return command;
    }

    private static Command CreateCopy(Option<string> data)
    {
        var config = StorePlace.ConfigOption();
        var to = new Option<string>("--to") { Description = "an empty PostgreSQL database as in Storage:Connection (a password goes into ~/.pgpass or PGPASSWORD), or a data folder without a store", Required = true };
        var damage = new Option<bool>("--accept-damage") { Description = "copy although the audit's chain is broken or a sealed value does not open" };
        var command = new Command("copy", "Copy the store of a stopped server into an empty one, of whatever engine.") { config, to, damage };
        command.SetAction((parse, cancel) => StoreCommand.RunAsync(async progress =>
        {
            var settings = ServeCommand.ReadSettings(parse.GetValue(config), null, []);
            using var held = DataFolder.Hold(parse.GetValue(data)!, make: false);
            var source = StorePlace.Of(held, settings);
            using var kek = StoreCommand.RequireKek(held, "to see that the store is whole, its sealed values are opened by its KEK");
            var target = StorePlace.OfTarget(parse.GetValue(to)!, parse.GetValue(config), held, out var targetFolder);
            using var targetHeld = targetFolder;
            target.DemandEmpty();
            await using var door = await source.ReadAloneAsync(cancel);
            await target.MakeAsync(async filled =>
            {
                var tallies = await StoreCopy.RunAsync(door, filled, kek, parse.GetValue(damage), TimeProvider.System, progress, cancel);
                Console.WriteLine($"copied {tallies.Sum(t => t.Rows)} rows in {tallies.Count} tables from {source.Name} to {target.Name}, read back and compared");
                if (held.IsDemo && target.IsShared)
                    await StoreStart.MarkDemoAsync(filled, kek, DemoFolder.Read(held), TimeProvider.System, cancel);
            }, () =>
            {
                if (held.IsDemo && targetFolder is not null)
                    DemoFolder.Write(targetFolder, DemoFolder.Read(held));
            }, cancel);
            Console.WriteLine(targetFolder is null
                ? "the KEK is not in the database: every node needs it, in its data folder or in KEYREEVE_KEK. Now set Storage:Connection to what you gave as --to; this folder's keyreeve.db is not used any more"
                : $"the KEK is not copied: put it into {targetFolder.Path("kek")} (mode 0600), or set KEYREEVE_KEK. Now serve --data {targetFolder.Root}, without Storage:Connection");
        }));
        return command;
    }

    private static void Show(JsonObject status, bool json)
    {
        var output = new AdminOutput(json);
        if (output.ForPeople)
        {
            status["rows"] = new JsonArray([.. status["rows"]!.AsObject().Select(r => (JsonNode)$"{r.Key}: {r.Value}")]);
            status["backfills"] = new JsonArray([.. status["backfills"]!.AsArray().Select(b => (JsonNode)$"{b!["id"]} {b["name"]}: {b["percent"]} %")]);
        }
        output.Show(status);
    }

    private static async Task<JsonObject> DescribeAsync(StoreDoor door, string name, CancellationToken cancel)
    {
        var status = await StoreStatus.ReadAsync(door, Growing, cancel);
        return new JsonObject
        {
            ["engine"] = door.Engine,
            ["database"] = name,
            ["schemaVersion"] = status.SchemaVersion,
            ["programVersion"] = Migration.Known.Count,
            ["pending"] = new JsonArray([.. status.Pending.Select(m => (JsonNode)$"{m.Number:0000}_{m.Name}")]),
            ["filling"] = status.Filling,
            ["backfills"] = new JsonArray([.. status.Backfills.Select(b => (JsonNode)new JsonObject
            {
                ["id"] = b.Number,
                ["name"] = b.Name,
                ["percent"] = b.Percent,
                ["rows"] = b.RowsDone,
                ["finished"] = b.IsFinished,
            })]),
            ["octets"] = status.Octets,
            ["rows"] = new JsonObject(status.Rows.Select(r => KeyValuePair.Create<string, JsonNode?>(r.Key, r.Value))),
        };
    }
}
