using System.Net;
using System.Text.Json.Nodes;
using Xunit;

namespace Keyreeve.Server.Tests.Cli;

/// <summary><c>keyreeve seal</c> as an operator and custodians use it.</summary>
public sealed class SealCommandTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Sealed_by_shares_in_files_and_opened_by_three_of_five()
    {
        var shares = Path.Combine(_folder.Root, "shares");
        Directory.CreateDirectory(shares);
        await using (await _folder.StartDemoAsync())
        {
            Assert.Contains("--share-dir", await RunAsync(0, null, "init", "--help"), StringComparison.Ordinal);
            await RunAsync(2, null, "init", "--method", "shares", "--shares", "2", "--threshold", "3", "--share-dir", shares);
            Assert.Empty(Directory.GetFiles(shares));
            await RunAsync(0, null, "init", "--method", "shares", "--share-dir", shares);
        }
        var files = Directory.GetFiles(shares).Order(StringComparer.Ordinal).ToArray();
        Assert.Equal(5, files.Length);
        Assert.All(files, f => Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(f)));
        await using var process = await _folder.StartDemoAsync();
        await process.SaysAsync("the key store is sealed");
        Assert.Contains("1 of 3 shares are given", await RunAsync(1, null, "unseal", "--share-file", files[4]), StringComparison.Ordinal);
        await RunAsync(2, null, "unseal", "--passphrase-file", files[0]);
        // The next custodian types it; the third gives a file. What was given by the first is still there.
        await RunAsync(1, await File.ReadAllTextAsync(files[1], TestContext.Current.CancellationToken), "unseal", "--share-file", "-");
        await RunAsync(0, null, "unseal", "--share-file", files[0]);
        await IsGrantedAsync();
        Assert.Contains("mistyped", await RunAsync(2, "kshare-nonsense\n", "rotate", "--share-file", "-"), StringComparison.Ordinal);
        await RunAsync(0, null, "rotate", "--share-file", files[0], "--share-file", files[2], "--share-file", files[3]);
        await RunAsync(0, null, "rotate", "--service", "pump-control");
        var status = JsonNode.Parse(await RunAsync(0, null, "status", "--json"))!;
        Assert.Equal((3, false, "shares"), ((int)status["root"]!, (bool)status["sealed"]!, (string)status["method"]!));
        Assert.All(files, f => Assert.DoesNotContain(File.ReadAllText(f).Trim().Split('-', 4)[^1], process.Output, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Sealed_by_a_passphrase_from_standard_input_locked_opened_and_a_service_destroyed()
    {
        await using var process = await _folder.StartDemoAsync();
        Assert.Contains("16 characters", await RunAsync(1, "short\n", "init", "--method", "passphrase"), StringComparison.Ordinal);
        await RunAsync(0, "six words that nobody else knows\n", "init", "--method", "passphrase");
        await RunAsync(0, null, "lock");
        Assert.Contains("does not open", await RunAsync(1, "six words that nobody ever knew!\n", "unseal"), StringComparison.Ordinal);
        await RunAsync(0, "six words that nobody else knows\n", "unseal");
        await IsGrantedAsync();
        await RunAsync(2, "pump\n", "destroy", "--service", "pump-control");
        await IsGrantedAsync();
        Assert.Contains("backups", await RunAsync(0, "pump-control\n", "destroy", "--service", "pump-control"), StringComparison.Ordinal);
        using var client = new ProgramClient(_folder);
        Assert.Equal(HttpStatusCode.NotFound, (await client.AskForKeysAsync((string)(await client.SignInAsync())["access_token"]!)).Status);
        Assert.DoesNotContain("nobody", process.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Sealed_by_a_key_file_that_is_made_and_that_the_setting_names()
    {
        var file = Path.Combine(_folder.Root, "seal.key");
        await using (await _folder.StartDemoAsync())
            await RunAsync(0, null, "init", "--method", "key-file", "--key-file", file);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
        await using (await _folder.StartDemoAsync("--set", "Seal:KeyFile=" + file))
            await IsGrantedAsync();
        await using (await _folder.StartDemoAsync())
        {
            Assert.Contains("note the key store is sealed: no key material is given out", await DoctorAsync(), StringComparison.Ordinal);
            await RunAsync(1, null, "unseal");
            await RunAsync(0, null, "unseal", "--key-file", file);
            await IsGrantedAsync();
            Assert.Contains("ok   the server is ready, the key store is open", await DoctorAsync(), StringComparison.Ordinal);
        }
        Assert.Contains($"ok   {file} is readable by its owner only", await DoctorAsync(file), StringComparison.Ordinal);
        File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead);
        Assert.Contains($"BAD  {file} can be read by others", await DoctorAsync(file), StringComparison.Ordinal);
        Assert.Contains("note Seal:KeyFile: there is no file", await DoctorAsync(file + "-elsewhere"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_process_asks_not_to_be_dumped()
    {
        if (!OperatingSystem.IsLinux())
            Assert.Skip("prctl is Linux's");
        await using var process = await _folder.StartDemoAsync();
        var limits = await File.ReadAllTextAsync($"/proc/{(int)_folder.Listeners["pid"]!}/limits", TestContext.Current.CancellationToken);
        Assert.Matches(@"Max core file size\s+0\s+0", limits);
    }

    private async Task<string> DoctorAsync(string? keyFile = null) =>
        (await KeyreeveProcess.RunAsync(["doctor", "--data", _folder.Data], keyFile is null ? null : new Dictionary<string, string> { ["KEYREEVE__Seal__KeyFile"] = keyFile })).Output;

    private async Task IsGrantedAsync()
    {
        using var client = new ProgramClient(_folder);
        await client.GetKeysAsync((string)(await client.SignInAsync())["access_token"]!);
    }

    private async Task<string> RunAsync(int expected, string? input, params string[] arguments)
    {
        var (code, output) = await KeyreeveProcess.RunAsync(["seal", .. arguments, "--data", _folder.Data], null, input ?? "");
        Assert.True(code == expected, $"{string.Join(' ', arguments)}: {code} {output}");
        return output;
    }
}
