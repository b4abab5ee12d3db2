using System.CommandLine;
using System.Globalization;
using System.Reflection;
using Keyreeve.Server.Demo;
using Keyreeve.Server.Hosting;
using Keyreeve.Storage;

namespace Keyreeve.Server.Cli;

/// <summary><c>keyreeve backup</c></summary>
internal static class BackupCommand
{
    public static Command Create()
    {
        var file = new Argument<string>("file") { Description = "a file that is not there yet" };
        var (data, config) = (StorePlace.DataOption(), StorePlace.ConfigOption());
        var command = new Command("backup", "Write the whole store into one file; the server may run. The KEK is never in it: keep it elsewhere.") { file, data, config };
        command.SetAction((parse, cancel) => StoreCommand.RunAsync(progress =>
            RunAsync(parse.GetValue(file)!, DataFolder.Existing(parse.GetValue(data)!), parse.GetValue(config), progress, cancel)));
        return command;
    }

    private static async Task RunAsync(string file, DataFolder folder, string? config, Action<TransferProgress> progress, CancellationToken cancel)
    {
        var place = StorePlace.Of(folder, ServeCommand.ReadSettings(config, null, []));
        using var kek = StoreCommand.RequireKek(folder, "a backup is sealed by the KEK of its store");
        await using var door = await place.ReadAsync(cancel);
        var attachments = folder.IsDemo ? DemoFolder.Read(folder) : new Dictionary<string, byte[]>(StringComparer.Ordinal);
        var origin = new BackupOrigin(ProgramVersion, place.Node, TimeProvider.System.GetUtcNow().ToUnixTimeSeconds(), folder.IsDemo);
        var header = await BackupWriter.WriteAsync(door, kek, origin, attachments, file, progress, cancel);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{Path.GetFullPath(file)}: {header.Rows.Values.Sum()} rows in {header.Rows.Count} tables, {new FileInfo(file).Length} octets"));
        Console.WriteLine($"a restore needs KEK {string.Join(" and ", header.Keks.Append(kek.Id).Distinct(StringComparer.Ordinal))}, which is not in the file: keep it elsewhere");
    }

    /// <summary>Without the build's own mark.</summary>
    private static string ProgramVersion => Assembly.GetExecutingAssembly().GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0] ?? "?";
}
