using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using Keyreeve.Client;
using Spectre.Console;

namespace Keyreeve.Server.Tour;

/// <summary>
/// <c>keyreeve tour seal</c>: plays the figures of TS 33.434 clauses 5.2.4, 5.2.5 and 5.3.1, provisioning by a VAL server and the
/// interconnection of two VAL systems (5.4) as real clients over the network, and prints every step under its number. 0 only when all steps held.
/// </summary>
public static class SealTour
{
    /// <summary>As the other one, on plain text without colour.</summary>
    public static Task<int> RunAsync(TourStage stage, TourStage primary, TextWriter output, TourSpoil spoil, CancellationToken cancel)
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Ansi = AnsiSupport.No, ColorSystem = ColorSystemSupport.NoColors, Out = new AnsiConsoleOutput(output) });
        return RunAsync(stage, primary, console, spoil, cancel);
    }

    /// <summary>Plays the tour on <paramref name="stage"/>, with <paramref name="primary"/> as the partner whose users come. The last line is <c>All steps held.</c> or begins with <c>FAILED at TS 33.434</c>.</summary>
    /// <returns>0 when all steps held, else 1.</returns>
    public static async Task<int> RunAsync(TourStage stage, TourStage primary, IAnsiConsole output, TourSpoil spoil, CancellationToken cancel)
    {
        var clock = TimeProvider.System;
        var print = new TourPrinter(output, clock);
        var stop = await PlayAsync(stage, primary, print, spoil, clock, cancel);
        print.Last(stop is null ? "All steps held." : $"FAILED at TS 33.434 {print.Current}: expected {stop.Expected}, got {stop.Found}");
        return stop is null ? 0 : 1;
    }

    private static async Task<TourStop?> PlayAsync(TourStage stage, TourStage primary, TourPrinter print, TourSpoil spoil, TimeProvider clock, CancellationToken cancel)
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
            using var operators = new TourOperator(stage, roots);
            return await new SealScenes(cast, issuer, tunnel, roots, operators, print, spoil, clock).PlayAsync(cancel)
                ?? await new InterconnectionScenes(primary, issuer, operators, roots, print, spoil, clock).PlayAsync(cancel);
        }
        catch (Exception broken) when (broken is HttpRequestException or IOException or SocketException or AuthenticationException or CryptographicException or UnauthorizedAccessException)
        {
            return new("an answer", $"a broken connection: {broken.Message}{(broken.InnerException is { } inner ? " " + inner.Message : "")}");
        }
        catch (JsonException)
        {
            return new("an answer in JSON", "one that does not read");
        }
        catch (TaskCanceledException) when (!cancel.IsCancellationRequested)
        {
            return new("an answer", "none within 30 s");
        }
    }
}
