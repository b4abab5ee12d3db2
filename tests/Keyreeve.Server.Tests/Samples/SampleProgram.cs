using System.Diagnostics;
using System.Text;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Server.Tests.Samples;

/// <summary>A built sample, gone when this is disposed.</summary>
public sealed class SampleProgram : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly Process _process;
    private readonly StringBuilder _output = new();

    public SampleProgram(string name, (string Name, string Value)[] environment, params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet") { RedirectStandardOutput = true, RedirectStandardError = true };
        start.ArgumentList.Add(Path.Combine(Repository.Root(), "samples", name, "bin/Release/net10.0", $"Keyreeve.Samples.{name}.dll"));
        foreach (var argument in arguments)
            start.ArgumentList.Add(argument);
        foreach (var (variable, value) in environment)
            start.Environment[variable] = value;
        _process = new Process { StartInfo = start };
        _process.OutputDataReceived += (_, line) => Take(line.Data);
        _process.ErrorDataReceived += (_, line) => Take(line.Data);
        _process.Start();
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    public string Output
    {
        get
        {
            lock (_output)
                return _output.ToString();
        }
    }

    /// <summary>Where it listens; known after <see cref="ListeningAsync"/>.</summary>
    public string Address { get; private set; } = "";

    /// <summary>Waits until it listens.</summary>
    public async Task ListeningAsync() => Address = await LineAsync("Now listening on: ");

    /// <summary>The rest of the first line that has the text.</summary>
    public async Task<string> LineAsync(string text)
    {
        for (var since = Stopwatch.StartNew(); since.Elapsed < Patience && !_process.HasExited; await Task.Delay(50, TestContext.Current.CancellationToken))
            if (Output.Split('\n').FirstOrDefault(l => l.Contains(text, StringComparison.Ordinal)) is { } line)
                return line[(line.IndexOf(text, StringComparison.Ordinal) + text.Length)..].Trim();
        Assert.Fail($"the sample does not say \"{text}\": {Output}");
        return "";
    }

    public async Task<int> ExitAsync()
    {
        await _process.WaitForExitAsync(TestContext.Current.CancellationToken).WaitAsync(Patience);
        return _process.ExitCode;
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
            _process.Kill(entireProcessTree: true);
        await _process.WaitForExitAsync(CancellationToken.None);
        _process.Dispose();
    }

    private void Take(string? line)
    {
        lock (_output)
            _output.AppendLine(line);
    }
}
