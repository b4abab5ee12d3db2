using Xunit;

namespace Keyreeve.Interop.Peers;

/// <summary>
/// The npm package openid-client, installed from its lock file beside the test program. What the machine lacks skips the test with
/// the reason; a lock file that does not hold (out of step, wrong hash) is a failure.
/// </summary>
public sealed class OpenIdClientPackage
{
    private static readonly TimeSpan InstallLimit = TimeSpan.FromSeconds(90);

    private readonly Lazy<Task<(string? Node, string? Missing)>> _ready = new(InstallAsync);

    public static string Folder { get; } = Path.Combine(AppContext.BaseDirectory, "peers", "openid-client");

    /// <summary>The path of node, with the package installed.</summary>
    public async Task<string> NodeOrSkipAsync()
    {
        var (node, missing) = await _ready.Value;
        if (node is null)
            Assert.Skip(missing!);
        return node;
    }

    /// <summary>What this node must be told; known once it was found.</summary>
    public static string NodeOptions { get; private set; } = "";

    private static async Task<(string? Node, string? Missing)> InstallAsync()
    {
        if (ProgramRun.Find("node") is not { } node || ProgramRun.Find("npm") is not { } npm)
            return (null, "node or npm is missing: apt-get install nodejs npm");
        var version = await ProgramRun.OfAsync(node, ["--version"], null, TimeSpan.FromSeconds(10));
        if (!Version.TryParse(version.Output.Trim().TrimStart('v'), out var parsed) || parsed.Major < 18)
            return (null, $"openid-client needs node 18 or newer, and this is {version.Output.Trim()}");
        // Debian 12's node 18 has Web Crypto, but shows it to programs only when asked.
        NodeOptions = parsed.Major < 20 ? "--experimental-global-webcrypto" : "";

        // The lock file is copied into what was installed from it: a second run installs nothing.
        var (wanted, installed) = (Path.Combine(Folder, "package-lock.json"), Path.Combine(Folder, "node_modules", "installed-from.json"));
        var text = await File.ReadAllTextAsync(wanted);
        if (File.Exists(installed) && await File.ReadAllTextAsync(installed) == text)
            return (node, null);
        ProgramRun run;
        try
        {
            run = await ProgramRun.OfAsync(npm, ["ci", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline", "--loglevel=error", "--fetch-retries=1"], Folder, InstallLimit);
        }
        catch (TimeoutException e)
        {
            return (null, "npm ci: " + e.Message);
        }
        if (run.ExitCode != 0)
        {
            Assert.DoesNotContain("EINTEGRITY", run.Error, StringComparison.Ordinal);
            Assert.DoesNotContain("EUSAGE", run.Error, StringComparison.Ordinal);
            var code = run.Error.Split('\n').FirstOrDefault(line => line.StartsWith("npm error code ", StringComparison.Ordinal));
            return (null, $"npm ci could not install openid-client: {code ?? $"exit code {run.ExitCode}"}");
        }
        await File.WriteAllTextAsync(installed, text);
        return (node, null);
    }
}
