using System.CommandLine;
using Keyreeve.Server.Cli;
using Keyreeve.Server.Hosting;
using Keyreeve.Server.Settings;
using Spectre.Console;

// A pipe has neither colours nor 80 columns: whoever reads it gets whole lines and plain text.
if (Console.IsOutputRedirected)
{
    AnsiConsole.Console = AnsiConsole.Create(new AnsiConsoleSettings { Ansi = AnsiSupport.No, ColorSystem = ColorSystemSupport.NoColors });
    AnsiConsole.Profile.Width = 240;
}

var root = new RootCommand("Keyreeve issues and checks the credentials of 3GPP application enablement.")
{
    ServeCommand.Create(),
    TourCommand.Create(),
    TokenCommand.Create(),
    AuditCommand.Create(),
    DoctorCommand.Create(),
};

try
{
    return await root.Parse(args).InvokeAsync(new InvocationConfiguration
    {
        EnableDefaultExceptionHandler = false,
        // The parser's own patience after SIGINT or SIGTERM is 2 s, then it ends the process in the middle of an orderly stop.
        ProcessTerminationTimeout = TimeSpan.FromSeconds(9.5),
    });
}
catch (Exception e) when (e is SettingsException or DataFolderException)
{
    Console.Error.WriteLine("keyreeve: " + e.Message);
    return 2;
}
