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
        var seal = new Command("seal", "SEAL: TS 33.434 clauses 5.2.3 to 5.2.6, 5.3.1 and 5.4.") { spoil };
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
            await using var primary = await StartAsync(Path.Combine(folder, "primary"), [], cancel);
            // The serving system fetches the primary's keys and asks it about tokens: both are on this machine, and the primary's root is its own.
            await using var serving = await StartAsync(Path.Combine(folder, "serving"), ["Outbound:AllowedNetworks=127.0.0.0/8 ::1/128", "Outbound:TrustAnchors=" + primary.Folder.CaPem], cancel);
            var code = await SealTour.RunAsync(StageOf(serving), StageOf(primary), AnsiConsole.Console, spoil, cancel);
            await serving.Application.StopAsync(cancel);
            await primary.Application.StopAsync(cancel);
            return code;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>Ports are free ones: a tour never meets a server that runs already.</summary>
    private static Task<KeyreeveServer> StartAsync(string folder, string[] more, CancellationToken cancel)
    {
        var settings = ServeCommand.ReadSettings(null, null, ["Listeners:https:Address=127.0.0.1:0", "Listeners:mtls:Address=127.0.0.1:0", "Listeners:health:Address=off", .. more]);
        return KeyreeveServer.StartAsync(new ServerOptions(folder, settings, Demo: true, Quiet: true), TimeProvider.System, Console.Error.WriteLine, cancel);
    }

    private static TourStage StageOf(KeyreeveServer server) => new(
        new Uri(server.Issuer), server.Folder.CaPem, server.Folder.Demo, new Uri($"https://localhost:{server.EndPoints["mtls"].Port}"), server.Folder.Path("admin.pem"), server.Folder.Path("admin.key"));
}
