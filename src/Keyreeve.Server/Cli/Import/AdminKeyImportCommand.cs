using System.CommandLine;
using System.Text.Json.Nodes;
using Spectre.Console;

namespace Keyreeve.Server.Cli.Import;

/// <summary><c>keyreeve admin key import FILE</c>: many key records at once, resumable, each line added or told of.</summary>
internal static class AdminKeyImportCommand
{
    public static Command Create(AdminTools tools)
    {
        var file = new Argument<string>("FILE") { Description = "lines of JSON: {\"serviceId\":\"S\",\"userId\":\"U\",\"payload\":\"P\"}, instead of userId also deviceId, clientId or none; optional activatesAt and expiresAt" };
        var dry = new Option<bool>("--dry-run") { Description = "only read every line; needs no server and changes nothing" };
        var command = new Command("import", "Import key records. Run it again after an interruption: it goes on. What is there already stays as it is. Refused lines are in FILE.refused.") { file };
        command.Options.Add(dry);
        command.SetAction((parse, cancel) => parse.GetValue(dry)
            ? tools.RunAloneAsync(parse, output => WithBarAsync(async progress =>
            {
                using var import = new KeyImport(parse.GetValue(file)!, progress);
                var counts = await import.TryAsync(cancel);
                return (import, counts, "read");
            }, output))
            : tools.RunAsync(parse, (server, output) => WithBarAsync(async progress =>
            {
                using var import = new KeyImport(parse.GetValue(file)!, progress);
                var counts = await import.RunAsync(server, cancel);
                return (import, counts, import.WentOn ? "imported, after an interruption" : "imported");
            }, output)));
        return command;
    }

    /// <summary>A bar for a person at a terminal; on standard error, so that standard output is the command's alone.</summary>
    private static async Task WithBarAsync(Func<Action<long, long>, Task<(KeyImport Import, ImportCounts Counts, string Did)>> work, AdminOutput output)
    {
        var done = Console.IsErrorRedirected ? await work((_, _) => { }) : await UnderBarAsync(work);
        Tell(output, done.Import, done.Counts, done.Did);
    }

    private static Task<T> UnderBarAsync<T>(Func<Action<long, long>, Task<T>> work)
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) });
        return console.Progress().AutoClear(true)
            .Columns(new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn(), new PercentageColumn(), new RemainingTimeColumn())
            .StartAsync(context =>
            {
                var bar = context.AddTask("key records");
                return work((octets, of) => (bar.MaxValue, bar.Value) = (Math.Max(1, of), octets));
            });
    }

    /// <summary>A reason is what the member is or has, or a sentence that may name it.</summary>
    private static string Sentence(RefusedLine line) =>
        line.Param is not { } param || line.Reason.StartsWith(param + " ", StringComparison.Ordinal) ? line.Reason
        : line.Reason.StartsWith("is ", StringComparison.Ordinal) || line.Reason.StartsWith("has ", StringComparison.Ordinal) ? $"{param} {line.Reason}"
        : $"{param}: {line.Reason}";

    private static void Tell(AdminOutput output, KeyImport import, ImportCounts counts, string did)
    {
        var report = import.Report!;
        output.Done($"{counts.Lines} lines {did}: {counts.Added} added, {counts.Changed} changed, {counts.Unchanged} there already, {counts.Refused} refused, {counts.Empty} empty", new JsonObject
        {
            ["lines"] = counts.Lines,
            ["added"] = counts.Added,
            ["changed"] = counts.Changed,
            ["unchanged"] = counts.Unchanged,
            ["refused"] = counts.Refused,
            ["empty"] = counts.Empty,
            ["report"] = counts.Refused > 0 ? report.File : null,
        });
        if (counts.Refused == 0)
            return;
        foreach (var line in report.First)
            Console.Error.WriteLine(AdminOutput.Printable($"line {line.Line}: {Sentence(line)}"));
        throw AdminFailure.Refused($"{counts.Refused} of {counts.Lines} lines were refused{(report.First.Count < counts.Refused ? $", the first {report.First.Count} of this run are above" : "")}; all are in {report.File}");
    }
}
