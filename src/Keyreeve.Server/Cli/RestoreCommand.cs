using System.CommandLine;
using System.Globalization;
using Keyreeve.Server.Demo;
using Keyreeve.Server.Hosting;
using Keyreeve.Storage;

namespace Keyreeve.Server.Cli;

/// <summary><c>keyreeve restore</c></summary>
internal static class RestoreCommand
{
    public static Command Create()
    {
        var file = new Argument<string>("file") { Description = "what keyreeve backup wrote" };
        var (data, config) = (StorePlace.DataOption(), StorePlace.ConfigOption());
        var keep = new Option<bool>("--keep-grants") { Description = "let refresh tokens go on working; one that was rotated since the backup can then be used once more by whoever has it" };
        var damage = new Option<bool>("--accept-damage") { Description = "restore although the audit's chain is broken or a sealed value does not open" };
        var command = new Command("restore", "Make a store out of a backup, in a folder that has none. The server is stopped; the KEK is there already.") { file, data, config, keep, damage };
        command.SetAction((parse, cancel) => StoreCommand.RunAsync(progress =>
            RunAsync(parse.GetValue(file)!, parse.GetValue(data)!, parse.GetValue(config), new(parse.GetValue(keep), parse.GetValue(damage)), progress, cancel)));
        return command;
    }

    private static async Task RunAsync(string file, string data, string? config, RestoreChoices choices, Action<TransferProgress> progress, CancellationToken cancel)
    {
        var settings = ServeCommand.ReadSettings(config, null, []);
        using var backup = BackupReader.Open(file);
        var needs = $"the backup needs KEK {string.Join(" and ", backup.NeededKeks)}";
        // Asked before the folder is made: without the KEK nothing is left behind.
        if (!Directory.Exists(data) && Environment.GetEnvironmentVariable("KEYREEVE_KEK") is not { Length: > 0 })
            throw new DataFolderException($"{needs}, and there is none: make {Path.GetFullPath(data)} (mode 0700) and put the KEK into {Path.Combine(Path.GetFullPath(data), "kek")} (43 characters, mode 0600), or set KEYREEVE_KEK. It is never part of a backup. Nothing was changed");
        using var folder = DataFolder.Hold(data, make: true);
        using var kek = StoreCommand.RequireKek(folder, needs);
        if (folder.IsDemo && !backup.Header.Demo)
            throw new TransferRefusedException($"{folder.Root} was created with --demo, and the backup is not of a demo: give another folder");
        var place = StorePlace.Of(folder, settings);
        place.DemandEmpty();
        StoreRestore.Check(backup, kek, progress, cancel);

        var attachments = new Dictionary<string, byte[]>(StringComparer.Ordinal);
        RestoredState? ended = null;
        IReadOnlyList<(string Thumbprint, string Name)> operators = [];
        await place.MakeAsync(async door =>
        {
            ended = await StoreRestore.RunAsync(backup, door, kek, choices, (name, octets) => Keep(attachments, name, octets, backup.Header.Demo), TimeProvider.System, progress, cancel);
            if (backup.Header.Demo && place.IsShared)
                await StoreStart.MarkDemoAsync(door, kek, attachments, TimeProvider.System, cancel);
            operators = await OperatorCertificates.ListAsync(new SealedStore(new OneConnection(door.Connection, TimeProvider.System, RestoredState.Node)), kek, cancel);
        }, () =>
        {
            if (backup.Header.Demo)
                DemoFolder.Write(folder, attachments);
        }, cancel);
        Tell(backup.Header, place, folder, ended!, operators, choices);
    }

    /// <summary>Nothing but the files of a demo, and only out of a demo's backup: a name in a file is never a path.</summary>
    private static void Keep(Dictionary<string, byte[]> attachments, string name, byte[] octets, bool demo)
    {
        if (!demo || !DemoFolder.Files.Contains(name, StringComparer.Ordinal) || !attachments.TryAdd(name, octets))
            throw new InvalidDataException("the backup carries a file that does not belong into one");
    }

    private static void Tell(BackupHeader backup, StorePlace place, DataFolder folder, RestoredState ended, IReadOnlyList<(string Thumbprint, string Name)> operators, RestoreChoices choices)
    {
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"restored {place.Name}: the state of {DateTimeOffset.FromUnixTimeSeconds(backup.At):u}, {backup.Rows.Values.Sum()} rows"));
        Console.WriteLine("what was used or ended since then is not known here, so it cannot be used again:");
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"  {(choices.KeepGrants ? "refresh tokens go on working (--keep-grants)" : $"{ended.Grants} grants are ended")}, {ended.Codes} codes and {ended.Sessions} sessions dropped, {ended.SigningKeys} signing keys revoked; the start makes new ones"));
        Console.WriteLine("what was changed since then is as it was before: do again what must be, above all users disabled, passwords and client secrets changed, operators removed");
        Console.WriteLine("operators who may act:");
        foreach (var (thumbprint, name) in operators)
            Console.WriteLine($"  {thumbprint}  {AdminOutput.Printable(name)}");
        Console.WriteLine($"now: keyreeve serve{(backup.Demo ? " --demo" : "")} --data {folder.Root}");
    }
}
