using System.ComponentModel;
using System.Diagnostics;
using System.Security.Cryptography.X509Certificates;
using Xunit;

namespace Keyreeve.Tests.Core.Certificates;

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

    public Task<Result> Run(params string[] arguments) => Run(input: "", arguments);

    /// <summary>Ends the tool's input after <paramref name="input"/>; null keeps it open until the peer closes.</summary>
    public async Task<Result> Run(string? input, string[] arguments)
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
            var output = process.StandardOutput.ReadToEndAsync(timeout.Token);
            var errors = process.StandardError.ReadToEndAsync(timeout.Token);
            if (input is not null)
            {
                await process.StandardInput.WriteAsync(input);
                process.StandardInput.Close();
            }

            await process.WaitForExitAsync(timeout.Token);
            return new(process.ExitCode, await output, await errors);
        }
        finally
        {
            if (!process.HasExited) process.Kill();
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
