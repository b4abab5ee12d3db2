using System.CommandLine;
using Keyreeve.Server.Cli;
using Keyreeve.Server.Hosting;
using Keyreeve.Server.Settings;
using Keyreeve.Storage;
using Spectre.Console;

// Into a file or a pipe: no colours, no links, and lines as long as they are.
if (Console.IsOutputRedirected)
{
    AnsiConsole.Console = AnsiConsole.Create(new AnsiConsoleSettings { Ansi = AnsiSupport.No, ColorSystem = ColorSystemSupport.NoColors, Interactive = InteractionSupport.No });
    AnsiConsole.Profile.Width = 240;
}

try
{
    var parsed = ProgramCommand.Create().Parse(args);
    var code = await parsed.InvokeAsync(new InvocationConfiguration
    {
        EnableDefaultExceptionHandler = false,
        // The parser's own patience after SIGINT or SIGTERM is 2 s, then it ends the process in the middle of an orderly stop.
        ProcessTerminationTimeout = TimeSpan.FromSeconds(9.5),
    });
    return parsed.Errors.Count > 0 ? 2 : code;
}
catch (Exception e) when (e is SettingsException or DataFolderException or SchemaRefusedException or StoreRefusedException or StoreUnavailableException or UnauthorizedAccessException or IOException)
{
    Console.Error.WriteLine("keyreeve: " + e.Message);
    return 2;
}
