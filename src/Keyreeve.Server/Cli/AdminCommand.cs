using System.CommandLine;

namespace Keyreeve.Server.Cli;

/// <summary><c>keyreeve admin</c>: everything over the admin API, with an operator certificate. Only <c>db</c> works on the store itself. Exit codes: 0 done, 1 refused or no answer, 2 wrong usage.</summary>
internal static class AdminCommand
{
    public static Command Create()
    {
        var connection = new AdminConnectionOptions();
        var json = new Option<bool>("--json") { Description = "print JSON and nothing else", Recursive = true };
        var tools = new AdminTools(connection, json);
        var command = new Command("admin", "Manage users, clients, VAL services, trusted issuers, devices, keys and operators of a running server.")
        {
            AdminUserCommands.Create(tools),
            AdminClientCommands.Create(tools),
            AdminResource.Services.CreateCommand(tools),
            AdminResource.Issuers.CreateCommand(tools),
            AdminResource.Devices.CreateCommand(tools),
            AdminKeyCommands.Create(tools),
            AdminProfileCommands.Create(tools),
            AdminCertificateCommands.Create(tools),
            AdminSigningKeyCommands.Create(tools),
            AdminOperatorCommands.Create(tools),
            AdminStoreCommands.Create(connection.Data, json),
            AdminKekCommands.Create(tools),
            AdminAuditCommands.Create(tools),
            AdminOutboxCommands.Create(tools),
        };
        foreach (var option in connection.All)
            command.Options.Add(option);
        command.Options.Add(json);
        return command;
    }
}

/// <summary>What every admin command needs: a way to the server, and a way to print.</summary>
internal sealed class AdminTools(AdminConnectionOptions connection, Option<bool> json)
{
    /// <summary>Runs a command against the server, with its errors told on standard error.</summary>
    public async Task<int> RunAsync(ParseResult parse, Func<AdminServer, AdminOutput, Task> work)
    {
        try
        {
            using var server = connection.Open(parse);
            await work(server, new AdminOutput(parse.GetValue(json)));
            return 0;
        }
        catch (AdminFailure e)
        {
            return Tell(e);
        }
    }

    /// <summary>Runs a command that asks no server.</summary>
    public async Task<int> RunAloneAsync(ParseResult parse, Func<AdminOutput, Task> work)
    {
        try
        {
            await work(new AdminOutput(parse.GetValue(json)));
            return 0;
        }
        catch (AdminFailure e)
        {
            return Tell(e);
        }
    }

    private static int Tell(AdminFailure e)
    {
        Console.Error.WriteLine("keyreeve: " + AdminOutput.Printable(e.Message));
        return e.ExitCode;
    }
}

/// <summary>Something went wrong that a person can mend; the message says how.</summary>
internal sealed class AdminFailure(int exitCode, string message) : Exception(message)
{
    public int ExitCode { get; } = exitCode;

    /// <summary>The command line or a file it names is wrong.</summary>
    public static AdminFailure Usage(string message) => new(2, message);

    /// <summary>The server refused, or does not answer.</summary>
    public static AdminFailure Refused(string message) => new(1, message);
}
