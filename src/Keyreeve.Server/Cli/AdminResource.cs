using System.CommandLine;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Keyreeve.Server.Cli;

/// <summary>A flag of add and edit, and the member it sets. An empty value clears the member.</summary>
internal sealed record AdminFlag(string Name, string Member, Type Type, string Description)
{
    /// <summary>A file whose text is the value; "-" is standard input.</summary>
    public bool IsFile { get; init; }

    /// <summary>A file if one of that name is there, else the value itself.</summary>
    public bool MayBeFile { get; init; }

    /// <summary>Only for add.</summary>
    public bool OnlyAdd { get; init; }

    public static AdminFlag Text(string name, string member, string description) => new(name, member, typeof(string), description);

    public static AdminFlag Texts(string name, string member, string description) => new(name, member, typeof(string[]), description + "; may be repeated");
}

/// <summary>A kind of thing the admin API manages, and the five verbs on it: list, show, add, edit, remove.</summary>
internal sealed record AdminResource(string Noun, string Description, string Path, string IdMember, IReadOnlyList<string> Columns, IReadOnlyList<AdminFlag> Flags)
{
    public static readonly AdminResource Services = new("service", "VAL services.", "services", "serviceId", ["serviceId", "name", "audience", "acrValues", "version"],
    [
        AdminFlag.Text("--name", "name", "shown on the consent page"),
        AdminFlag.Text("--audience", "audience", "aud of the tokens for it"),
        AdminFlag.Texts("--acr", "acrValues", "an authentication class that is good enough, the preferred one first"),
        AdminFlag.Text("--key-failures-uri", "keyFailuresUri", "where its owner is told of failed key requests"),
    ])
    {
        LostWithAsync = async (server, id) =>
        {
            // That it is there is asked first: a typing error is not to be confirmed.
            await server.GetAsync("services/" + Uri.EscapeDataString(id));
            var page = (await server.GetAsync($"key-records?serviceId={Uri.EscapeDataString(id)}&limit=1000")).Document;
            var records = page["items"]!.AsArray().Count;
            return $"Nobody gets a token for VAL service {id} any more: its users and its VAL server lose it, and its {(page["next"] is null ? "" : "more than ")}{records} key records are given to nobody until it is registered again.";
        },
    };

    public static readonly AdminResource Issuers = new("issuer", "Issuers whose tokens count here: partner VAL systems and identity providers.", "issuers", "issuer", ["issuer", "name", "scopes", "clients", "federated", "disabled"],
    [
        AdminFlag.Text("--name", "name", "for operators"),
        new("--jwks", "jwks", typeof(JsonObject), "a file with its public keys"),
        AdminFlag.Text("--jwks-uri", "jwksUri", "where its public keys are fetched from, instead of --jwks"),
        AdminFlag.Texts("--algorithm", "algorithms", "what it signs with: ES256 (default), ES384, RS256 or PS256"),
        AdminFlag.Text("--scopes", "scopes", "what its users may have here, separated by spaces: val:S and SEAL services"),
        AdminFlag.Texts("--client", "clients", "a client that may present its tokens"),
        AdminFlag.Texts("--link", "links", "one of its users who is a user here, as SUB=SUBJECT"),
        new("--federated", "federated", typeof(bool), "users that are not linked are known here as issuer|sub"),
        AdminFlag.Text("--acr", "acr", "the authentication class its logins count as"),
        AdminFlag.Text("--introspection-uri", "introspectionUri", "its introspection endpoint: it is asked at every exchange whether its token holds"),
        AdminFlag.Text("--introspection-client", "introspectionClientId", "our client_id there"),
        new("--introspection-secret-file", "introspectionSecret", typeof(string), "a file with our secret there, - for standard input") { IsFile = true },
        new("--token-seconds", "tokenSeconds", typeof(int), "what is made of its tokens lives no longer"),
        new("--disabled", "disabled", typeof(bool), "true ends the tokens that stand on it"),
    ]);

    public static readonly AdminResource Devices = new("device", "VAL UEs.", "devices", "valUeId", ["valUeId", "valServiceIds", "version"],
        [AdminFlag.Texts("--service", "valServiceIds", "a VAL service mapped to the device")]);

    /// <summary>Finds the identifier that the path needs; by default it is what was typed.</summary>
    public Func<AdminServer, string, Task<string>> ResolveAsync { get; init; } = static (_, typed) => Task.FromResult(typed);

    /// <summary>The member that the argument of add sets; by default the identifier.</summary>
    public string? NameMember { get; init; }

    /// <summary>The member that holds a secret made by the server, and what to call it.</summary>
    public (string Member, string What)? Secret { get; init; }

    /// <summary>What is lost with one, where that is more than itself: then it is asked for, unless --yes says that it is known.</summary>
    public Func<AdminServer, string, Task<string>>? LostWithAsync { get; init; }

    /// <summary>The noun with its five verbs.</summary>
    public Command CreateCommand(AdminTools tools) => new(Noun, Description)
    {
        CreateList(tools), CreateShow(tools), CreateAdd(tools), CreateEdit(tools), CreateRemove(tools),
    };

