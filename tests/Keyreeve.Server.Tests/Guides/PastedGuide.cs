using System.Diagnostics;
using System.Text;
using System.Text.RegularExpressions;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Server.Tests.Guides;

/// <summary>A guide whose shell blocks are pasted as its readers do.</summary>
/// <param name="name">Of its file in docs/guides.</param>
public sealed partial class PastedGuide(string name)
{
    private readonly string _text = File.ReadAllText(Path.Combine(Repository.Root(), "docs/guides", name));

    /// <summary>What a shell, curl, jq and our own program say when something was not as the guide thinks.</summary>
    public static IReadOnlyList<string> Mistakes { get; } = ["command not found", "No such file", "jq: error", "curl: (", "stopped at", "keyreeve: ", "null\n", "unbound variable", "syntax error"];

    /// <summary>Skips the test where a tool of the guides is missing.</summary>
    public static void Demand()
    {
        string[] missing = [.. ((string[])["bash", "curl", "jq", "openssl", "basenc"]).Where(tool =>
            !(Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Any(folder => File.Exists(Path.Combine(folder, tool))))];
        Assert.SkipUnless(missing is [], $"the guide needs {string.Join(", ", missing)}");
    }

    /// <summary>All shell blocks, in their order.</summary>
    public IEnumerable<string> Blocks() => ShellBlock().Matches(_text).Select(m => m.Groups[1].Value);

    /// <summary>The shell blocks under a heading, up to the next one of its rank.</summary>
    public IEnumerable<string> Blocks(string heading)
    {
        var start = _text.IndexOf(heading + "\n", StringComparison.Ordinal);
        Assert.True(start >= 0, $"the guide has no \"{heading}\"");
        var end = _text.IndexOf("\n## ", start + heading.Length, StringComparison.Ordinal);
        return ShellBlock().Matches(_text[start..(end < 0 ? _text.Length : end)]).Select(m => m.Groups[1].Value);
    }

    /// <summary>What a shell says to them, in the folder of a clone with its ./keyreeve and ./data.</summary>
    public static async Task<string> PasteAsync(TempFolder folder, IEnumerable<string> blocks, string before = "")
    {
        var program = Path.Combine(folder.Root, "keyreeve");
        await File.WriteAllTextAsync(program, $"#!/bin/sh\nexec dotnet {Path.Combine(AppContext.BaseDirectory, "Keyreeve.Server.dll")} \"$@\"\n", TestContext.Current.CancellationToken);
        File.SetUnixFileMode(program, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        var start = new ProcessStartInfo("bash") { WorkingDirectory = folder.Root, RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        start.ArgumentList.Add("-s");
        start.Environment["DATA"] = folder.Data;
        start.Environment["TMPDIR"] = folder.Root;
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

    [GeneratedRegex("^```sh\n(.*?)^```$", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex ShellBlock();
}
