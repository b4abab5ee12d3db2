using System.CommandLine;
using Keyreeve.Server.Hosting;
using Keyreeve.Server.Tour;
using Spectre.Console;

namespace Keyreeve.Server.Cli;

/// <summary><c>keyreeve tour</c>: a throw-away server, and real clients that play the specification's figures against it.</summary>
internal static class TourCommand
{
    public static Command Create()
    {
        var spoil = new Option<TourSpoil>("--spoil") { Description = "break one step on purpose, to see it refused", DefaultValueFactory = _ => TourSpoil.None };
        var seal = new Command("seal", "SEAL: TS 33.434 clauses 5.2.4, 5.2.5 and 5.3.1.") { spoil };
        seal.SetAction((parse, cancel) => RunAsync(parse.GetValue(spoil), cancel));
        var all = new Command("all", "Every tour there is.");
        all.SetAction((_, cancel) => RunAsync(TourSpoil.None, cancel));
        return new Command("tour", "Start a throw-away server and play a reference point as a real client.") { seal, all };
    }

    private static async Task<int> RunAsync(TourSpoil spoil, CancellationToken cancel)
    {
        var folder = Directory.CreateTempSubdirectory("keyreeve-tour-").FullName;
        try
        {
            // Ports are free ones: a tour never meets a server that runs already.
            var settings = ServeCommand.ReadSettings(null, null, ["Listeners:https:Address=127.0.0.1:0", "Listeners:mtls:Address=127.0.0.1:0", "Listeners:health:Address=off"]);
            await using var server = await KeyreeveServer.StartAsync(new ServerOptions(folder, settings, Demo: true, Quiet: true), TimeProvider.System, Console.Error.WriteLine, cancel);
            var code = await SealTour.RunAsync(new TourStage(new Uri(server.Issuer), server.Folder.CaPem, server.Folder.Demo), AnsiConsole.Console, spoil, cancel);
            await server.Application.StopAsync(cancel);
            return code;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
