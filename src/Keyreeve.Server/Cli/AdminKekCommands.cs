using System.CommandLine;
using System.Text.Json.Nodes;

namespace Keyreeve.Server.Cli;

/// <summary><c>keyreeve admin kek</c></summary>
internal static class AdminKekCommands
{
    private static readonly string[] Keys = ["id", "use", "rows", "retirable"];
    private static readonly string[] Tables = ["table", "column", "kek", "rows", "known"];

    public static Command Create(AdminTools tools)
    {
        var status = new Command("status", "Show which KEK seals, how many rows need which, and how far a rewrap is.");
        status.SetAction((parse, _) => tools.RunAsync(parse, async (server, output) => Show(output, (await server.GetAsync("kek")).Document)));

        var to = new Option<string?>("--to") { Description = "switch to this key of the file kek.old, by its id, instead of making a new one" };
        var alone = new Option<bool>("--alone") { Description = "no other node uses the database (PostgreSQL)" };
        var rotate = new Command("rotate", "Seal by a new KEK from now on; what is there is sealed anew in the background.") { to, alone };
        rotate.SetAction((parse, _) => tools.RunAsync(parse, async (server, output) =>
        {
            var body = new JsonObject { ["alone"] = parse.GetValue(alone) };
            if (parse.GetValue(to) is { } id)
                body["to"] = id;
            var document = (await server.SendAsync(HttpMethod.Post, "kek/rotate", body, null, new Dictionary<string, string> { ["to"] = "--to" })).Document;
            if (output.ForPeople)
                output.Done($"KEK {document["current"]} seals now. Copy the file kek to where you keep the KEK, not to the backups of the database; then look at: keyreeve admin kek status", null);
            Show(output, document);
        }));

        var retired = new Argument<string?>("id") { Description = "the key; may be left out when kek.old holds one only", Arity = ArgumentArity.ZeroOrOne };
        var retire = new Command("retire", "Take a KEK that no row needs any more out of the file kek.old.") { retired };
        retire.SetAction((parse, _) => tools.RunAsync(parse, async (server, output) =>
        {
            var document = (await server.SendAsync(HttpMethod.Post, "kek/retire", parse.GetValue(retired) is { } id ? new JsonObject { ["id"] = id } : null, null,
                new Dictionary<string, string> { ["id"] = "ID" })).Document;
            output.Done($"retired KEK {document["id"]}; {document["note"]}", document);
        }));
        return new Command("kek", "The key-encryption key: status, rotation, retirement.") { status, rotate, retire };
    }

    private static void Show(AdminOutput output, JsonObject status)
    {
        if (!output.ForPeople)
        {
            output.Show(status);
            return;
        }
        var rest = status.DeepClone().AsObject();
        foreach (var list in (string[])["keys", "tables"])
            rest.Remove(list);
        output.Show(rest);
        output.List(status["keys"]!.AsArray(), Keys, "KEK");
        output.List(status["tables"]!.AsArray(), Tables, "sealed row");
    }
}