    /// <summary>Path of one, percent-encoded.</summary>
    public async Task<string> PathOfAsync(AdminServer server, string typed) => $"{Path}/{Uri.EscapeDataString(await ResolveAsync(server, typed))}";

    /// <summary>The argument that names one.</summary>
    public Argument<string> IdArgument() => new(Noun) { Description = NameMember is null ? $"its {IdMember}" : $"its {NameMember} or {IdMember}" };

    private Command CreateList(AdminTools tools)
    {
        var command = new Command("list", "List all.");
        command.SetAction((parse, _) => tools.RunAsync(parse, async (server, output) => output.List(await server.ListAsync(Path), Columns, Noun)));
        return command;
    }

    private Command CreateShow(AdminTools tools)
    {
        var id = IdArgument();
        var command = new Command("show", "Show one.") { id };
        command.SetAction((parse, _) => tools.RunAsync(parse, async (server, output) => output.Show((await server.GetAsync(await PathOfAsync(server, parse.GetValue(id)!))).Document)));
        return command;
    }

    private Command CreateAdd(AdminTools tools)
    {
        var id = new Argument<string?>(NameMember ?? IdMember) { Arity = ArgumentArity.ZeroOrOne, Description = "may stand in --json-in instead" };
        var flags = new AdminFlagSet(Flags);
        var command = new Command("add", "Add one.") { id };
        flags.AddTo(command);
        command.SetAction((parse, _) => tools.RunAsync(parse, async (server, output) =>
        {
            var body = flags.Apply(parse, []);
            if (parse.GetValue(id) is { } typed)
                body[NameMember ?? IdMember] = typed;
            var made = (await server.SendAsync(HttpMethod.Post, Path, body, null, flags.ByMember(NameMember ?? IdMember))).Document;
            var secret = Secret is { } s ? (string?)made[s.Member] : null;
            if (Secret is { } known && output.ForPeople)
                made.Remove(known.Member);
            output.Done($"added {Noun} {made[NameMember ?? IdMember]}", made);
            if (Secret is { } printed)
                output.Secret(printed.What, secret);
        }));
        return command;
    }

    private Command CreateEdit(AdminTools tools)
    {
        var id = IdArgument();
        var flags = new AdminFlagSet([.. Flags.Where(f => !f.OnlyAdd)]);
        var command = new Command("edit", "Change one. Lists are replaced as a whole; an empty value (\"\") clears a member.") { id };
        flags.AddTo(command);
        command.SetAction((parse, _) => tools.RunAsync(parse, async (server, output) =>
        {
            if (!flags.IsGiven(parse))
                throw AdminFailure.Usage($"nothing to change: give a flag, or --json-in (see: keyreeve admin {Noun} edit --help)");
            var path = await PathOfAsync(server, parse.GetValue(id)!);
            var current = await server.GetAsync(path);
            var body = flags.Apply(parse, current.Document);
            // A whole object that was read earlier says itself which version it was; else the one of this moment counts.
            var etag = body["version"] is JsonValue version && version.TryGetValue<long>(out var number) ? $"\"{number}\"" : current.ETag;
            var changed = (await server.SendAsync(HttpMethod.Put, path, body, etag, flags.ByMember(IdMember))).Document;
            output.Done($"changed {Noun} {changed[NameMember ?? IdMember]}", changed);
        }));
        return command;
    }

    private Command CreateRemove(AdminTools tools)
    {
        var id = IdArgument();
        var yes = new Option<bool>("--yes") { Description = "do not ask" };
        var command = new Command("remove", LostWithAsync is null ? "Remove one." : "Remove one. Asks first what goes with it.") { id };
        if (LostWithAsync is not null)
            command.Options.Add(yes);
        command.SetAction((parse, _) => tools.RunAsync(parse, async (server, output) =>
        {
            if (LostWithAsync is { } lost && !parse.GetValue(yes))
                AskAgain(parse.GetValue(id)!, await lost(server, parse.GetValue(id)!));
            var path = await PathOfAsync(server, parse.GetValue(id)!);
            await server.SendAsync(HttpMethod.Delete, path, null, null, null);
            output.Done($"removed {Noun} {parse.GetValue(id)}", null);
        }));
        return command;
    }

    /// <summary>By its name, not by a y: that is typed without reading.</summary>
    private void AskAgain(string typed, string lost)
    {
        Console.Error.Write(AdminOutput.Printable($"{lost} Write {typed} once more to remove it, or run the command with --yes: "));
        if (Console.In.ReadLine() != typed)
            throw AdminFailure.Usage($"that is not the same: {Noun} {AdminOutput.Printable(typed)} was not removed");
    }
}

/// <summary>The flags of one command.</summary>
internal sealed class AdminFlagSet
{
    private readonly List<(AdminFlag Flag, Option Option)> _flags = [];
    private readonly Option<string?> _jsonIn = new("--json-in") { Description = "a whole object as JSON from a file, or from standard input (-); other flags change it" };

