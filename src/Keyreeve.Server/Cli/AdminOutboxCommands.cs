using System.CommandLine;

namespace Keyreeve.Server.Cli;

/// <summary><c>keyreeve admin outbox</c></summary>
internal static class AdminOutboxCommands
{
    private static readonly string[] Columns = ["receiver", "waiting", "oldestAt", "attempts", "nextAttemptAt", "lastOutcome", "dropped"];

    public static Command Create(AdminTools tools)
    {
        var list = new Command("list", "List receivers and what waits for them.");
        list.SetAction((parse, _) => tools.RunAsync(parse, async (server, output) => output.List(await server.ListAsync("outbox"), Columns, "receiver")));

        var receiver = new Argument<string>("receiver") { Description = "as the list names it, e.g. events:fleet" };
        var drop = new Command("drop", "Throw away what waits for a receiver. It will never hear of it.") { receiver };
        drop.SetAction((parse, _) => tools.RunAsync(parse, async (server, output) =>
        {
            await server.SendAsync(HttpMethod.Delete, "outbox/" + Uri.EscapeDataString(parse.GetValue(receiver)!), null, null, null);
            output.Done($"dropped what waited for {parse.GetValue(receiver)}", null);
        }));
        return new Command("outbox", "What waits to be delivered to others.") { list, drop };
    }
}
