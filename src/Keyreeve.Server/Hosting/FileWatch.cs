namespace Keyreeve.Server.Hosting;

/// <summary>
/// Tells when one of some files may have changed. The system is asked to say so, and every now and then it is so without being asked: a
/// file on a network, or a folder that was replaced, is not told of.
/// </summary>
public sealed class FileWatch : IDisposable
{
    /// <summary>Two files are rarely replaced at once: what is begun is let come to its end. Our choice.</summary>
    private static readonly TimeSpan Settle = TimeSpan.FromMilliseconds(300);

    private readonly List<FileSystemWatcher> _watchers = [];
    private readonly SemaphoreSlim _changed = new(0, 1);
    private readonly TimeProvider _clock;

    /// <summary>Watches the folders of the files. Where the system cannot, only the pause between two looks counts.</summary>
    public FileWatch(IEnumerable<string> files, TimeProvider clock)
    {
        _clock = clock;
        foreach (var folder in files.Select(file => Path.GetDirectoryName(Path.GetFullPath(file))!).Distinct(StringComparer.Ordinal))
        {
            try
            {
                // The whole folder: tools that renew write beside and rename, or turn a link elsewhere.
                var watcher = new FileSystemWatcher(folder) { NotifyFilter = NotifyFilters.FileName | NotifyFilters.DirectoryName | NotifyFilters.LastWrite | NotifyFilters.Size };
                _watchers.Add(watcher);
                watcher.Changed += Tell;
                watcher.Created += Tell;
                watcher.Renamed += Tell;
                watcher.Deleted += Tell;
                watcher.EnableRaisingEvents = true;
            }
            catch (Exception e) when (e is IOException or ArgumentException or UnauthorizedAccessException)
            {
                // No folder yet, or no watches left in the kernel.
            }
        }
    }

    /// <summary>Returns when something may have changed, at the latest after a while.</summary>
    public async Task WaitAsync(TimeSpan atMost, CancellationToken cancel)
    {
        if (await _changed.WaitAsync(atMost, cancel))
            await Task.Delay(Settle, _clock, cancel);
    }

    /// <inheritdoc />
    public void Dispose()
    {
        foreach (var watcher in _watchers)
            watcher.Dispose();
        _changed.Dispose();
    }

    private void Tell(object sender, FileSystemEventArgs change)
    {
        try
        {
            _changed.Release();
        }
        catch (Exception e) when (e is SemaphoreFullException or ObjectDisposedException)
        {
            // Told already, or nobody waits any more.
        }
    }
}
