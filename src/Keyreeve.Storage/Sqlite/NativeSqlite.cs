using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Keyreeve.Storage;

/// <summary>Binds the managed provider to the system's SQLite, which the distribution keeps patched.</summary>
internal static class NativeSqlite
{
    /// <summary>SQLITE_CONFIG_MEMSTATUS</summary>
    private const int ConfigMemoryStatus = 9;

    static NativeSqlite()
    {
        var provider = Assembly.Load("SQLitePCLRaw.provider.e_sqlite3");
        NativeLibrary.SetDllImportResolver(provider, static (name, _, _) =>
            name == "e_sqlite3" && NativeLibrary.TryLoad("libsqlite3.so.0", out var handle) ? handle : 0);
        SQLitePCL.raw.SetProvider(new SQLitePCL.SQLite3Provider_e_sqlite3());
        // SQLite counts its memory under one lock for all connections, and nobody asks it. Refused when SQLite already runs: then it goes on counting.
        _ = SQLitePCL.raw.sqlite3_config(ConfigMemoryStatus, 0);
        RowMapping.Set();
    }

    /// <summary>Does it, once per process.</summary>
    public static void Bind() => RuntimeHelpers.RunClassConstructor(typeof(NativeSqlite).TypeHandle);
}
