using System.Diagnostics;
using System.IO.Compression;
using System.Xml.Linq;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Server.Tests.Samples;

/// <summary>What is inside the two packages: nothing is missing and nothing is there by accident.</summary>
public sealed class PackageTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("keyreeve-packages-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task The_client_carries_what_it_stands_on_and_depends_on_nothing()
    {
        var (files, manifest) = await PackAsync("Keyreeve.Client");
        Assert.Equal(["Keyreeve.Client.dll", "Keyreeve.Core.dll", "Keyreeve.Engines.dll", "Keyreeve.Wire.dll"], Assemblies(files));
        Assert.DoesNotContain(manifest.Descendants(), e => e.Name.LocalName == "dependency");
    }

    [Fact]
    public async Task The_server_package_depends_on_the_client_of_its_version()
    {
        var (files, manifest) = await PackAsync("Keyreeve.AspNetCore");
        Assert.Equal(["Keyreeve.AspNetCore.dll"], Assemblies(files));
        var dependency = Assert.Single(manifest.Descendants(), e => e.Name.LocalName == "dependency");
        Assert.Equal(("Keyreeve.Client", Text(manifest, "version")), ((string?)dependency.Attribute("id"), (string?)dependency.Attribute("version")));
    }

    private async Task<(List<string> Files, XElement Manifest)> PackAsync(string project)
    {
        var root = Repository.Root();
        var start = new ProcessStartInfo("dotnet", ["pack", Path.Combine(root, "src", project), "-c", "Release", "--no-build", "--nologo", "-v", "q", "-o", _folder]) { RedirectStandardOutput = true };
        using var process = Process.Start(start)!;
        var output = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.True(process.ExitCode == 0, output);
        await using var archive = await ZipFile.OpenReadAsync(Assert.Single(Directory.GetFiles(_folder, project + ".*.nupkg")), TestContext.Current.CancellationToken);
        var files = archive.Entries.Select(e => e.FullName).ToList();
        Assert.Contains("README.md", files);
        await using var stream = await archive.Entries.Single(e => e.FullName == project + ".nuspec").OpenAsync(TestContext.Current.CancellationToken);
        var manifest = await XElement.LoadAsync(stream, LoadOptions.None, TestContext.Current.CancellationToken);
        Assert.Equal(("Apache-2.0", "README.md"), (Text(manifest, "license"), Text(manifest, "readme")));
        Assert.NotEqual("Package Description", Text(manifest, "description"));
        return (files, manifest);
    }

    private static IEnumerable<string> Assemblies(List<string> files) =>
        files.Where(f => f.StartsWith("lib/", StringComparison.Ordinal) && f.EndsWith(".dll", StringComparison.Ordinal)).Select(f => Path.GetFileName(f)).Order(StringComparer.Ordinal);

    private static string? Text(XElement manifest, string name) => manifest.Descendants().FirstOrDefault(e => e.Name.LocalName == name)?.Value;
}
