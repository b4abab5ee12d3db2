using System.CommandLine;
using System.Text.Json.Nodes;
using Keyreeve.Server.Admin.KeyRecords;
using Keyreeve.Wire.Seal;

namespace Keyreeve.Server.Cli;

/// <summary><c>keyreeve admin key</c>: key management records. Payloads go in; no command shows one.</summary>
internal static class AdminKeyCommands
{
    private static readonly string[] Columns = ["serviceId", "clientId", "deviceId", "userId", "updatedAt", "version"];

    public static Command Create(AdminTools tools)
    {
        var list = new Command("list", "List records, without payloads.");
        var only = new Option<string?>("--service") { Description = "of this VAL service only" };
        list.Options.Add(only);
        list.SetAction((parse, _) => tools.RunAsync(parse, async (server, output) =>
            output.List(await server.ListAsync("key-records" + (parse.GetValue(only) is { } s ? "?serviceId=" + Uri.EscapeDataString(s) : "")), Columns, "key record")));

        var show = new KeyOf();
        var showCommand = show.AddTo(new Command("show", "Show when a record was set; never its payload."));
        showCommand.SetAction((parse, _) => tools.RunAsync(parse, async (server, output) => output.Show((await server.GetAsync(show.Path(parse))).Document)));

        var remove = new KeyOf();
        var removeCommand = remove.AddTo(new Command("remove", "Remove a record."));
        removeCommand.SetAction((parse, _) => tools.RunAsync(parse, async (server, output) =>
        {
            await server.SendAsync(HttpMethod.Delete, remove.Path(parse), null, null, null);
            output.Done($"removed the key record of {remove.Describe(parse)}", null);
        }));
        return new Command("key", "Key management records (TS 33.434 5.3).") { list, showCommand, CreateAdd(tools), CreateEdit(tools), removeCommand };
    }

    private static Command CreateAdd(AdminTools tools)
    {
        var (key, payload) = (new KeyOf(), PayloadOption());
        var command = key.AddTo(new Command("add", "Add a record."));
        command.Options.Add(payload);
        command.SetAction((parse, _) => tools.RunAsync(parse, async (server, output) =>
        {
            var body = key.Write(parse);
            body["payload"] = ReadPayload(parse.GetValue(payload)!);
            var made = (await server.SendAsync(HttpMethod.Post, "key-records", body, null, KeyOf.Flags)).Document;
            output.Done($"added the key record of {key.Describe(parse)}", made);
        }));
        return command;
    }

    private static Command CreateEdit(AdminTools tools)
    {
        var (key, payload) = (new KeyOf(), PayloadOption());
        var command = key.AddTo(new Command("edit", "Replace the payload of a record."));
        command.Options.Add(payload);
        command.SetAction((parse, _) => tools.RunAsync(parse, async (server, output) =>
        {
            var current = await server.GetAsync(key.Path(parse));
            var body = new JsonObject { ["payload"] = ReadPayload(parse.GetValue(payload)!) };
            var changed = (await server.SendAsync(HttpMethod.Put, key.Path(parse), body, current.ETag, KeyOf.Flags)).Document;
            output.Done($"changed the key record of {key.Describe(parse)}", changed);
        }));
        return command;
    }

    private static Option<string> PayloadOption() => new("--payload-file") { Description = "a file with the payload, or - for standard input (never on the command line, where others see it)", Required = true };

    /// <summary>One line end at the end is the editor's, not the key's.</summary>
    private static string ReadPayload(string file)
    {
        var text = AdminFiles.ReadText("--payload-file", file);
        return text.EndsWith("\r\n", StringComparison.Ordinal) ? text[..^2] : text.EndsWith('\n') ? text[..^1] : text;
    }

    /// <summary>--service and at most one of --user, --device, --client.</summary>
    private sealed class KeyOf
    {
        private readonly Option<string> _service = new("--service") { Description = "VAL service ID", Required = true };
        private readonly Option<string?> _user = new("--user") { Description = "VAL user ID" };
        private readonly Option<string?> _device = new("--device") { Description = "VAL UE ID" };
        private readonly Option<string?> _client = new("--client") { Description = "VAL client ID" };

        public static IReadOnlyDictionary<string, string> Flags { get; } = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["serviceId"] = "--service",
            ["userId"] = "--user",
            ["deviceId"] = "--device",
            ["clientId"] = "--client",
            ["payload"] = "--payload-file",
        };

        public Command AddTo(Command command)
        {
            foreach (var option in (Option[])[_service, _user, _device, _client])
                command.Options.Add(option);
            return command;
        }

        public string Path(ParseResult parse) => "key-records/" + KeyRecordJson.IdOf(parse.GetValue(_service)!, Identity(parse));

        public string Describe(ParseResult parse) => string.Join(' ', Write(parse).Select(m => m.Value!.ToString()));

        public JsonObject Write(ParseResult parse)
        {
            var (json, identity) = (new JsonObject { ["serviceId"] = parse.GetValue(_service) }, Identity(parse));
            if (identity.Kind != KmIdentityKind.Service)
                json[identity.Kind switch { KmIdentityKind.Client => "clientId", KmIdentityKind.Device => "deviceId", _ => "userId" }] = identity.Value;
            return json;
        }

        private KmIdentity Identity(ParseResult parse)
        {
            var given = new[] { (KmIdentityKind.User, _user), (KmIdentityKind.Device, _device), (KmIdentityKind.Client, _client) }
                .Select(o => (Kind: o.Item1, Value: parse.GetValue(o.Item2))).Where(o => o.Value is not null).ToList();
            return given.Count switch
            {
                0 => KmIdentity.ServiceOnly,
                1 => new KmIdentity(given[0].Kind, given[0].Value!),
                _ => throw AdminFailure.Usage("give at most one of --user, --device and --client"),
            };
        }
    }
}
