using System.Data.Common;
using Keyreeve.Core.Keys;
using Keyreeve.Server.Hosting;
using Keyreeve.Storage;
using Spectre.Console;

namespace Keyreeve.Server.Cli;

/// <summary>What the commands that work on a whole store share: their errors, their progress bar, the KEK.</summary>
internal static class StoreCommand
{
    /// <summary>Runs a command. Exit code 1 is a refusal: the store is as it was, or marked as unusable.</summary>
    public static async Task<int> RunAsync(Func<Action<TransferProgress>, Task> work)
    {
        try
        {
            await WithBarAsync(work);
            return 0;
        }
        catch (Exception e) when (e is TransferRefusedException or InvalidDataException or DbException or IOException or UnauthorizedAccessException or SchemaRefusedException or StoreRefusedException or StoreUnavailableException)
        {
            Console.Error.WriteLine("keyreeve: " + AdminOutput.Printable(e.Message));
            return 1;
        }
        catch (OperationCanceledException)
        {
            Console.Error.WriteLine("keyreeve: stopped");
            return 1;
        }
    }

    /// <summary>The KEK that a store needs; never a new one.</summary>
    public static Kek RequireKek(DataFolder folder, string needs) => folder.FindKek()
        ?? throw new DataFolderException($"{needs}, and there is none: put the KEK into {folder.Path("kek")} (43 characters, mode 0600), or set KEYREEVE_KEK. It is never part of a backup. Nothing was changed");

    /// <summary>A bar for a person at a terminal; on standard error, so that standard output is the command's alone.</summary>
    private static Task WithBarAsync(Func<Action<TransferProgress>, Task> work)
    {
        if (Console.IsErrorRedirected)
            return work(_ => { });
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) });
        return console.Progress().AutoClear(true)
            .Columns(new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn(), new PercentageColumn(), new RemainingTimeColumn())
            .StartAsync(context =>
            {
                ProgressTask? task = null;
                (string, string) now = default;
                return work(step =>
                {
                    if (now != (step.Doing, step.Table))
                    {
                        now = (step.Doing, step.Table);
                        task?.StopTask();
                        task = context.AddTask(Markup.Escape($"{step.Doing} {step.Table}"), maxValue: Math.Max(1, step.Total)).IsIndeterminate(step.Total == 0);
                    }
                    task!.MaxValue = Math.Max(1, step.Total);
                    task.Value = step.Rows;
                });
            });
    }
}
