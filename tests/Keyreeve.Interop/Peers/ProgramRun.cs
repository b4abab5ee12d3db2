using System.Diagnostics;

namespace Keyreeve.Interop.Peers;

/// <summary>What a program that ran to its end left behind.</summary>
public sealed record ProgramRun(int ExitCode, string Output, string Error)
{
    /// <summary>The full path of a program in PATH, or null.</summary>
    public static string? Find(string name) => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries)
        .Select(folder => Path.Combine(folder, name)).FirstOrDefault(File.Exists);

    /// <summary>Runs a program without input; it is killed with its children when it does not end in time.</summary>
    /// <exception cref="TimeoutException">It did not.</exception>
    public static async Task<ProgramRun> OfAsync(string program, IEnumerable<string> arguments, string? folder, TimeSpan limit)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = folder ?? "",
        };
        using var process = Process.Start(start)!;
        process.StandardInput.Close();
        var (output, error) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        using var clock = new CancellationTokenSource(limit);
        try
        {
            await process.WaitForExitAsync(clock.Token);
        }
        catch (OperationCanceledException late)
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"{program} did not end within {limit.TotalSeconds:0} s: {await error}", late);
        }
        return new(process.ExitCode, await output, await error);
    }
}
