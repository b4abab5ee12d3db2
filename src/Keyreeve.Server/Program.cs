using System.CommandLine;
using Keyreeve.Server.Cli;
using Keyreeve.Server.Hosting;
using Keyreeve.Server.Settings;

var root = new RootCommand("Keyreeve issues and checks the credentials of 3GPP application enablement.")
{
    ServeCommand.Create(),
    TourCommand.Create(),
    AdminCommand.Create(),
    TokenCommand.Create(),
    AuditCommand.Create(),
    DoctorCommand.Create(),
};

try
{
    var parsed = root.Parse(args);
    var code = await parsed.InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
    return parsed.Errors.Count > 0 ? 2 : code;
}
catch (Exception e) when (e is SettingsException or DataFolderException)
{
    Console.Error.WriteLine("keyreeve: " + e.Message);
    return 2;
}
