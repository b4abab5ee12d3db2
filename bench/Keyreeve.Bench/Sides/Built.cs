namespace Keyreeve.Bench.Sides;

/// <summary>Where the build has put things.</summary>
internal static class Built
{
    /// <summary>The repository.</summary>
    public static string Root { get; } = FindRoot();

    /// <exception cref="BenchException">It was not built.</exception>
    public static string Dll(string project, string name)
    {
        var path = Path.Combine(Root, project, "bin", "Release", "net10.0", name);
        return File.Exists(path) ? path : throw new BenchException($"{path} is not there: build with -c Release");
    }

    private static string FindRoot()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Keyreeve.slnx")))
            folder = folder.Parent;
        return folder?.FullName ?? throw new BenchException("run from a build inside the repository");
    }
}
