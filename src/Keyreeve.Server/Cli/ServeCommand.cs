using System.Collections;
using System.CommandLine;
using Keyreeve.Server.Hosting;
using Keyreeve.Server.Settings;
using Spectre.Console;

namespace Keyreeve.Server.Cli;

/// <summary><c>keyreeve serve</c></summary>
internal static class ServeCommand
{
    public static Command Create()
    {
        var data = new Option<string>("--data") { Description = "the data folder", DefaultValueFactory = _ => "./data" };
        var config = new Option<string?>("--config") { Description = "a JSON file with settings" };
        var demo = new Option<bool>("--demo") { Description = "serve demo users, clients and key records from a folder of their own; loopback only" };
        var urls = new Option<string?>("--urls") { Description = "address of the https listener, as https://127.0.0.1:9443" };
        var set = new Option<string[]>("--set") { Description = "a setting, as --set Tokens:AccessTokenSeconds=300; may be repeated", AllowMultipleArgumentsPerToken = false };
        var list = new Option<bool>("--settings") { Description = "list every setting with its default, what it may be and what it means, and stop" };
        var command = new Command("serve", "Run the server.") { data, config, demo, urls, set, list };
        command.SetAction((parse, cancel) => parse.GetValue(list)
            ? Task.FromResult(ListSettings())
            : RunAsync(parse.GetValue(data)!, parse.GetValue(config), parse.GetValue(demo), parse.GetValue(urls), parse.GetValue(set) ?? [], cancel));
        return command;
    }

    /// <summary>Reads the three layers of settings.</summary>
    public static ServerSettings ReadSettings(string? config, string? urls, IEnumerable<string> set)
    {
        var flags = new List<KeyValuePair<string, string>>();
        if (urls is not null)
            flags.Add(new("Listeners:https:Address", AddressOf(urls)));
        foreach (var pair in set)
        {
            var equals = pair.IndexOf('=', StringComparison.Ordinal);
            if (equals <= 0)
                throw new SettingsException($"--set {pair}: write NAME=VALUE, as --set Tokens:AccessTokenSeconds=300");
            flags.Add(new(pair[..equals], pair[(equals + 1)..]));
        }
        var environment = Environment.GetEnvironmentVariables().Cast<DictionaryEntry>().Select(e => new KeyValuePair<string, string>((string)e.Key, (string?)e.Value ?? ""));
        return SettingsReader.Read(config, environment, flags);
    }

    private static string AddressOf(string urls) =>
        Uri.TryCreate(urls, UriKind.Absolute, out var uri) && uri.Scheme == "https"
            ? (uri.HostNameType == UriHostNameType.Dns && uri.Host == "localhost" ? "127.0.0.1" : uri.Host) + ":" + (urls.EndsWith(":0", StringComparison.Ordinal) ? "0" : uri.Port)
            : throw new SettingsException($"--urls {urls}: write https://127.0.0.1:9443 (there is no http; health has a listener of its own)");

    private static async Task<int> RunAsync(string data, string? config, bool demo, string? urls, string[] set, CancellationToken cancel)
    {
        var console = AnsiConsole.Console;
        ProcessSecrecy.Ask();
        var options = new ServerOptions(data, ReadSettings(config, urls, set), demo);
        await using var server = await KeyreeveServer.StartAsync(options, TimeProvider.System, line => Console.Error.WriteLine("keyreeve: " + line), cancel);
        FirstScreen.Write(console, server, options);
        await server.Application.WaitForShutdownAsync(cancel);
        return 0;
    }

    private static int ListSettings()
    {
        var table = new Table().AddColumn(new TableColumn("setting").NoWrap()).AddColumn("default").AddColumn("values").AddColumn("meaning");
        foreach (var (name, value, values, meaning) in SettingsReader.Known)
            table.AddRow(Markup.Escape(name), Markup.Escape(value), Markup.Escape(values), Markup.Escape(meaning));
        table.AddRow("Scopes:Names:NAME", "", "a name", "another name for a built-in scope");
        table.AddRow("Scopes:Audiences:NAME", "", "a URI", "what a SEAL server elsewhere is called in aud");
        AnsiConsole.Write(table);
        AnsiConsole.MarkupLine("JSON file < environment (KEYREEVE__Tokens__AccessTokenSeconds) < --set");
        return 0;
    }
}
