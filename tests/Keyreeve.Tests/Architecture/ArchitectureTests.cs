using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using Xunit;

namespace Keyreeve.Tests.Architecture;

/// <summary>Who may know whom. Read from the project files, because a reference that is not there cannot be used.</summary>
public sealed partial class ArchitectureTests
{
    /// <summary>Project and what it may import; every project that is not named here is a slice.</summary>
    private static readonly Dictionary<string, string[]> May = new(StringComparer.Ordinal)
    {
        ["Wire"] = [],
        ["Crypto"] = [],
        ["Core"] = ["Wire", "Crypto"],
        ["Engines"] = ["Wire", "Crypto"],
        ["Web"] = ["Wire", "Crypto", "Core", "Engines"],
        ["Client"] = ["Wire", "Crypto", "Core", "Engines"],
        ["AspNetCore"] = ["Wire", "Crypto", "Core", "Engines", "Client"],
    };

    private static readonly string[] SliceMay = ["Wire", "Crypto", "Core", "Engines", "Web"];

    [Fact]
    public void A_project_imports_only_what_its_row_of_the_table_allows()
    {
        var projects = Projects();
        var slices = projects.Keys.Where(IsSlice).ToList();
        Assert.Contains("OpenId", slices);
        Assert.Contains("Seal", slices);
        foreach (var (project, imports) in projects)
        {
            if (project == "Server")
                continue;
            string[] allowed = project == "Storage" ? ["Wire", "Crypto", "Core", .. slices] : May.GetValueOrDefault(project, SliceMay);
            Assert.All(imports, import => Assert.True(allowed.Contains(import), $"Keyreeve.{project} may not import Keyreeve.{import}"));
        }
        Assert.Empty(projects["Wire"]);
    }

    [Fact]
    public void Nobody_imports_the_server()
    {
        foreach (var (project, imports) in Projects())
            Assert.False(imports.Contains("Server"), $"Keyreeve.{project} imports the server");
    }

    [Fact]
    public void Wire_Core_and_Engines_know_no_web_framework_and_no_database()
    {
        foreach (var project in new[] { "Wire", "Core", "Engines", "Client" })
        {
            var file = File.ReadAllText(ProjectFile(project));
            Assert.DoesNotContain("FrameworkReference", file, StringComparison.Ordinal);
            Assert.DoesNotContain("PackageReference", file, StringComparison.Ordinal);
            Assert.Contains("<IsAotCompatible>true</IsAotCompatible>", file, StringComparison.Ordinal);
        }
        AssertNowhere(["Wire", "Core"], WebOrDatabase(), "knows a transport or a database");
        AssertNowhere(["Wire"], SocketOrClock(), "knows sockets, the clock or randomness");
    }

    [Fact]
    public void Sql_is_written_in_Storage_alone() =>
        AssertNowhere([.. Projects().Keys.Where(p => p is not ("Storage" or "Server"))], Database(), "knows a database");

    [Fact]
    public void Clock_and_chance_come_in_at_the_rim()
    {
        var banned = File.ReadAllText(Path.Combine(Root(), "BannedSymbols.txt"));
        foreach (var symbol in new[] { "P:System.DateTime.UtcNow", "P:System.DateTime.Now", "P:System.DateTimeOffset.UtcNow", "P:System.DateTimeOffset.Now", "M:System.Guid.NewGuid", "T:System.Random" })
            Assert.Contains(symbol + ";", banned, StringComparison.Ordinal);
        Assert.Contains("BannedSymbols.txt", File.ReadAllText(Path.Combine(Root(), "Directory.Build.props")), StringComparison.Ordinal);
        AssertNowhere([.. Projects().Keys], ClockOrChance(), "takes the time or chance by itself");
    }

    private static bool IsSlice(string project) => !May.ContainsKey(project) && project is not ("Storage" or "Server");

    private static void AssertNowhere(string[] projects, Regex pattern, string what)
    {
        foreach (var project in projects)
            foreach (var file in Directory.EnumerateFiles(Path.GetDirectoryName(ProjectFile(project))!, "*.cs", SearchOption.AllDirectories))
            {
                var path = Path.GetRelativePath(Root(), file).Replace('\\', '/');
                if (path.Contains("/obj/", StringComparison.Ordinal) || path.Contains("/bin/", StringComparison.Ordinal))
                    continue;
                foreach (var line in File.ReadLines(file))
                    if (!line.TrimStart().StartsWith("//", StringComparison.Ordinal) && pattern.IsMatch(line))
                        Assert.Fail($"{path} {what}: {line.Trim()}");
            }
    }

    private static Dictionary<string, List<string>> Projects() => Directory.EnumerateFiles(Path.Combine(Root(), "src"), "*.csproj", SearchOption.AllDirectories).ToDictionary(
        file => NameOf(file),
        file => XDocument.Load(file).Descendants("ProjectReference").Select(r => NameOf(r.Attribute("Include")!.Value)).ToList(),
        StringComparer.Ordinal);

    private static string NameOf(string path)
    {
        var name = Path.GetFileNameWithoutExtension(path.Replace('\\', '/'));
        Assert.StartsWith("Keyreeve.", name, StringComparison.Ordinal);
        return name["Keyreeve.".Length..];
    }

    private static string ProjectFile(string project) => Path.Combine(Root(), "src", $"Keyreeve.{project}", $"Keyreeve.{project}.csproj");

    private static string Root([CallerFilePath] string here = "")
    {
        for (var folder = Path.GetDirectoryName(here); folder is not null; folder = Path.GetDirectoryName(folder))
            if (File.Exists(Path.Combine(folder, "Keyreeve.slnx")))
                return folder;
        Assert.Skip("the sources are not beside the binaries");
        return "";
    }

    [GeneratedRegex(@"\bMicrosoft\.AspNetCore\b|\bMicrosoft\.Extensions\b|\bSystem\.Net\.Http\b|\bnew (Socket|TcpClient|UdpClient)\b|\bDapper\b|\bMicrosoft\.Data\b|\bSystem\.Data\b|\bNpgsql\b")]
    private static partial Regex WebOrDatabase();

    [GeneratedRegex(@"\busing (Dapper|Microsoft\.Data|System\.Data|Npgsql)\b")]
    private static partial Regex Database();

    [GeneratedRegex(@"\bTimeProvider\b|\bSystem\.Net\b|\bRandomNumberGenerator\b|\bFile\.|\bEnvironment\.(Get|TickCount)|\bConsole\.")]
    private static partial Regex SocketOrClock();

    [GeneratedRegex(@"\bDateTime(Offset)?\.(Utc)?Now\b|\bDateTime\.Today\b|\bGuid\.NewGuid\b|\bnew Random\b|\bRandom\.Shared\b|\bStopwatch\.|\bEnvironment\.TickCount")]
    private static partial Regex ClockOrChance();
}
