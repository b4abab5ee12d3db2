using Keyreeve.Server.Settings;

namespace Keyreeve.Server.Hosting;

/// <summary>How one server is started.</summary>
/// <param name="DataPath">The data folder.</param>
/// <param name="Settings">Read and checked.</param>
/// <param name="Demo">With demo data: loopback only, and only in a folder of its own.</param>
/// <param name="Quiet">Without console logs: for the tour and tests.</param>
public sealed record ServerOptions(string DataPath, ServerSettings Settings, bool Demo, bool Quiet = false);
