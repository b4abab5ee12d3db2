using System.Runtime.InteropServices;
using System.Text;

namespace Keyreeve.Engines.Files;

/// <summary>What .NET does not offer: a rename is on disk only when its folder is.</summary>
public static class FolderSync
{
    private const int ReadOnly = 0; // O_RDONLY

    /// <summary>Returns when the names in the folder are on disk. Not for Windows, where a folder cannot be flushed.</summary>
    /// <exception cref="IOException">The folder could not be synced.</exception>
    public static void Flush(string folder)
    {
        var descriptor = Open([.. Encoding.UTF8.GetBytes(folder), 0], ReadOnly);
        if (descriptor < 0)
            throw new IOException($"{folder} cannot be opened (errno {Marshal.GetLastPInvokeError()})");
        var synced = Sync(descriptor);
        var error = Marshal.GetLastPInvokeError();
        _ = Close(descriptor);
        if (synced != 0)
            throw new IOException($"{folder} cannot be written to disk (errno {error})");
    }

    [DllImport("libc", EntryPoint = "open", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
    private static extern int Open(byte[] path, int flags);

    [DllImport("libc", EntryPoint = "fsync", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
    private static extern int Sync(int descriptor);

    [DllImport("libc", EntryPoint = "close")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
    private static extern int Close(int descriptor);
}