    public AdminFlagSet(IEnumerable<AdminFlag> flags)
    {
        foreach (var flag in flags)
        {
            Option option = flag.Type == typeof(bool) ? new Option<bool?>(flag.Name)
                : flag.Type == typeof(int) ? new Option<string?>(flag.Name)
                : flag.Type == typeof(string[]) ? new Option<string[]>(flag.Name) { AllowMultipleArgumentsPerToken = false }
                : new Option<string?>(flag.Name);
            option.Description = flag.Description;
            _flags.Add((flag, option));
        }
    }

    public void AddTo(Command command)
    {
        foreach (var (_, option) in _flags)
            command.Options.Add(option);
        command.Options.Add(_jsonIn);
    }

    public bool IsGiven(ParseResult parse) => parse.GetResult(_jsonIn) is not null || _flags.Exists(f => parse.GetResult(f.Option) is { Implicit: false });

    /// <summary>From a member's name to the flag that sets it.</summary>
    public Dictionary<string, string> ByMember(string idMember)
    {
        var names = _flags.ToDictionary(f => f.Flag.Member, f => f.Flag.Name, StringComparer.Ordinal);
        names[idMember] = $"<{idMember}>";
        return names;
    }

    /// <summary>The object of --json-in, or the given one, with the flags applied.</summary>
    public JsonObject Apply(ParseResult parse, JsonObject document)
    {
        var body = parse.GetValue(_jsonIn) is { } file ? ReadObject("--json-in", file) : document.DeepClone().AsObject();
        foreach (var (flag, option) in _flags)
        {
            if (parse.GetResult(option) is not { Implicit: false })
                continue;
            body[flag.Member] = option switch
            {
                Option<bool?> yesNo => parse.GetValue(yesNo) ?? true,
                Option<string[]> list => new JsonArray([.. parse.GetValue(list)!.Where(v => v.Length > 0).Select(v => (JsonNode)ValueOf(flag, v))]),
                Option<string?> one => One(flag, parse.GetValue(one) ?? ""),
                _ => throw new InvalidOperationException("no such flag kind"),
            };
        }
        return body;
    }

    private static JsonNode? One(AdminFlag flag, string typed)
    {
        if (typed.Length == 0)
            return null;
        if (flag.Type == typeof(int))
            return int.TryParse(typed, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out var number)
                ? number : throw AdminFailure.Usage($"{flag.Name} {typed}: write a whole number");
        if (flag.Type == typeof(JsonObject))
            return ReadObject(flag.Name, typed);
        return ValueOf(flag, typed);
    }

    private static string ValueOf(AdminFlag flag, string typed) =>
        flag.IsFile || flag.MayBeFile && File.Exists(typed) ? AdminFiles.ReadText(flag.Name, typed).TrimEnd('\r', '\n') : typed;

    private static JsonObject ReadObject(string flag, string file)
    {
        try
        {
            return JsonNode.Parse(AdminFiles.ReadText(flag, file), documentOptions: new JsonDocumentOptions { AllowDuplicateProperties = false }) as JsonObject
                ?? throw AdminFailure.Usage($"{flag} {file}: this is not one JSON object");
        }
        catch (JsonException e)
        {
            throw AdminFailure.Usage($"{flag} {file}: this is not JSON: {e.Message}");
        }
    }
}

/// <summary>Files that flags name.</summary>
internal static class AdminFiles
{
    /// <summary>More is no key, certificate or registration.</summary>
    private const int MaxLength = 1024 * 1024;

    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>A new file, readable by its owner only.</summary>
    public static FileStream Create(string flag, string file)
    {
        try
        {
            return new FileStream(file, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite });
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw AdminFailure.Usage($"{flag} {file}: {e.Message}");
        }
    }

    /// <summary>Writes a new file, readable by its owner only from its first octet on. What was done before, and what to do when it fails, says <paramref name="done"/>.</summary>
    public static void Write(string file, string text, string done)
    {
        try
        {
            using var stream = new FileStream(file, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite });
            stream.Write(Encoding.ASCII.GetBytes(text));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw AdminFailure.Refused($"{file} cannot be written: {e.Message}; {done}");
        }
    }

    /// <summary>
    /// The text of a file, or of standard input for "-": UTF-8 and nothing else. What a lenient decoder makes of other octets is another key,
    /// and nobody would be told.
    /// </summary>
    public static string ReadText(string flag, string file)
    {
        try
        {
            using var stream = file == "-" ? Console.OpenStandardInput() : File.OpenRead(file);
            var buffer = new byte[MaxLength + 1];
            var length = stream.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false);
            if (length > MaxLength)
                throw AdminFailure.Usage($"{flag} {file}: the file is longer than 1 MiB");
            var text = Strict.GetString(buffer, 0, length);
            Array.Clear(buffer);
            // The mark of an editor, as its line end.
            return text.StartsWith('\uFEFF') ? text[1..] : text;
        }
        catch (DecoderFallbackException)
        {
            throw AdminFailure.Usage($"{flag} {file}: this is not text in UTF-8; binary key material is written as base64url or hexadecimal digits");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw AdminFailure.Usage($"{flag} {file}: {e.Message}");
        }
    }
}
