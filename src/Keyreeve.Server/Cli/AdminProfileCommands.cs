using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;
using Keyreeve.Server.Admin.KeyRecords;
using Keyreeve.Wire.Seal;

namespace Keyreeve.Server.Cli;

/// <summary><c>keyreeve admin profile</c>: profiles of VAL users and VAL UEs.</summary>
internal static class AdminProfileCommands
{
    private static readonly string[] Columns = ["serviceId", "valUserId", "valUeId", "updatedAt", "version"];

    public static Command Create(AdminTools tools)
    {
        var list = new Command("list", "List profiles, without documents.");
        var only = new Option<string?>("--service") { Description = "of this VAL service only" };
        list.Options.Add(only);
        list.SetAction((parse, _) => tools.RunAsync(parse, async (server, output) =>
            output.List(await server.ListAsync("profiles" + (parse.GetValue(only) is { } s ? "?serviceId=" + Uri.EscapeDataString(s) : "")), Columns, "profile")));

        var show = new ProfileOf();
        var showCommand = show.AddTo(new Command("show", "Show a profile with its document."));
        showCommand.SetAction((parse, _) => tools.RunAsync(parse, async (server, output) => output.Show((await server.GetAsync(show.Path(parse))).Document)));

        var remove = new ProfileOf();
        var removeCommand = remove.AddTo(new Command("remove", "Remove a profile."));
        removeCommand.SetAction((parse, _) => tools.RunAsync(parse, async (server, output) =>
        {
            await server.SendAsync(HttpMethod.Delete, remove.Path(parse), null, null, null);
            output.Done($"removed the profile of {remove.Describe(parse)}", null);
        }));
        return new Command("profile", "Profiles of VAL users and VAL UEs (TS 29.549 SS_UserProfileRetrieval).") { list, showCommand, CreateAdd(tools), CreateEdit(tools), removeCommand };
    }

    private static Command CreateAdd(AdminTools tools)
    {
        var (key, document) = (new ProfileOf(), DocumentOption());
        var command = key.AddTo(new Command("add", "Add a profile."));
        command.Options.Add(document);
        command.SetAction((parse, _) => tools.RunAsync(parse, async (server, output) =>
        {
            var body = key.Write(parse);
            body["document"] = ReadDocument(parse.GetValue(document)!);
            var made = (await server.SendAsync(HttpMethod.Post, "profiles", body, null, ProfileOf.Flags)).Document;
            output.Done($"added the profile of {key.Describe(parse)}", made);
        }));
        return command;
    }

    private static Command CreateEdit(AdminTools tools)
    {
        var (key, document) = (new ProfileOf(), DocumentOption());
        var command = key.AddTo(new Command("edit", "Replace the document of a profile."));
        command.Options.Add(document);
        command.SetAction((parse, _) => tools.RunAsync(parse, async (server, output) =>
        {
            var current = await server.GetAsync(key.Path(parse));
            var body = new JsonObject { ["document"] = ReadDocument(parse.GetValue(document)!) };
            var changed = (await server.SendAsync(HttpMethod.Put, key.Path(parse), body, current.ETag, ProfileOf.Flags)).Document;
            output.Done($"changed the profile of {key.Describe(parse)}", changed);
        }));
        return command;
    }

    private static Option<string> DocumentOption() => new("--document-file") { Description = "a file with the profile as a JSON object, or - for standard input", Required = true };

    private static JsonObject ReadDocument(string file)
    {
        try
        {
            return JsonNode.Parse(AdminFiles.ReadText("--document-file", file), documentOptions: new JsonDocumentOptions { AllowDuplicateProperties = false }) as JsonObject
                ?? throw AdminFailure.Usage($"--document-file {file}: not a JSON object");
        }
        catch (JsonException e)
        {
            throw AdminFailure.Usage($"--document-file {file} is not JSON: {e.Message}");
        }
    }

    /// <summary>--service and exactly one of --user and --device.</summary>
    private sealed class ProfileOf
    {
        private readonly Option<string> _service = new("--service") { Description = "VAL service ID", Required = true };
        private readonly Option<string?> _user = new("--user") { Description = "VAL user ID" };
        private readonly Option<string?> _device = new("--device") { Description = "VAL UE ID" };

        public static IReadOnlyDictionary<string, string> Flags { get; } = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["serviceId"] = "--service",
            ["valUserId"] = "--user",
            ["valUeId"] = "--device",
            ["document"] = "--document-file",
        };

        public Command AddTo(Command command)
        {
            foreach (var option in (Option[])[_service, _user, _device])
                command.Options.Add(option);
            return command;
        }

        public string Path(ParseResult parse) => "profiles/" + KeyRecordJson.IdOf(parse.GetValue(_service)!, Target(parse));

        public string Describe(ParseResult parse) => $"{Target(parse).Value} in {parse.GetValue(_service)}";

        public JsonObject Write(ParseResult parse)
        {
            var target = Target(parse);
            return new JsonObject { ["serviceId"] = parse.GetValue(_service), [target.Kind == KmIdentityKind.User ? "valUserId" : "valUeId"] = target.Value };
        }

        private KmIdentity Target(ParseResult parse) => (parse.GetValue(_user), parse.GetValue(_device)) switch
        {
            ({ } user, null) => new(KmIdentityKind.User, user),
            (null, { } device) => new(KmIdentityKind.Device, device),
            _ => throw AdminFailure.Usage("give exactly one of --user and --device"),
        };
    }
}
