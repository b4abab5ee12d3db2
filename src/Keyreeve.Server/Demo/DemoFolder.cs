namespace Keyreeve.Server.Demo;

/// <summary>The files of a demo folder that cannot be made again out of its store: a demo's secrets in the clear. Only a demo has them.</summary>
internal static class DemoFolder
{
    /// <summary>Their names; no other name is written out of a backup.</summary>
    public static readonly string[] Files = ["demo.json", "val-server.pem", "val-server.key"];
}
