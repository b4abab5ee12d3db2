using System.Net;
using System.Text.Json.Nodes;
using Xunit;
using static Keyreeve.Server.Tests.Cli.StoreFolder;

namespace Keyreeve.Server.Tests.Cli;

/// <summary>keyreeve backup and restore as an operator runs them: beside a serving server, and into an empty folder.</summary>
public sealed class BackupCommandTests : IDisposable
{
    private const string Issuer = "Issuer=https://localhost:4711";

    private readonly TempFolder _folder = new();
    private readonly TempFolder _again = new();

    private static CancellationToken None => TestContext.Current.CancellationToken;

    private string Backup => Path.Combine(_folder.Root, "backup");

    public void Dispose()
    {
        _folder.Dispose();
        _again.Dispose();
    }

    [Theory]
    [InlineData("SQLite", "SQLite")]
    [InlineData("PostgreSQL", "PostgreSQL")]
    public async Task A_backup_of_a_busy_server_becomes_a_server_that_knows_everybody_and_honours_nothing_from_before(string from, string into)
    {
        var (source, target) = (await EnvironmentOfAsync(from), await EnvironmentOfAsync(into));
        string access, refresh;
        await using (var process = await _folder.StartAsync(source, "--demo", "--set", Issuer))
        {
            using var client = new ProgramClient(_folder);
            var tokens = await client.SignInAsync();
            (access, refresh) = ((string)tokens["access_token"]!, (string)tokens["refresh_token"]!);
            using var stop = CancellationTokenSource.CreateLinkedTokenSource(None);
            var others = Enumerable.Range(0, 2).Select(_ => Task.Run(async () =>
            {
                using var other = new ProgramClient(_folder);
                while (!stop.IsCancellationRequested)
                    await other.SignInAsync();
            }, None)).ToList();
            var told = await DoneAsync(source, "backup", Backup, "--data", _folder.Data);
            await stop.CancelAsync();
            await Task.WhenAll(others);
            Assert.Contains("a restore needs KEK ", told, StringComparison.Ordinal);
            Assert.True(await client.IsActiveAsync(access));
        }
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Backup));
        Assert.DoesNotContain(File.ReadAllText(_folder.File("kek")).Trim(), File.ReadAllText(Backup, System.Text.Encoding.Latin1), StringComparison.Ordinal);

        _again.TakeKekOf(_folder);
        var output = await DoneAsync(target, "restore", Backup, "--data", _again.Data);
        Assert.Contains("first operator", output, StringComparison.Ordinal);
        Assert.Contains("keyreeve serve --demo", output, StringComparison.Ordinal);
        Assert.Equal(_folder.Demo["users"]!.ToJsonString(), _again.Demo["users"]!.ToJsonString());
        await RefusedAsync(target, 2, "was created with --demo", _again.Serve());

        await using (var process = await _again.StartAsync(target, "--demo", "--set", Issuer))
        {
            using var client = new ProgramClient(_again);
            Assert.False(await client.IsActiveAsync(access));
            Assert.Equal(HttpStatusCode.Unauthorized, (await client.AskForKeysAsync(access)).Status);
            await Assert.ThrowsAnyAsync<Exception>(() => client.RefreshAsync(refresh));
            var tokens = await client.SignInAsync();
            var body = await client.GetKeysAsync((string)tokens["access_token"]!);
            Assert.Equal((string?)_folder.Demo["keyRecords"]!.AsArray().Single(r => (string)r!["serviceId"]! == "pump-control" && (string?)r["userId"] == "sip:alice@val.example")!["payload"],
                (string?)JsonNode.Parse(body)!["payload"]);
            Assert.NotNull((await client.RefreshAsync((string)tokens["refresh_token"]!))["access_token"]);
            // A node that comes to a database with operators makes none: the one from before brings what is theirs.
            if (into == "PostgreSQL")
                foreach (var file in (string[])["admin.pem", "admin.key"])
                    File.Copy(_folder.File(file), _again.File(file));
            Assert.Contains("first operator", await DoneAsync(target, "admin", "operator", "list", "--data", _again.Data), StringComparison.Ordinal);
        }
        // The store is there now, and is never written over.
        await RefusedAsync(target, 1, "Nothing was changed", "restore", Backup, "--data", _again.Data);
        Assert.Contains("the chain holds", await DoneAsync(target, "audit", "verify", "--data", _again.Data), StringComparison.Ordinal);
    }

    /// <summary>From each engine into the other one, while we are at it: a backup is of none.</summary>
    [Theory]
    [InlineData("SQLite", "PostgreSQL")]
    [InlineData("PostgreSQL", "SQLite")]
    public async Task Grants_go_on_over_a_restore_when_that_is_asked_for(string from, string into)
    {
        var (source, target) = (await EnvironmentOfAsync(from), await EnvironmentOfAsync(into));
        string access, refresh;
        await using (var process = await _folder.StartAsync(source, "--demo", "--set", Issuer))
        {
            using var client = new ProgramClient(_folder);
            var tokens = await client.SignInAsync();
            (access, refresh) = ((string)tokens["access_token"]!, (string)tokens["refresh_token"]!);
            await DoneAsync(source, "backup", Backup, "--data", _folder.Data);
        }
        _again.TakeKekOf(_folder);
        Assert.Contains("--keep-grants", await DoneAsync(target, "restore", Backup, "--data", _again.Data, "--keep-grants"), StringComparison.Ordinal);
        await using var again = await _again.StartAsync(target, "--demo", "--set", Issuer);
        using var after = new ProgramClient(_again);
        Assert.False(await after.IsActiveAsync(access));
        Assert.True(await after.IsActiveAsync((string)(await after.RefreshAsync(refresh))["access_token"]!));
    }

    [Fact]
    public async Task A_restore_says_what_is_missing_and_leaves_everything_as_it_was()
    {
        await using (var process = await _folder.StartDemoAsync())
        {
            await DoneAsync("backup", Backup, "--data", _folder.Data);
            await RefusedAsync(1, "is there already", "backup", Backup, "--data", _folder.Data);
            await RefusedAsync(1, $"there is no folder {_folder.Root}/missing to write the backup into", "backup", Path.Combine(_folder.Root, "missing", "backup"), "--data", _folder.Data);
            await RefusedAsync(2, "another server uses", "restore", Backup, "--data", _folder.Data);
        }
        await RefusedAsync(1, "a store is never overwritten", "restore", Backup, "--data", _folder.Data);

        // No KEK: where to put it, and no folder that was not there.
        await RefusedAsync(2, "put the KEK into " + _again.File("kek"), "restore", Backup, "--data", _again.Data);
        Assert.False(Directory.Exists(_again.Data));
        // Another KEK, named.
        using (var stranger = new TempFolder())
        {
            await stranger.StartAndStopAsync();
            _again.TakeKekOf(stranger);
        }
        await RefusedAsync(1, "the backup needs KEK ", "restore", Backup, "--data", _again.Data);
        File.Delete(_again.File("kek"));
        _again.TakeKekOf(_folder);

        var good = await File.ReadAllBytesAsync(Backup, None);
        var bad = Path.Combine(_folder.Root, "bad");
        foreach (var file in (byte[][])[good[..^1], good[..(good.Length / 2)], [], "no backup"u8.ToArray(), [.. good[..(good.Length - 100)], (byte)(good[^100] ^ 1), .. good[^99..]]])
        {
            await File.WriteAllBytesAsync(bad, file, None);
            await RefusedAsync(1, "keyreeve: ", "restore", bad, "--data", _again.Data);
        }
        await RefusedAsync(1, "keyreeve: ", "restore", Path.Combine(_folder.Root, "none"), "--data", _again.Data);
        Assert.Equal(["kek", "lock"], Directory.GetFiles(_again.Data).Select(Path.GetFileName).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task A_backup_that_cannot_be_sealed_is_not_written()
    {
        await RefusedAsync(2, "there is no data folder", "backup", Backup, "--data", _folder.Data);
        await _folder.StartAndStopAsync();
        File.Move(_folder.File("kek"), Path.Combine(_folder.Root, "kek"));
        await RefusedAsync(2, "is sealed by the KEK", "backup", Backup, "--data", _folder.Data);
        var (code, output) = await KeyreeveProcess.RunAsync(["backup", Backup, "--data", _folder.Data], new Dictionary<string, string> { ["KEYREEVE_KEK"] = new('A', 43) });
        Assert.True(code == 1 && output.Contains("put the store's own KEK in its place", StringComparison.Ordinal), output);
        Assert.False(File.Exists(Backup) || File.Exists(Backup + ".unfinished"));
    }
}
