using System.CommandLine;
using Keyreeve.Server.Cli;
using Keyreeve.Server.Hosting;
using Keyreeve.Server.Settings;

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
    return await root.Parse(args).InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
}
catch (Exception e) when (e is SettingsException or DataFolderException)
{
    Console.Error.WriteLine("keyreeve: " + e.Message);
    return 2;
}
