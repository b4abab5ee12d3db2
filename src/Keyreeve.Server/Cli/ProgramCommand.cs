using System.CommandLine;
using System.CommandLine.Help;

namespace Keyreeve.Server.Cli;

/// <summary><c>keyreeve</c>, with everything below it.</summary>
public static class ProgramCommand
{
    /// <summary>A new one.</summary>
    public static Command Create() => new("keyreeve", "Keyreeve issues and checks the credentials of 3GPP application enablement.")
    {
        HelpExamples.AddTo(new HelpOption()),
        new VersionOption(),
        ServeCommand.Create(),
        TourCommand.Create(),
        AdminCommand.Create(),
        SealCommand.Create(),
        TokenCommand.Create(),
        AuditCommand.Create(),
        BackupCommand.Create(),
        RestoreCommand.Create(),
        DoctorCommand.Create(),
    };
}
