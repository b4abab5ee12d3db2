using System.CommandLine;
using System.Text.Json.Nodes;
using Keyreeve.Server.Admin.Audit;

namespace Keyreeve.Server.Cli;

/// <summary><c>keyreeve admin audit</c></summary>
internal static class AdminAuditCommands
{
    private static readonly string[] Columns = ["at", "kind", "outcome", "actor", "clientId", "subject", "detail", "source", "correlationId", "node", "seq"];

    public static Command Create(AdminTools tools) => new("audit", "The audit of a running server. To check its chain: keyreeve audit verify.") { CreateList(tools), CreateExport(tools) };

    private static Command CreateList(AdminTools tools)
    {
        var filters = ListAudit.Filters.Select(name => (Name: name, Option: new Option<string?>(name == "correlationId" ? "--correlation" : "--" + name) { Description = DescriptionOf(name) })).ToList();
        var limit = new Option<int>("--limit") { Description = "lines at most", DefaultValueFactory = _ => 100 };
        var command = new Command("list", "List lines, newest first.") { limit };
        foreach (var (_, option) in filters)
            command.Options.Add(option);
        command.SetAction((parse, cancel) => tools.RunAsync(parse, async (server, output) =>
        {
            var most = parse.GetValue(limit);
            if (most < 1)
                throw AdminFailure.Usage("--limit is 1 or more");
            var query = string.Concat(filters.Select(f => parse.GetValue(f.Option) is { } value ? $"&{f.Name}={Uri.EscapeDataString(value)}" : ""));
            var items = new JsonArray();
            var (next, incomplete) = ((string?)null, false);
            do
            {
                var page = (await server.GetAsync($"audit?limit={Math.Min(most - items.Count, 1000)}{query}{(next is null ? "" : "&after=" + Uri.EscapeDataString(next))}")).Document;
                foreach (var item in page["items"]!.AsArray())
                    items.Add(item!.DeepClone());
                (next, incomplete) = ((string?)page["next"], (bool)page["incomplete"]!);
            }
            while (next is not null && items.Count < most && !cancel.IsCancellationRequested);
            output.List(items, Columns, "such line");
            if (incomplete)
                Console.Error.WriteLine("keyreeve: lines from before the upgrade are still being made searchable; older ones may be missing here");
        }));
        return command;
    }

    private static Command CreateExport(AdminTools tools)
    {
        var node = new Option<string?>("--node") { Description = "this node's chain only" };
        var after = new Option<string[]>("--after") { Description = "go on after this line, as NODE:SEQ; may be repeated" };
        var file = new Option<string?>("--out") { Description = "write to this new file instead of standard output" };
        var command = new Command("export", "Write the chains as lines of JSON, to be verified with: keyreeve audit verify --export FILE") { node, after, file };
        command.SetAction((parse, cancel) => tools.RunAsync(parse, async (server, _) =>
        {
            var query = (parse.GetValue(after) ?? []).Select(a => "after=" + Uri.EscapeDataString(a));
            if (parse.GetValue(node) is { } one)
                query = query.Prepend("node=" + Uri.EscapeDataString(one));
            var path = "audit/export" + string.Concat(query.Select((q, i) => (i == 0 ? "?" : "&") + q));
            await using var output = parse.GetValue(file) is { } name ? AdminFiles.Create("--out", name) : Console.OpenStandardOutput();
            await server.CopyAsync(path, output, cancel);
        }));
        return command;
    }

    private static string DescriptionOf(string filter) => filter switch
    {
        "from" => "not before, as 2026-01-31T12:00:00Z",
        "to" => "before, as 2026-01-31T13:00:00Z",
        "kind" => "a kind, or the beginning of one with a dot at its end, as token.",
        "outcome" => "granted, refused or changed",
        "correlationId" => "the reference in the log or on an error page",
        _ => "exactly this " + filter,
    };
}
