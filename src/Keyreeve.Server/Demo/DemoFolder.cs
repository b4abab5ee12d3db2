using System.Text;
using Keyreeve.Server.Hosting;

namespace Keyreeve.Server.Demo;

/// <summary>The files of a demo folder that cannot be made again out of its store: a demo's secrets in the clear. Only a demo has them.</summary>
internal static class DemoFolder
{
    /// <summary>Their names; no other name is written out of a backup.</summary>
    public static readonly string[] Files = ["demo.json", "val-server.pem", "val-server.key", "group-server.pem", "group-server.key"];

    /// <summary>Those that are there.</summary>
    public static Dictionary<string, byte[]> Read(DataFolder folder) => Files.Where(name => File.Exists(folder.Path(name)))
        .ToDictionary(name => name, name => File.ReadAllBytes(folder.Path(name)), StringComparer.Ordinal);

    /// <summary>Makes a folder one of a demo, with these files.</summary>
    public static void Write(DataFolder folder, IReadOnlyDictionary<string, byte[]> files)
    {
        folder.MarkDemo();
        foreach (var (name, octets) in files)
            folder.Write(name, Encoding.UTF8.GetString(octets));
    }
}
