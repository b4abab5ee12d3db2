using System.CommandLine;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text.Json;
using Keyreeve.Server.Hosting;
using Keyreeve.Server.Settings;
using Spectre.Console;

namespace Keyreeve.Server.Cli;

/// <summary><c>keyreeve doctor</c>: what is missing on this machine, and the command that mends it.</summary>
internal static class DoctorCommand
{
    private enum Verdict
    {
        Good,
        Note,
        Bad,
    }

    public static Command Create()
    {
        var data = new Option<string>("--data") { Description = "the data folder", DefaultValueFactory = _ => "./data" };
        var config = new Option<string?>("--config") { Description = "a JSON file with settings" };
        var command = new Command("doctor", "Say what is missing on this machine and how to mend it.") { data, config };
        command.SetAction((parse, cancel) => RunAsync(parse.GetValue(data)!, parse.GetValue(config), cancel));
        return command;
    }

    private static async Task<int> RunAsync(string data, string? config, CancellationToken cancel)
    {
        var findings = new List<(Verdict Verdict, string What, string Cure)>
        {
            Library("libsqlite3.so.0", Verdict.Bad, "the embedded store needs it: apt-get install libsqlite3-0"),
            Library("libgnutls.so.30", Verdict.Note, "TLS-PSK and DTLS listeners will need it: apt-get install libgnutls30"),
            Clock(),
        };
        ServerSettings? settings = null;
        try
        {
            settings = ServeCommand.ReadSettings(config, null, []);
            findings.Add((Verdict.Good, "settings are readable", ""));
        }
        catch (SettingsException e)
        {
            findings.Add((Verdict.Bad, "settings are wrong", e.Message));
        }
        var served = ServedBy(data);
        if (settings is not null)
            findings.AddRange(settings.Listeners.Where(l => !l.Value.IsOff).Select(l => Port(l.Key, l.Value, served)));
        findings.AddRange(Folder(data));
        findings.AddRange(CertificateFindings.Of(data, settings, TimeProvider.System.GetUtcNow()).Select(Of));
        if (settings?.SealKeyFile is { } keyFile)
            findings.Add(Of(ServerFindings.KeyFile(keyFile)));
        if (served.Listeners.TryGetValue("health", out var health))
            findings.AddRange((await ServerFindings.ReadinessAsync(health, cancel)).Select(Of));
        if (settings?.Postgres is { } address)
            findings.AddRange((await DatabaseFindings.OfAsync(address, cancel)).Select(Of));
        if (settings is { NdsIpPeers.Count: > 0 })
            findings.AddRange((await NdsIpFindings.OfAsync(settings.NdsIpPeers, cancel)).Select(Of));
        foreach (var (verdict, what, cure) in findings)
        {
            var mark = verdict switch { Verdict.Good => "[green]ok  [/]", Verdict.Note => "[yellow]note[/]", Verdict.Bad => "[red]BAD [/]" };
            AnsiConsole.MarkupLine($"{mark} {Markup.Escape(what)}");
            if (verdict != Verdict.Good)
                AnsiConsole.MarkupLine($"     {Markup.Escape(cure)}");
        }
        return findings.Exists(f => f.Verdict == Verdict.Bad) ? 1 : 0;
    }

    private static (Verdict, string, string) Of(Finding finding) =>
        (finding.IsBad ? Verdict.Bad : finding.Cure.Length > 0 ? Verdict.Note : Verdict.Good, finding.What, finding.Cure);

    private static (Verdict, string, string) Library(string name, Verdict missing, string cure)
    {
        if (!NativeLibrary.TryLoad(name, out var handle))
            return (missing, $"{name} is missing", cure);
        NativeLibrary.Free(handle);
        return (Verdict.Good, $"{name} is there", "");
    }

    /// <summary>The 5 s window of key requests needs a disciplined clock; the kernel knows whether it is.</summary>
    private static (Verdict, string, string) Clock() => KernelClock.IsSynchronised() switch
    {
        true => (Verdict.Good, "the clock is synchronised", ""),
        false => (Verdict.Note, "the kernel does not know the clock as synchronised", KernelClock.Cure),
        null => (Verdict.Note, "the state of the clock is not known", "make sure that NTP runs: key requests carry the time to within 5 s"),
    };

    /// <summary>The process that serves this folder, and what it bound; none when it does not run.</summary>
    private static (int Process, Dictionary<string, string> Listeners) ServedBy(string data)
    {
        var file = Path.Combine(data, "listeners.json");
        if (!File.Exists(file))
            return (0, []);
        try
        {
            using var json = JsonDocument.Parse(File.ReadAllBytes(file));
            var process = json.RootElement.GetProperty("pid").GetInt32();
            return Directory.Exists($"/proc/{process}")
                ? (process, json.RootElement.GetProperty("listeners").EnumerateObject().ToDictionary(l => l.Name, l => l.Value.GetString()!))
                : (0, []);
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            return (0, []);
        }
    }

    private static (Verdict, string, string) Port(string name, ListenerAddress address, (int Process, Dictionary<string, string> Listeners) served)
    {
        if (served.Listeners.ContainsValue(address.ToString()))
            return (Verdict.Good, $"listener {name}: {address} is served by this folder's server (process {served.Process})", "");
        if (address.Port == 0)
            return (Verdict.Good, $"listener {name} takes a free port", "");
        using var socket = new Socket(address.Host!.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.Bind(new System.Net.IPEndPoint(address.Host, address.Port));
            return (Verdict.Good, $"listener {name}: {address} is free", "");
        }
        catch (SocketException e)
        {
            return (name == "https" ? Verdict.Bad : Verdict.Note, $"listener {name}: {address} cannot be bound ({e.SocketErrorCode})",
                $"is it your own server? Then --data with its folder. Else stop what uses it, or set Listeners:{name}:Address");
        }
    }

    private static IEnumerable<(Verdict, string, string)> Folder(string data)
    {
        if (!Directory.Exists(data))
        {
            yield return (Verdict.Note, $"there is no data folder {data} yet", "the first 'keyreeve serve' makes it");
            yield break;
        }
        foreach (var name in (string[])["kek", "kek.old", "admin.key", "demo.json"])
        {
            var file = Path.Combine(data, name);
            if (!File.Exists(file))
                continue;
            var open = (File.GetUnixFileMode(file) & ~(UnixFileMode.UserRead | UnixFileMode.UserWrite)) != UnixFileMode.None;
            yield return open ? (Verdict.Bad, $"{file} can be read by others", $"chmod 600 {file}") : (Verdict.Good, $"{file} is readable by its owner only", "");
        }
        if (File.Exists(Path.Combine(data, "keyreeve.db")) && !File.Exists(Path.Combine(data, "kek")) && Environment.GetEnvironmentVariable("KEYREEVE_KEK") is null)
            yield return (Verdict.Bad, "the KEK is missing, the database is sealed by it", "put the file 'kek' back, or set KEYREEVE_KEK");
        var free = new DriveInfo(Path.GetFullPath(data)).AvailableFreeSpace / (1024 * 1024);
        yield return free > 512 ? (Verdict.Good, $"{free} MB are free", "") : (Verdict.Note, $"only {free} MB are free", "the audit grows with use: make room");
    }
}
