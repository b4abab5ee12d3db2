using System.Runtime.CompilerServices;
using Xunit;

namespace Keyreeve.Testing;

/// <summary>The sources beside the tests. A test that reads them is reported as not run when only binaries are there.</summary>
public static class Repository
{
    /// <summary>The root folder.</summary>
    public static string Root([CallerFilePath] string here = "")
    {
        for (var folder = Path.GetDirectoryName(here); folder is not null; folder = Path.GetDirectoryName(folder))
            if (File.Exists(Path.Combine(folder, "Keyreeve.slnx")))
                return folder;
        Assert.Skip("the sources are not beside the tests");
        return "";
    }

    /// <summary>All sources below a folder of the repository, built ones left out.</summary>
    public static IEnumerable<string> Sources(string folder, params string[] extensions) =>
        Directory.EnumerateFiles(Path.Combine(Root(), folder), "*", SearchOption.AllDirectories)
            .Where(f => extensions.Contains(Path.GetExtension(f)) && !f.Contains("/obj/", StringComparison.Ordinal) && !f.Contains("/bin/", StringComparison.Ordinal))
            .Order(StringComparer.Ordinal);
}
