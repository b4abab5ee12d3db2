using System.CommandLine;
using System.Text.Json.Nodes;
using Keyreeve.Server.Admin.KeyRecords;
using Keyreeve.Server.Cli.Import;
using Keyreeve.Wire.Seal;

namespace Keyreeve.Server.Cli;

/// <summary><c>keyreeve admin key</c>: key management records. Payloads go in; no command shows one.</summary>
internal static class AdminKeyCommands
{
    private static readonly string[] Columns = ["serviceId", "clientId", "deviceId", "userId", "updatedAt", "removedAt", "version"];
    private static readonly string[] VersionColumns = ["number", "activatesAt", "expiresAt", "createdAt", "active"];

    public static Command Create(AdminTools tools) => new("key", "Key management records (TS 33.434 5.3) and their versions.")
    {
        CreateList(tools),
        CreateOne(tools, "show", "Show when a record was set; never its payload.", async (server, output, path, _) => output.Show((await server.GetAsync(path)).Document)),
        CreateOne(tools, "versions", "List the versions of a record; never a payload.", async (server, output, path, _) =>
            output.List(await server.ListAsync(path + "/versions"), VersionColumns, "version")),
        CreateAdd(tools),
        CreateEdit(tools),
        CreateOne(tools, "remove", "Remove a record: given to nobody from now on, and recoverable until it is shredded.", async (server, output, path, name) =>
        {
            await server.SendAsync(HttpMethod.Delete, path, null, null, null);
            output.Done($"removed the key record of {name}", null);
        }),
        CreateOne(tools, "recover", "Take the removal of a record back.", async (server, output, path, name) =>
            output.Done($"recovered the key record of {name}", (await server.SendAsync(HttpMethod.Post, path + "/recover", null, null, null)).Document)),
        CreateOne(tools, "shred", "Destroy a removed record now, with all its versions. Nothing brings it back.", async (server, output, path, name) =>
        {
            await server.SendAsync(HttpMethod.Post, path + "/shred", null, null, null);
            output.Done($"shredded the key record of {name}", null);
        }),
        AdminKeyImportCommand.Create(tools),
    };

    private static Command CreateList(AdminTools tools)
    {
        var list = new Command("list", "List records, without payloads.");
        var only = new Option<string?>("--service") { Description = "of this VAL service only" };
        var removed = new Option<bool>("--removed") { Description = "those that were removed and can be recovered" };
        list.Options.Add(only);
        list.Options.Add(removed);
        list.SetAction((parse, _) => tools.RunAsync(parse, async (server, output) =>
        {
            string[] query = [.. parse.GetValue(only) is { } s ? ["serviceId=" + Uri.EscapeDataString(s)] : Array.Empty<string>(), .. parse.GetValue(removed) ? ["removed=true"] : Array.Empty<string>()];
            output.List(await server.ListAsync("key-records" + (query.Length > 0 ? "?" + string.Join('&', query) : "")), Columns, "key record");
        }));
        return list;
    }

    private static Command CreateOne(AdminTools tools, string verb, string description, Func<AdminServer, AdminOutput, string, string, Task> work)
    {
        var key = new KeyOf();
        var command = key.AddTo(new Command(verb, description));
        command.SetAction((parse, _) => tools.RunAsync(parse, (server, output) => work(server, output, key.Path(parse), key.Describe(parse))));
        return command;
    }

    private static Command CreateAdd(AdminTools tools)
    {
        var (key, material) = (new KeyOf(), new MaterialOf());
        var command = material.AddTo(key.AddTo(new Command("add", "Add a record.")));
        command.SetAction((parse, _) => tools.RunAsync(parse, async (server, output) =>
        {
            var made = (await server.SendAsync(HttpMethod.Post, "key-records", material.Write(parse, key.Write(parse)), null, KeyOf.Flags)).Document;
            output.Done($"added the key record of {key.Describe(parse)}", made);
        }));
        return command;
    }

    private static Command CreateEdit(AdminTools tools)
    {
        var (key, material) = (new KeyOf(), new MaterialOf());
        var command = material.AddTo(key.AddTo(new Command("edit", "Give a record a new version, now or at a time. The same payload again changes nothing.")));
        command.SetAction((parse, _) => tools.RunAsync(parse, async (server, output) =>
        {
            var current = await server.GetAsync(key.Path(parse));
            var changed = (await server.SendAsync(HttpMethod.Put, key.Path(parse), material.Write(parse, []), current.ETag, KeyOf.Flags)).Document;
            output.Done($"changed the key record of {key.Describe(parse)}", changed);
        }));
        return command;
    }

    /// <summary>--payload-file, and from when to when.</summary>
    private sealed class MaterialOf
    {
        private readonly Option<string> _payload = new("--payload-file") { Description = "a file with the payload, or - for standard input (never on the command line, where others see it)", Required = true };
        private readonly Option<string?> _from = new("--activates-at") { Description = "from when it is given out, as 2026-12-01T00:00:00Z; now, when not given" };
        private readonly Option<string?> _to = new("--expires-at") { Description = "until when; for ever, when not given" };

        public Command AddTo(Command command)
        {
            foreach (var option in (Option[])[_payload, _from, _to])
                command.Options.Add(option);
            return command;
        }

        public JsonObject Write(ParseResult parse, JsonObject body)
        {
            body["payload"] = ReadPayload(parse.GetValue(_payload)!);
            if (parse.GetValue(_from) is { } from)
                body["activatesAt"] = from;
            if (parse.GetValue(_to) is { } to)
                body["expiresAt"] = to;
            return body;
        }

        /// <summary>One line end at the end is the editor's, not the key's.</summary>
        private static string ReadPayload(string file)
        {
            var text = AdminFiles.ReadText("--payload-file", file);
            return text.EndsWith("\r\n", StringComparison.Ordinal) ? text[..^2] : text.EndsWith('\n') ? text[..^1] : text;
        }
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
            ["activatesAt"] = "--activates-at",
            ["expiresAt"] = "--expires-at",
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
