using System.Text;
using Keyreeve.Core.Keys;
using Keyreeve.Engines.Files;

namespace Keyreeve.Server.Hosting;

/// <summary>The data folder cannot be used; the message says why and what to do.</summary>
public sealed class DataFolderException(string message) : Exception(message);

/// <summary>The data folder: database, KEK, certificates to trust and to operate with. Files with secrets are 0600 and written atomically.</summary>
public sealed class DataFolder : IDisposable
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const UnixFileMode OwnerFolder = OwnerOnly | UnixFileMode.UserExecute;

    // EWOULDBLOCK, as .NET passes it on when a file is locked.
    private const int HeldByAnother = 11;

    private FileStream? _lock;

    private DataFolder(string path) => Root = path;

    /// <summary>Full path.</summary>
    public string Root { get; }

    /// <summary>The SQLite database.</summary>
    public string Database => Path("keyreeve.db");

    /// <summary>The built-in root: trust this.</summary>
    public string CaPem => Path("ca.pem");

    /// <summary>An operator's certificate.</summary>
    public string AdminPem => Path("admin.pem");

    /// <summary>Its key.</summary>
    public string AdminKey => Path("admin.key");

    /// <summary>What was bound.</summary>
    public string Listeners => Path("listeners.json");

    /// <summary>The demo's secrets and names.</summary>
    public string Demo => Path("demo.json");

    /// <summary>True when the server before this one stopped in order, or there was none: everything it did is written down.</summary>
    public bool EndedInOrder { get; private set; }

    private string DemoMark => Path("demo.folder");

    /// <summary>Opens or makes the folder. A demo runs only in a folder that was made for a demo, and a demo folder only in a demo.</summary>
    public static DataFolder Open(string path, bool demo)
    {
        var folder = new DataFolder(System.IO.Path.GetFullPath(path));
        var used = File.Exists(folder.Database);
        if (demo && used && !File.Exists(folder.DemoMark))
            throw new DataFolderException($"{folder.Root} was not created with --demo: demo users and secrets are never added to a real store. Use another folder: --data DIR");
        if (!demo && File.Exists(folder.DemoMark))
            throw new DataFolderException($"{folder.Root} was created with --demo and is not for real use. Use another folder: --data DIR");
        folder.Make();
        folder.Lock();
        folder.Begin();
        if (demo)
            folder.MarkDemo();
        return folder;
    }

    /// <summary>
    /// Holds the folder as a server does, for a command that works on a stopped one; it is made when <paramref name="make"/> allows it.
    /// </summary>
    public static DataFolder Hold(string path, bool make)
    {
        var folder = make ? new DataFolder(System.IO.Path.GetFullPath(path)) : Existing(path);
        folder.Make();
        folder.Lock();
        return folder;
    }

    /// <summary>True when it was created with --demo.</summary>
    public bool IsDemo => File.Exists(DemoMark);

    /// <summary>From now on it is a folder of a demo.</summary>
    public void MarkDemo() => Write("demo.folder", "This folder was created with --demo.\n");

    /// <summary>The KEK of a store that exists somewhere: null when there is none, and none is made.</summary>
    public Kek? FindKek() => Environment.GetEnvironmentVariable("KEYREEVE_KEK") is { Length: > 0 } || File.Exists(Path("kek")) ? OpenKek() : null;

    /// <summary>Tells the next server that this one wrote down everything.</summary>
    public void EndInOrder()
    {
        _lock?.SetLength(0);
        _lock?.Flush(flushToDisk: true);
    }

    /// <summary>Lets another server use the folder.</summary>
    public void Dispose() => _lock?.Dispose();

    /// <summary>An existing folder, for the command line.</summary>
    public static DataFolder Existing(string path) => Directory.Exists(path)
        ? new(System.IO.Path.GetFullPath(path))
        : throw new DataFolderException($"there is no data folder {path}; start the server once, or give --data DIR");

    /// <summary>A file in the folder.</summary>
    public string Path(string name) => System.IO.Path.Combine(Root, name);

    /// <summary>The KEK and those before it. Never made for a database that exists: what it sealed could not be opened.</summary>
    /// <param name="sealedElsewhere">When other nodes sealed the database: what says so.</param>
    public Kek OpenKek(string? sealedElsewhere = null) => new KekFiles(this).Open(
        File.Exists(Database) ? $"{Database} exists and is sealed by it. Put the file back (it is never part of a backup)"
        : sealedElsewhere is null ? null : $"{sealedElsewhere}. Copy the file kek of another node there (chmod 600)");

    /// <summary>True when nobody but its owner can read a file.</summary>
    public static bool IsPrivate(string file) => (File.GetUnixFileMode(file) & ~OwnerOnly) == UnixFileMode.None;

    /// <summary>Writes a file whole or not at all, readable by the owner only.</summary>
    public void Write(string name, string content) => Write(name, content, OwnerOnly);

    /// <summary>As <see cref="Write(string, string)"/>, for what everybody may read.</summary>
    public void WritePublic(string name, string content) => Write(name, content, OwnerOnly | UnixFileMode.GroupRead | UnixFileMode.OtherRead);

    private void Write(string name, string content, UnixFileMode mode)
    {
        var temporary = Path(name + ".new");
        File.Delete(temporary); // what a crash left would keep its own mode
        using (var stream = new FileStream(temporary, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = mode }))
        {
            stream.Write(Encoding.UTF8.GetBytes(content));
            stream.Flush(flushToDisk: true);
        }
        File.Move(temporary, Path(name), overwrite: true);
        FolderSync.Flush(Root);
    }

    /// <summary>Takes a file away, for good.</summary>
    public void Delete(string name)
    {
        File.Delete(Path(name));
        FolderSync.Flush(Root);
    }

    private void Make()
    {
        try
        {
            if (!Directory.Exists(Root))
                Directory.CreateDirectory(Root, OwnerFolder);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new DataFolderException($"the data folder {Root} cannot be made: {e.Message} Give another folder: --data DIR");
        }
    }

    /// <summary>
    /// One server a folder: a second one would not know which key requests the first has seen. The kernel forgets the lock with the
    /// process; the word in the file stays when the process did not end in order.
    /// </summary>
    private void Lock()
    {
        try
        {
            _lock = new FileStream(Path("lock"), new FileStreamOptions { Mode = FileMode.OpenOrCreate, Access = FileAccess.ReadWrite, Share = FileShare.None, UnixCreateMode = OwnerOnly });
        }
        catch (IOException e) when (e.HResult == HeldByAnother)
        {
            throw new DataFolderException($"another server uses {Root} (its process id stands in listeners.json). Stop it, or give another folder: --data DIR");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new DataFolderException($"the data folder {Root} cannot be written to: {e.Message} The server's user must own it, on a file system that can be written to");
        }
    }

    private void Begin()
    {
        EndedInOrder = _lock!.Length == 0;
        _lock.Write("running\n"u8);
        _lock.SetLength(_lock.Position);
        _lock.Flush(flushToDisk: true);
    }
}
