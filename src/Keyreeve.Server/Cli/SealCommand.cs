using System.CommandLine;
using System.Text.Json.Nodes;

namespace Keyreeve.Server.Cli;

/// <summary><c>keyreeve seal</c>: the seal of the key store, over the admin API. Exit codes as of <c>keyreeve admin</c>.</summary>
internal static class SealCommand
{
    private static readonly string[] Roots = ["version", "method", "createdAt", "open"];
    private static readonly string[] Rotating = ["serviceId", "version", "left"];

    public static Command Create()
    {
        var connection = new AdminConnectionOptions();
        var json = new Option<bool>("--json") { Description = "print JSON and nothing else", Recursive = true };
        var tools = new AdminTools(connection, json);
        var command = new Command("seal", "The seal of the key store: what opens it, and the keys behind it. Works on the node that answers; every node opens on its own.")
        {
            CreateStatus(tools), SealInitCommand.Create(tools), CreateUnseal(tools), CreateLock(tools), CreateRotate(tools), CreateDestroy(tools),
        };
        foreach (var option in connection.All)
            command.Options.Add(option);
        command.Options.Add(json);
        return command;
    }

    /// <summary>Prints a status.</summary>
    public static void Show(AdminOutput output, JsonObject status)
    {
        if (!output.ForPeople)
        {
            output.Show(status);
            return;
        }
        var rest = status.DeepClone().AsObject();
        foreach (var list in (string[])["roots", "rotating"])
            rest.Remove(list);
        // For people in words: a table of JSON is read by nobody.
        foreach (var (name, value) in status)
            if (value is JsonObject parts)
                rest[name] = string.Join(", ", parts.Where(p => p.Value is not null).Select(p => $"{p.Key} {p.Value}"));
        output.Show(rest);
        output.List(status["roots"]!.AsArray(), Roots, "root");
        if (status["rotating"]!.AsArray() is { Count: > 0 } rotating)
            output.List(rotating, Rotating, "rotation");
    }

    private static Command CreateStatus(AdminTools tools)
    {
        var status = new Command("status", "Show whether the key store is open, what it is sealed by, and how far keys are wrapped anew.");
        status.SetAction((parse, _) => tools.RunAsync(parse, async (server, output) => Show(output, (await server.GetAsync("seal")).Document)));
        return status;
    }

    private static Command CreateUnseal(AdminTools tools)
    {
        var input = new SealSecretInput();
        var command = input.AddTo(new Command("unseal", "Open the key store on the node that answers. Asks for what no file gives."));
        command.SetAction((parse, _) => tools.RunAsync(parse, async (server, output) =>
        {
            var status = (await server.GetAsync("seal")).Document;
            var progress = new JsonObject { ["sealed"] = status["sealed"]!.GetValue<bool>() };
            if ((bool)progress["sealed"]!)
                foreach (var secret in input.Read(parse, (string)status["method"]!, ask: true))
                {
                    progress = (await server.SendAsync(HttpMethod.Post, "seal/unseal", secret, null, SealSecretInput.Flags)).Document;
                    if (!(bool)progress["sealed"]!)
                        break;
                    if (output.ForPeople)
                        output.Done($"{progress["given"]} of {progress["needed"]} shares are given", null);
                }
            if ((bool)progress["sealed"]!)
                throw AdminFailure.Refused($"it is still sealed: {progress["given"]} of {progress["needed"]} shares are given; the next one within half an hour");
            output.Done("the key store is open on this node", progress);
        }));
        return command;
    }

    private static Command CreateLock(AdminTools tools)
    {
        var command = new Command("lock", "Forget the keys of the key store on the node that answers: from then on it gives out no key material.");
        command.SetAction((parse, _) => tools.RunAsync(parse, async (server, output) =>
        {
            var status = (await server.SendAsync(HttpMethod.Post, "seal/lock", null, null, null)).Document;
            output.Done("the key store is sealed on this node. Open it by: keyreeve seal unseal", status);
        }));
        return command;
    }

    private static Command CreateRotate(AdminTools tools)
    {
        var input = new SealSecretInput();
        var service = new Option<string?>("--service") { Description = "a new key for this VAL service, instead of a new root" };
        var command = input.AddTo(new Command("rotate", "Make a new root key under the same seal, or a new key of a VAL service. What is there is wrapped anew in the background.") { service });
        command.SetAction((parse, _) => tools.RunAsync(parse, async (server, output) =>
        {
            var status = parse.GetValue(service) is { } id
                ? (await server.SendAsync(HttpMethod.Post, $"seal/services/{Uri.EscapeDataString(id)}/rotate", null, null, null)).Document
                : (await server.SendAsync(HttpMethod.Post, "seal/rotate", SecretOf((await server.GetAsync("seal")).Document, parse), null, SealSecretInput.Flags)).Document;
            if (output.ForPeople)
                output.Done("the new root key wraps from now on. How far the rest is: keyreeve seal status", null);
            Show(output, status);
        }));
        return command;

        JsonObject? SecretOf(JsonObject status, ParseResult parse) => (string)status["method"]! == "shares"
            ? new JsonObject { ["key"] = input.Combine(parse, (int)status["shares"]!["threshold"]!) }
            : input.Read(parse, (string)status["method"]!, ask: true).First();
    }

    private static Command CreateDestroy(AdminTools tools)
    {
        var service = new Option<string>("--service") { Description = "VAL service ID", Required = true };
        var confirm = new Option<string?>("--confirm") { Description = "the VAL service ID once more; asked for when it is not given" };
        var command = new Command("destroy", "Destroy the keys of a VAL service: its key records open never again, on no node. There is no way back.") { service, confirm };
        command.SetAction((parse, _) => tools.RunAsync(parse, async (server, output) =>
        {
            var id = parse.GetValue(service)!;
            if ((parse.GetValue(confirm) ?? AskAgain(id)) != id)
                throw AdminFailure.Usage("that is not the same: nothing was destroyed");
            var document = (await server.SendAsync(HttpMethod.Post, $"seal/services/{Uri.EscapeDataString(id)}/destroy", new JsonObject { ["serviceId"] = id }, null, null)).Document;
            output.Done($"destroyed {document["destroyed"]} keys of VAL service {id}; {document["note"]}", document);
        }));
        return command;
    }

    private static string? AskAgain(string id)
    {
        Console.Error.Write($"Every key record of {id} is lost by this. Write the VAL service ID once more: ");
        return Console.In.ReadLine();
    }
}
