using System.CommandLine;
using System.Text.Json.Nodes;
using Keyreeve.Core.Keys;
using Spectre.Console;

namespace Keyreeve.Server.Cli;

/// <summary>Secrets of the seal on their way in: out of files, standard input or a prompt, never out of the command line, where others see them.</summary>
internal sealed class SealSecretInput
{
    /// <summary>Members of the admin API and the flags that set them.</summary>
    public static IReadOnlyDictionary<string, string> Flags { get; } = new Dictionary<string, string>(StringComparer.Ordinal)
    {
        ["passphrase"] = "--passphrase-file",
        ["key"] = "--key-file",
        ["share"] = "--share-file",
        ["method"] = "--method",
        ["shares"] = "--shares",
        ["threshold"] = "--threshold",
    };

    private readonly Option<string?> _passphrase = new("--passphrase-file") { Description = "a file with the passphrase, or - for standard input" };
    private readonly Option<string?> _key = new("--key-file") { Description = "the key file, or - for standard input" };
    private readonly Option<string[]> _shares = new("--share-file") { Description = "a file with a share, or - for standard input; may be repeated", AllowMultipleArgumentsPerToken = false };

    public Command AddTo(Command command)
    {
        foreach (var option in (Option[])[_passphrase, _key, _shares])
            command.Options.Add(option);
        return command;
    }

    /// <summary>The secret that goes with a method, as a member of a request; shares one after the other.</summary>
    /// <param name="parse">The command line.</param>
    /// <param name="method">How the store is sealed.</param>
    /// <param name="ask">Ask for what no file gives. A key file that is not given is the server's to have.</param>
    public IEnumerable<JsonObject?> Read(ParseResult parse, string method, bool ask)
    {
        Fits(parse, method);
        switch (method)
        {
            case "passphrase":
                yield return new JsonObject { ["passphrase"] = parse.GetValue(_passphrase) is { } file ? ReadLine("--passphrase-file", file) : ask ? Ask("passphrase") : throw AdminFailure.Usage("give --passphrase-file") };
                break;
            case "shares":
                var files = parse.GetValue(_shares) ?? [];
                foreach (var share in files)
                    yield return new JsonObject { ["share"] = ReadLine("--share-file", share) };
                while (files.Length == 0)
                    yield return new JsonObject { ["share"] = Ask("share") };
                break;
            case "key-file" when parse.GetValue(_key) is { } key:
                yield return new JsonObject { ["key"] = ReadLine("--key-file", key) };
                break;
            default:
                yield return null;
                break;
        }
    }

    /// <summary>Shares put together to the key they give: for what needs it whole. That it is the right one, the server says.</summary>
    public string Combine(ParseResult parse, int threshold)
    {
        var shares = new List<Share>();
        foreach (var given in Read(parse, "shares", ask: true))
        {
            if (!ShareText.TryRead((string)given!["share"]!, out _, out var share))
                throw AdminFailure.Usage("that is no share, or was mistyped: kshare-SET-NN-...");
            if (!shares.Exists(s => s.X == share.Value.X))
                shares.Add(share.Value);
            if (shares.Count == threshold)
                break;
        }
        if (shares.Count < threshold)
            throw AdminFailure.Usage($"{threshold} shares are needed, and {shares.Count} were given");
        using var secret = Shamir.Combine(shares);
        return System.Buffers.Text.Base64Url.EncodeToString(secret.Span);
    }

    /// <summary>A new passphrase, typed twice where it is typed.</summary>
    public string NewPassphrase(ParseResult parse)
    {
        if (parse.GetValue(_passphrase) is { } file)
            return ReadLine("--passphrase-file", file);
        var first = Ask("new passphrase (16 characters at least)");
        return Console.IsInputRedirected || first == Ask("once more") ? first : throw AdminFailure.Usage("the two are not the same");
    }

    /// <summary>Path of the key file, or null.</summary>
    public string? KeyFile(ParseResult parse) => parse.GetValue(_key);

    private static string ReadLine(string flag, string file) => file == "-" ? FromInput(flag) : AdminFiles.ReadText(flag, file).Trim('\r', '\n');

    private static string FromInput(string what) => Console.In.ReadLine() ?? throw AdminFailure.Usage($"{what}: standard input has ended");

    /// <summary>On standard error: standard output may be a program's.</summary>
    private static string Ask(string what) => Console.IsInputRedirected
        ? FromInput(what)
        : AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) }).Prompt(new TextPrompt<string>(what + ":").Secret(null));

    private void Fits(ParseResult parse, string method)
    {
        var given = new[] { ("passphrase", (Option)_passphrase, parse.GetValue(_passphrase) is not null), ("key-file", _key, parse.GetValue(_key) is not null), ("shares", _shares, parse.GetValue(_shares) is { Length: > 0 }) };
        foreach (var (of, option, isGiven) in given)
            if (isGiven && of != method)
                throw AdminFailure.Usage($"{option.Name} does not go with a store that is sealed by {method}");
    }
}
