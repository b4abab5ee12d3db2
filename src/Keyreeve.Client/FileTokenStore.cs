using System.Buffers;
using System.Runtime.Versioning;
using Keyreeve.Engines.Files;

namespace Keyreeve.Client;

/// <summary>
/// Keeps tokens in a file that its owner alone may read. It protects them from other users of the machine and from a crash half-way
/// through a write. It does not protect them from programs of the same user, from root, or from whoever holds the disk or a backup:
/// the file is not encrypted, because the key would lie beside it. Where the system has a keyring, write an <see cref="ITokenStore"/> for it.
/// </summary>
[UnsupportedOSPlatform("windows")]
public sealed class FileTokenStore : ITokenStore
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private readonly string _path;

    /// <summary>The file; its folder is made (0700) when it is not there.</summary>
    /// <exception cref="PlatformNotSupportedException">Windows: files have no such mode there.</exception>
    public FileTokenStore(string path)
    {
        if (OperatingSystem.IsWindows())
            throw new PlatformNotSupportedException("A file for its owner alone is not to be had here; write an ITokenStore for the system's own store.");
        _path = Path.GetFullPath(path);
    }

    /// <inheritdoc />
    /// <exception cref="UnauthorizedAccessException">Others may read or write the file: what is in it may be known, or may be theirs.</exception>
    public async Task<StoredTokens?> LoadAsync(CancellationToken cancel)
    {
        try
        {
            await using var file = new FileStream(_path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            // Asked of the open file, not of the path: between the two it could be another.
            if ((File.GetUnixFileMode(file.SafeFileHandle) & ~(OwnerOnly | UnixFileMode.UserExecute)) != UnixFileMode.None)
                throw new UnauthorizedAccessException($"{_path} is open to others: end the session at the server, then remove the file");
            if (file.Length > StoredTokens.MaxLength)
                return null;
            var octets = new byte[file.Length];
            await file.ReadExactlyAsync(octets, cancel);
            return StoredTokens.Read(octets);
        }
        catch (Exception missing) when (missing is FileNotFoundException or DirectoryNotFoundException or EndOfStreamException)
        {
            return null;
        }
    }

    /// <inheritdoc />
    public async Task SaveAsync(StoredTokens tokens, CancellationToken cancel)
    {
        var octets = new ArrayBufferWriter<byte>(4096);
        tokens.Write(octets);
        var folder = Path.GetDirectoryName(_path)!;
        Directory.CreateDirectory(folder, OwnerOnly | UnixFileMode.UserExecute);
        // A name of its own, made and never opened: nobody can have put a link there.
        var fresh = Path.Combine(folder, "." + Path.GetFileName(_path) + "." + Path.GetRandomFileName());
        try
        {
            var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, Share = FileShare.None, UnixCreateMode = OwnerOnly };
            await using (var file = new FileStream(fresh, options))
            {
                await file.WriteAsync(octets.WrittenMemory, cancel);
                file.Flush(flushToDisk: true);
            }
            File.Move(fresh, _path, overwrite: true);
        }
        catch
        {
            File.Delete(fresh);
            throw;
        }
        // The server has replaced the refresh token that the old file holds: after a crash it must not be there again.
        FolderSync.Flush(folder);
    }

    /// <inheritdoc />
    public Task ClearAsync(CancellationToken cancel)
    {
        try
        {
            File.Delete(_path);
            FolderSync.Flush(Path.GetDirectoryName(_path)!);
        }
        catch (DirectoryNotFoundException)
        {
            // then there is nothing to forget
        }
        return Task.CompletedTask;
    }
}
