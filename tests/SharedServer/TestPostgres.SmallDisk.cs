using System.Diagnostics;
using System.Globalization;
using Xunit;

namespace Keyreeve.Testing;

/// <summary>What of a database server lies on a small file system.</summary>
public enum SmallDisk
{
    /// <summary>The tablespace <c>small</c>: what does not fit is refused, and the server goes on.</summary>
    Tables,

    /// <summary>The write-ahead log: without room for it the server ends, and does not start.</summary>
    Log,
}

public sealed partial class TestPostgres
{
    /// <summary>
    /// Runs in a mount namespace of its own, so that what it mounts is seen by the server alone and gone with it: mounts, runs the keeper behind the words
    /// of $2, tidies up.
    /// </summary>
    private const string Mounter = """
        trap '' INT TERM HUP
        folder=$1 user=$2
        shift 2
        mount -t tmpfs -o size=128m,mode=1777 tmpfs "$folder/small" || { echo "the small file system is not mounted"; exit 1; }
        $user "$@"
        umount "$folder/small"
        rm -rf "$folder"
        """;

    /// <summary>One of which a part can be cut off from any more room. Skips the test where nothing can be mounted.</summary>
    public static async Task<TestPostgres> OnSmallDiskAsync(SmallDisk holds)
    {
        var programs = FindPrograms() ?? throw Missing();
        var folder = Directory.CreateTempSubdirectory("keyreeve-pg-").FullName;
        var small = Directory.CreateDirectory(Path.Combine(folder, "small")).FullName;
        // Root mounts; anybody else is root in a user namespace, and themselves in one within it, because PostgreSQL does not run as root.
        string[] space = ["unshare", "--mount", "--propagation=private"];
        var user = string.Join(' ', AsPostgres);
        if (GetEffectiveUserId() != 0)
        {
            space = ["unshare", "--user", "--map-root-user", "--mount"];
            user = string.Create(CultureInfo.InvariantCulture, $"unshare --user --map-user={GetEffectiveUserId()}");
        }
        else
            using (var chown = Process.Start("chown", ["postgres:", folder]))
                await chown.WaitForExitAsync();
        await DemandMountsAsync([.. space, "sh", "-c", $"mount -t tmpfs -o size=1m tmpfs {small} && {user} true"], folder);

        // Where no checkpoint comes in between, every write asks for room that was not had before.
        var (initdb, server) = holds == SmallDisk.Log
            ? ($"--waldir={small}/log --wal-segsize=1", "-c max_wal_size=4GB -c checkpoint_timeout=1h -c wal_recycle=off")
            : ("", "");
        var postgres = await StartKeeperAsync([.. space, "sh", "-c", Mounter, "mounter", folder, user, "sh", "-c", Keeper, "keeper", programs, folder, "on", initdb, server], folder);
        if (holds == SmallDisk.Tables)
        {
            await postgres.SayAsync("tables");
            await postgres.RunAsync("postgres", $"CREATE TABLESPACE small LOCATION '{small}/tables'");
        }
        return postgres;
    }

    /// <summary>Takes all the room of the small file system.</summary>
    public Task FillAsync() => SayAsync("fill");

    /// <summary>Gives it back.</summary>
    public Task FreeAsync() => SayAsync("free");

    /// <summary>Waits until it has ended by itself.</summary>
    public Task EndedAsync() => SayAsync("ended");

    private static async Task DemandMountsAsync(string[] command, string folder)
    {
        using var process = Process.Start(new ProcessStartInfo(command[0], command[1..]) { RedirectStandardError = true })!;
        var why = await process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        if (process.ExitCode == 0)
            return;
        Directory.Delete(folder, recursive: true);
        Assert.Skip("a small file system cannot be mounted here: " + why.Trim());
    }
}
