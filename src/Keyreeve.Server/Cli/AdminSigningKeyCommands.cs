using System.CommandLine;
using System.Text.Json.Nodes;

namespace Keyreeve.Server.Cli;

/// <summary><c>keyreeve admin signing-key</c></summary>
internal static class AdminSigningKeyCommands
{
    private static readonly string[] Columns = ["kid", "algorithm", "state", "createdAt", "activatesAt", "expiresAt"];

    public static Command Create(AdminTools tools)
    {
        var list = new Command("list", "List the keys that sign tokens.");
        list.SetAction((parse, _) => tools.RunAsync(parse, async (server, output) => output.List(await server.ListAsync("signing-keys"), Columns, "signing key")));

        var shown = new Argument<string>("kid");
        var show = new Command("show", "Show one.") { shown };
        show.SetAction((parse, _) => tools.RunAsync(parse, async (server, output) => output.Show(
            (await server.ListAsync("signing-keys")).FirstOrDefault(k => (string?)k!["kid"] == parse.GetValue(shown)) as JsonObject
                ?? throw AdminFailure.Refused($"there is no signing key {parse.GetValue(shown)}; see: keyreeve admin signing-key list"))));

        var rotate = new Command("rotate", "Publish the next keys now; they sign after the publish-ahead time, and no token dies.");
        rotate.SetAction((parse, _) => tools.RunAsync(parse, async (server, output) =>
            output.List((await server.SendAsync(HttpMethod.Post, "signing-keys/rotate", null, null, null)).Document["items"]!.AsArray(), Columns, "signing key")));

        var revoked = new Argument<string>("kid") { Description = "the key that leaked" };
        var revoke = new Command("revoke", "Emergency: take a key out at once. Every token it signed is dead.") { revoked };
        revoke.SetAction((parse, _) => tools.RunAsync(parse, async (server, output) =>
        {
            await server.SendAsync(HttpMethod.Delete, "signing-keys/" + Uri.EscapeDataString(parse.GetValue(revoked)!), null, null, null);
            output.Done($"revoked signing key {parse.GetValue(revoked)}; its successor signs now", null);
        }));
        return new Command("signing-key", "The keys that sign tokens.") { list, show, rotate, revoke };
    }
}
