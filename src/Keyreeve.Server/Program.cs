using System.CommandLine;
using Keyreeve.Server.Cli;
using Keyreeve.Server.Hosting;
using Keyreeve.Server.Settings;
using Keyreeve.Storage;

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
        ProcessTerminationTimeout = TimeSpan.FromSeconds(10), // requests under way are finished first
    });
}
catch (Exception e) when (e is SettingsException or DataFolderException or SchemaRefusedException or UnauthorizedAccessException or IOException)
{
    Console.Error.WriteLine("keyreeve: " + e.Message);
    return 2;
}
