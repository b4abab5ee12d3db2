using System.Diagnostics;
using System.Text;
using System.Text.RegularExpressions;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Server.Tests.Guides;

/// <summary>The walk-through of docs/guides/seal.md, pasted into a shell block by block as its readers do, beside a server of the demo.</summary>
public sealed partial class SealGuideTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    [Proves("TS 33.434", "5.2.5")]
    [Proves("TS 33.434", "5.3.2")]
    public async Task Every_command_of_the_walk_through_works_when_pasted()
    {
        Assert.SkipUnless(Missing() is [], $"the walk-through needs {string.Join(", ", Missing())}");
        await using var server = await _folder.StartDemoAsync();
        await using var valServer = await StartValServerAsync();
        // "./keyreeve" of a clone.
        await File.WriteAllTextAsync(Path.Combine(_folder.Root, "keyreeve"), $"#!/bin/sh\nexec dotnet {Path.Combine(AppContext.BaseDirectory, "Keyreeve.Server.dll")} \"$@\"\n", TestContext.Current.CancellationToken);
        File.SetUnixFileMode(Path.Combine(_folder.Root, "keyreeve"), UnixFileMode.UserRead | UnixFileMode.UserExecute);
        var guide = await File.ReadAllTextAsync(Path.Combine(Repository.Root(), "docs/guides/seal.md"), TestContext.Current.CancellationToken);

        var output = await PasteAsync(
        [
            .. Blocks(guide, "## The whole flow in one script"),
            .. Blocks(guide, "## 9 For VAL servers: own token, and checking of tokens"),
            .. Blocks(guide, "### Signed requests and encrypted payloads"),
            .. Blocks(guide, "## For VAL servers: key provisioning"),
            .. Blocks(guide, "## For VAL servers: the APIs of TS 29.549"),
            .. Blocks(guide, "## 7 Refresh"),
            .. Blocks(guide, "## 8 Revoke"),
        ], $"PUMPS={valServer.Address}/pumps");

        string[] said =
        [
            "arrived at http://127.0.0.1:8400/callback?code=", "\"payload\":\"", "signature holds: ES256", "sip:alice@val.example sees pump 1, which runs",
            "\"val_service_ids\":[\"fleet-tracking\",\"pump-control\"]", "\"keyInfo\":\"", "\"result\":\"added\"", "\"result\":\"unchanged\"", "\"result\":\"removed\"", "\"result\":\"recovered\"", "\"idList\":[{\"valUserId\":\"sip:dora@val.example\"}]", "\n204\n", "\"profileInformation\":", "\n200\n",
        ];
        Assert.All(said, s => Assert.Contains(s, output, StringComparison.Ordinal));
        Assert.All((string[])["command not found", "jq: error", "curl: (", "stopped at", "\"error\"", "\"status\":4", "null\n"], s => Assert.DoesNotContain(s, output, StringComparison.Ordinal));
    }

    /// <summary>The shell blocks under a heading, up to the next one of its rank.</summary>
    private static IEnumerable<string> Blocks(string guide, string heading)
    {
        var start = guide.IndexOf(heading + "\n", StringComparison.Ordinal);
        Assert.True(start >= 0, $"the guide has no \"{heading}\"");
        var end = guide.IndexOf("\n## ", start + heading.Length, StringComparison.Ordinal);
        return ShellBlock().Matches(guide[start..(end < 0 ? guide.Length : end)]).Select(m => m.Groups[1].Value);
    }

    private async Task<string> PasteAsync(IEnumerable<string> blocks, string before)
    {
        var start = new ProcessStartInfo("bash") { WorkingDirectory = _folder.Root, RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        start.ArgumentList.Add("-s");
        start.Environment["DATA"] = _folder.Data;
        start.Environment["PATH"] = _folder.Root + ":" + start.Environment["PATH"];
        using var shell = Process.Start(start)!;
        var output = new StringBuilder();
        shell.OutputDataReceived += Take;
        shell.ErrorDataReceived += Take;
        shell.BeginOutputReadLine();
        shell.BeginErrorReadLine();
        // As a person's paste is: the shell reads on when a command has ended.
        await shell.StandardInput.WriteAsync(before + "\n" + string.Join("\n", blocks) + "\n");
        shell.StandardInput.Close();
        await shell.WaitForExitAsync(TestContext.Current.CancellationToken).WaitAsync(TimeSpan.FromMinutes(3));
        lock (output)
            return output.ToString();

        void Take(object sender, DataReceivedEventArgs line)
        {
            lock (output)
                output.Append(line.Data).Append('\n');
        }
    }

    private async Task<Samples.SampleProgram> StartValServerAsync()
    {
        var program = new Samples.SampleProgram("ValServer", [], "--issuer", (string)_folder.Demo["issuer"]!, "--ca", _folder.File("ca.pem"), "--urls", "http://127.0.0.1:0");
        await program.ListeningAsync();
        return program;
    }

    private static string[] Missing() => [.. ((string[])["bash", "curl", "jq", "openssl", "basenc"]).Where(tool =>
        !(Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Any(folder => File.Exists(Path.Combine(folder, tool))))];

    [GeneratedRegex("^```sh\n(.*?)^```$", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex ShellBlock();
}
