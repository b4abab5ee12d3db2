using System.Buffers.Text;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Server.Tests;

/// <summary>Starts that must not happen: the wrong folder, the wrong key, the wrong setting. Each says what to do, and ends with 2.</summary>
public sealed class FolderTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_demo_folder_is_not_served_for_real_and_a_real_one_not_as_a_demo()
    {
        await _folder.StartAndStopAsync("--demo");
        await RefusedAsync(_folder.Serve(), "was created with --demo and is not for real use");
        using var real = new TempFolder();
        await real.StartAndStopAsync();
        Assert.False(File.Exists(real.File("demo.json")));
        await RefusedAsync(real.Serve("--demo"), "was not created with --demo");
        Assert.False(File.Exists(real.File("demo.json")));
        Assert.False(File.Exists(real.File("demo.folder")));
    }

    [Fact]
    public async Task A_folder_that_cannot_be_made_or_written_to_is_told_as_that_and_not_as_another_servers()
    {
        string[] Serve(string data) => ["serve", "--data", data, "--set", "Listeners:https:Address=127.0.0.1:0", "--set", "Listeners:mtls:Address=off", "--set", "Listeners:health:Address=off"];
        var file = Path.GetTempFileName();
        try
        {
            Assert.Contains("--data DIR", await RefusedAsync(Serve(file), $"the data folder {file} cannot be made: "), StringComparison.Ordinal);
            await RefusedAsync(Serve(Path.Combine(file, "data")), "cannot be made: ");
        }
        finally
        {
            File.Delete(file);
        }
        // Root may write everywhere but there.
        await RefusedAsync(Serve("/proc"), "the data folder /proc cannot be written to: ");
        await using var running = await _folder.StartDemoAsync();
        await RefusedAsync(_folder.Serve("--demo"), $"another server uses {_folder.Data}");
    }

    [Theory]
    [InlineData("Listeners:https:Address=0.0.0.0:0")]
    [InlineData("Listeners:mtls:Address=0.0.0.0:0")]
    [InlineData("Listeners:health:Address=[::]:0")]
    [Proves("TS 33.434", "4.2")]
    public async Task A_demo_serves_loopback_only(string listener)
    {
        await RefusedAsync(_folder.Serve("--demo", "--set", listener), "--demo serves loopback only");
        Assert.False(Directory.Exists(_folder.Data));
    }

    [Fact]
    public async Task A_busy_https_port_ends_with_the_setting_and_a_busy_mtls_port_is_skipped_with_a_report()
    {
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        var address = taken.LocalEndpoint.ToString()!;
        var output = await RefusedAsync(_folder.Serve("--demo", "--set", $"Listeners:https:Address={address}"), $"{address} is in use");
        Assert.Contains("Listeners:https:Address", output, StringComparison.Ordinal);
        Assert.Contains("--urls", output, StringComparison.Ordinal);

        await using var process = await _folder.StartDemoAsync("--set", $"Listeners:mtls:Address={address}");
        await process.SaysAsync($"listener mtls is skipped: {address} is in use. The setting is Listeners:mtls:Address");
        Assert.False(_folder.Listeners["listeners"]!.AsObject().ContainsKey("mtls"));
        using var client = new ProgramClient(_folder);
        Assert.DoesNotContain("mtls_endpoint_aliases",
            await client.Http.GetStringAsync("/.well-known/openid-configuration", TestContext.Current.CancellationToken), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_unknown_setting_is_an_error_wherever_it_stands_and_the_nearest_is_named()
    {
        const string meant = "Did you mean 'Tokens:AccessTokenSeconds'?";
        var json = Path.Combine(_folder.Root, "settings.json");
        await File.WriteAllTextAsync(json, """{"Tokens":{"AccesTokenSecond":300}}""", TestContext.Current.CancellationToken);
        Assert.Contains(json, await RefusedAsync(_folder.Serve("--config", json), meant), StringComparison.Ordinal);
        Assert.Contains("KEYREEVE__Tokens__AccesTokenSecond",
            await RefusedAsync(_folder.Serve(), meant, new() { ["KEYREEVE__Tokens__AccesTokenSecond"] = "300" }), StringComparison.Ordinal);
        Assert.Contains("the command line", await RefusedAsync(_folder.Serve("--set", "Tokens:AccesTokenSecond=300"), meant), StringComparison.Ordinal);
        await RefusedAsync(_folder.Serve("--set", "Tokens"), "write NAME=VALUE");
        await RefusedAsync(_folder.Serve("--config", json + ".no"), "does not exist");
        Assert.False(Directory.Exists(_folder.Data));
    }

    [Theory]
    [InlineData("Tokens:AccessTokenSeconds=9", "10 to 86400")]
    [InlineData("Tokens:AccessTokenSeconds=86401", "10 to 86400")]
    [InlineData("Tokens:AccessTokenSeconds=ten", "10 to 86400")]
    [InlineData("Tokens:LeewaySeconds=31", "0 to 30")]
    [InlineData("Seal:WindowSeconds=0", "1 to 30")]
    [InlineData("Seal:WindowSeconds=31", "1 to 30")]
    [InlineData("Seal:WindowSeconds=-5", "1 to 30")]
    [InlineData("Passwords:Iterations=1", "10000 to 10000000")]
    [InlineData("Log:Level=Loud", "Trace, Debug, Information, Warning or Error")]
    [InlineData("Listeners:https:Address=9443", "127.0.0.1:9443")]
    [InlineData("Listeners:https:Address=off", "cannot be off")]
    [InlineData("Issuer=http://localhost", "https://host")]
    [InlineData("Issuer=https://localhost/", "https://host")]
    public async Task A_wrong_value_is_an_error_that_names_what_is_allowed(string setting, string allowed) =>
        await RefusedAsync(_folder.Serve("--set", setting), allowed);

    [Fact]
    public async Task Settings_come_from_the_file_then_the_environment_then_the_flags()
    {
        var json = Path.Combine(_folder.Root, "settings.json");
        // Each layer alone would be refused, were it not for the next one.
        await File.WriteAllTextAsync(json, """{"Tokens":{"AccessTokenSeconds":1}, "Seal": {"SKmsId": "from-the-file"}}""", TestContext.Current.CancellationToken);
        Dictionary<string, string> environment = new() { ["KEYREEVE__Tokens__AccessTokenSeconds"] = "2" };
        var output = await RefusedAsync(_folder.Serve("--config", json), "Tokens:AccessTokenSeconds is '1'");
        Assert.Contains(json, output, StringComparison.Ordinal);
        await RefusedAsync(_folder.Serve("--config", json), "Tokens:AccessTokenSeconds is '2'", environment);
        await using var process = await _folder.StartAsync(environment, "--demo", "--config", json, "--set", "Tokens:AccessTokenSeconds=77");
        using var client = new ProgramClient(_folder);
        var tokens = await client.SignInAsync();
        Assert.Equal(77, (int)tokens["expires_in"]!);
        Assert.Contains("\"sKmsId\":\"from-the-file\"", (await client.AskForKeysAsync((string)tokens["access_token"]!)).Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_folder_whose_KEK_is_missing_readable_by_others_or_another_is_refused()
    {
        await _folder.StartAndStopAsync("--demo");
        var kek = _folder.File("kek");
        var text = await File.ReadAllTextAsync(kek, TestContext.Current.CancellationToken);

        File.SetUnixFileMode(kek, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.OtherRead);
        await RefusedAsync(_folder.Serve("--demo"), "chmod 600");
        File.SetUnixFileMode(kek, UnixFileMode.UserRead | UnixFileMode.UserWrite);

        File.Delete(kek);
        await RefusedAsync(_folder.Serve("--demo"), "is missing, and");
        Assert.False(File.Exists(kek));

        Write(kek, "too short");
        await RefusedAsync(_folder.Serve("--demo"), "is not a KEK");
        Write(kek, NewKek());
        var output = await RefusedAsync(_folder.Serve("--demo"), "it was sealed by KEK ");
        Assert.Matches("sealed by KEK [0-9a-f]{16}", output);
        Assert.Contains("Put that KEK back", output, StringComparison.Ordinal);

        Write(kek, text);
        await _folder.StartAndStopAsync("--demo");
    }

    [Fact]
    public async Task The_KEK_may_come_from_the_environment_and_is_then_not_written_down()
    {
        var kek = NewKek();
        Dictionary<string, string> environment = new() { ["KEYREEVE_KEK"] = kek };
        await using (var process = await _folder.StartAsync(environment, "--demo"))
        {
            Assert.False(File.Exists(_folder.File("kek")));
            await process.SignalAsync("TERM");
            Assert.Equal(0, await process.ExitAsync());
            Assert.DoesNotContain(kek, process.Output, StringComparison.Ordinal);
        }
        await RefusedAsync(_folder.Serve("--demo"), "KEYREEVE_KEK");
        var output = await RefusedAsync(_folder.Serve("--demo"), "it was sealed by KEK ", new() { ["KEYREEVE_KEK"] = NewKek() });
        Assert.DoesNotContain(kek, output, StringComparison.Ordinal);
        await RefusedAsync(_folder.Serve("--demo"), "the environment variable KEYREEVE_KEK is not a KEK", new() { ["KEYREEVE_KEK"] = "short" });
        await using var again = await _folder.StartAsync(environment, "--demo");
        using var client = new ProgramClient(_folder);
        Assert.NotNull((await client.SignInAsync())["access_token"]);
    }

    /// <summary>Ends with 2 and one line that begins with the program's name; no stack trace.</summary>
    private static async Task<string> RefusedAsync(string[] arguments, string expected, Dictionary<string, string>? environment = null)
    {
        var (code, output) = await KeyreeveProcess.RunAsync(arguments, environment);
        Assert.True(code == 2 && output.Contains(expected, StringComparison.Ordinal), $"exit code {code}: {output}");
        Assert.StartsWith("keyreeve: ", output, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", output, StringComparison.Ordinal);
        Assert.Single(output.Trim().Split('\n'));
        return output;
    }

    private static string NewKek() => Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32));

    private static void Write(string file, string text)
    {
        File.WriteAllText(file, text);
        File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite);
    }
}
