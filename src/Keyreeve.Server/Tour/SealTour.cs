using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Keyreeve.Client;
using Spectre.Console;

namespace Keyreeve.Server.Tour;

/// <summary>
/// <c>keyreeve tour seal</c>: plays the figures of TS 33.434 clauses 5.2.4, 5.2.5 and 5.3.1 as real clients over the network and
/// prints every step under its number. 0 only when all steps held.
/// </summary>
public static class SealTour
{
    /// <summary>As the other one, on plain text without colour.</summary>
    public static Task<int> RunAsync(TourStage stage, TextWriter output, TourSpoil spoil, CancellationToken cancel)
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Ansi = AnsiSupport.No, ColorSystem = ColorSystemSupport.NoColors, Out = new AnsiConsoleOutput(output) });
        return RunAsync(stage, console, spoil, cancel);
    }

    /// <summary>Plays the tour. The last line is <c>All steps held.</c> or begins with <c>FAILED at TS 33.434</c>.</summary>
    /// <returns>0 when all steps held, else 1.</returns>
    public static async Task<int> RunAsync(TourStage stage, IAnsiConsole output, TourSpoil spoil, CancellationToken cancel)
    {
        var clock = TimeProvider.System;
        var print = new TourPrinter(output, clock);
        var stop = await PlayAsync(stage, print, spoil, clock, cancel);
        print.Last(stop is null ? "All steps held." : $"FAILED at TS 33.434 {print.Current}: expected {stop.Expected}, got {stop.Found}");
        return stop is null ? 0 : 1;
    }

    private static async Task<TourStop?> PlayAsync(TourStage stage, TourPrinter print, TourSpoil spoil, TimeProvider clock, CancellationToken cancel)
    {
        try
        {
            if (DemoCast.Read(stage.DemoJsonPath, out var unread) is not { } cast)
                return unread;
            var roots = new X509Certificate2Collection();
            roots.ImportFromPemFile(stage.CaPem);
            using var tunnel = new TourTunnel(roots);
            // An issuer has no trailing slash, and Uri writes one: the text is compared byte for byte.
            var issuer = stage.Issuer.AbsoluteUri.TrimEnd('/');
            var scenes = new SealScenes(cast, issuer, tunnel, roots, print, spoil, clock);
            return await scenes.PlayAsync(cancel);
        }
        catch (Exception broken) when (broken is HttpRequestException or IOException or SocketException or AuthenticationException or CryptographicException or UnauthorizedAccessException)
        {
            return new("an answer", $"a broken connection: {broken.Message}{(broken.InnerException is { } inner ? " " + inner.Message : "")}");
        }
        catch (TaskCanceledException) when (!cancel.IsCancellationRequested)
        {
            return new("an answer", "none within 30 s");
        }
    }
}
