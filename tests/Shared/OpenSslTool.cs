using System.ComponentModel;
using System.Diagnostics;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Xunit;

namespace Keyreeve.Testing;

/// <summary>Runs the system's openssl as the second opinion; every run is bounded and its process ends with the test.</summary>
public sealed class OpenSslTool : IDisposable
{
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(30);
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("keyreeve-openssl-");

    public sealed record Result(int ExitCode, string Output, string Errors)
    {
        public string All => Output + "\n" + Errors;
    }

    public void Dispose() => _folder.Delete(recursive: true);

    public string File(string name) => Path.Combine(_folder.FullName, name);

    public string Pem(string name, X509Certificate2 certificate)
    {
        System.IO.File.WriteAllText(File(name), certificate.ExportCertificatePem());
        return File(name);
    }

    public Task<Result> Run(params string[] arguments) => Converse(expect: null, say: "", closeInput: true, arguments);

    /// <summary>
    /// Waits until the tool has printed <paramref name="expect"/> (or has ended), then says <paramref name="say"/>; with
    /// <paramref name="closeInput"/> false the input stays open, so that the tool ends by what its peer does.
    /// </summary>
    public async Task<Result> Converse(string? expect, string say, bool closeInput, string[] arguments)
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        timeout.CancelAfter(Bound);
        var start = new ProcessStartInfo("openssl", arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = _folder.FullName,
        };
        using var process = StartOrSkip(start);
        try
        {
            var errors = process.StandardError.ReadToEndAsync(timeout.Token);
            var output = new StringBuilder();
            var buffer = new char[4096];
            var said = false;
            while (true)
            {
                if (!said && (expect is null || output.ToString().Contains(expect, StringComparison.Ordinal)))
                {
                    said = true;
                    await Say(process.StandardInput, say, closeInput);
                }

                var count = await process.StandardOutput.ReadAsync(buffer, timeout.Token);
                if (count == 0) break;
                output.Append(buffer, 0, count);
            }

            await process.WaitForExitAsync(timeout.Token);
            return new(process.ExitCode, output.ToString(), await errors);
        }
        finally
        {
            if (!process.HasExited) process.Kill();
        }
    }

    private static async Task Say(StreamWriter input, string text, bool close)
    {
        try
        {
            await input.WriteAsync(text);
            await input.FlushAsync();
            if (close) input.Close();
        }
        catch (IOException)
        {
            // The tool ended first: what it printed is the result.
        }
    }

    private static Process StartOrSkip(ProcessStartInfo start)
    {
        try
        {
            return Process.Start(start)!;
        }
        catch (Win32Exception)
        {
            Assert.Skip("openssl is not installed");
            throw;
        }
    }
}
