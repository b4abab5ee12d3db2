using System.CommandLine;
using System.Text.Json.Nodes;

namespace Keyreeve.Server.Cli;

/// <summary><c>keyreeve admin user</c></summary>
internal static class AdminUserCommands
{
    private static readonly AdminResource Users = new("user", "People who log in.", "users", "subject",
        ["username", "subject", "displayName", "valUserId", "valServiceIds", "disabled", "lockedUntil"],
        [
            AdminFlag.Text("--username", "username", "what the user types"),
            AdminFlag.Text("--display-name", "displayName", "shown on pages"),
            AdminFlag.Text("--email", "email", "e-mail address"),
            AdminFlag.Text("--val-user-id", "valUserId", "VAL user ID"),
            AdminFlag.Text("--val-ue-id", "valUeId", "VAL UE ID of the user's device"),
            AdminFlag.Texts("--service", "valServiceIds", "a VAL service mapped to the user"),
            AdminFlag.Text("--password-file", "password", "a file with the password, or - for standard input; without it one is made") with { IsFile = true, OnlyAdd = true },
        ])
    {
        NameMember = "username",
        Secret = ("generatedPassword", "password"),
        ResolveAsync = ResolveAsync,
    };

    public static Command Create(AdminTools tools)
    {
        var command = Users.CreateCommand(tools);
        command.Subcommands.Add(CreatePassword(tools));
        command.Subcommands.Add(CreateSwitch(tools, "disable", "No login any more; sessions, grants and tokens end.", "disabled"));
        command.Subcommands.Add(CreateSwitch(tools, "enable", "Login again.", "enabled"));
        command.Subcommands.Add(CreateSwitch(tools, "unlock", "End a lock after wrong passwords or codes.", "unlocked"));
        command.Subcommands.Add(new Command("second-factor", "What a user has beside a password.") { CreateFactorList(tools), CreateFactorRemove(tools) });
        return command;
    }

    private static Command CreateFactorList(AdminTools tools)
    {
        var id = Users.IdArgument();
        var command = new Command("list", "List all: authenticator app, recovery codes, passkeys.") { id };
        command.SetAction((parse, _) => tools.RunAsync(parse, async (server, output) =>
            output.List(await server.ListAsync(await Users.PathOfAsync(server, parse.GetValue(id)!) + "/second-factors"), ["factor", "kind", "name", "createdAt", "lastUsedAt", "left"], "second factor")));
        return command;
    }

    private static Command CreateFactorRemove(AdminTools tools)
    {
        var id = Users.IdArgument();
        var factor = new Argument<string>("factor") { Description = "totp, recovery, or the ID of a passkey (see: list)" };
        var command = new Command("remove", "Take one away, as from a user who lost it; sessions end.") { id, factor };
        command.SetAction((parse, _) => tools.RunAsync(parse, async (server, output) =>
        {
            var path = await Users.PathOfAsync(server, parse.GetValue(id)!);
            await server.SendAsync(HttpMethod.Delete, $"{path}/second-factors/{Uri.EscapeDataString(parse.GetValue(factor)!)}", null, null, null);
            output.Done($"removed {parse.GetValue(factor)} of {parse.GetValue(id)}", null);
        }));
        return command;
    }

    /// <summary>A user is named by name or by subject. A name wins: what looks like a subject may be somebody's name.</summary>
    private static async Task<string> ResolveAsync(AdminServer server, string typed)
    {
        var found = (await server.GetAsync("users?username=" + Uri.EscapeDataString(typed))).Document["items"]!.AsArray();
        if (found.Count == 1)
            return (string)found[0]!["subject"]!;
        return Core.Identity.User.IsSubject(typed) ? typed : throw AdminFailure.Refused($"there is no user {typed}; see: keyreeve admin user list");
    }

    private static Command CreatePassword(AdminTools tools)
    {
        var id = Users.IdArgument();
        var file = new Option<string?>("--password-file") { Description = "a file with the password, or - for standard input; without it one is made" };
        var temporary = new Option<bool>("--temporary") { Description = "for one login, which ends with a new password" };
        var command = new Command("password", "Set a password; sessions, grants and tokens end.") { id, file, temporary };
        command.SetAction((parse, _) => tools.RunAsync(parse, async (server, output) =>
        {
            var body = new JsonObject();
            if (parse.GetValue(file) is { } name)
                body["password"] = AdminFiles.ReadText("--password-file", name).TrimEnd('\r', '\n');
            if (parse.GetValue(temporary))
                body["temporary"] = true;
            var path = await Users.PathOfAsync(server, parse.GetValue(id)!);
            var answer = (await server.SendAsync(HttpMethod.Post, path + "/password", body, null, new Dictionary<string, string> { ["password"] = "--password-file" })).Document;
            output.Done($"the password of {parse.GetValue(id)} was set", answer);
            output.Secret("password", (string?)answer["generatedPassword"]);
        }));
        return command;
    }

    private static Command CreateSwitch(AdminTools tools, string verb, string description, string done)
    {
        var id = Users.IdArgument();
        var command = new Command(verb, description) { id };
        command.SetAction((parse, _) => tools.RunAsync(parse, async (server, output) =>
        {
            var path = await Users.PathOfAsync(server, parse.GetValue(id)!);
            output.Done($"{done} user {parse.GetValue(id)}", (await server.SendAsync(HttpMethod.Post, $"{path}/{verb}", null, null, null)).Document);
        }));
        return command;
    }
}
