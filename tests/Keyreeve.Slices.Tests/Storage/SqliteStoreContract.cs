using Keyreeve.Storage;

namespace Keyreeve.Slices.Tests.Storage;

/// <summary>The contract on SQLite, on a real file.</summary>
public sealed class SqliteStoreContract : StoreContract
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("keyreeve-store-");

    /// <summary>As a server has it, with key records in memory.</summary>
    protected override async Task<IDatabase> OpenAsync(string node)
    {
        IDatabase database = await SqliteEngine.OpenAsync(Path.Combine(_folder.FullName, "keyreeve.db"), TimeProvider.System, node, None);
        database.Remembered!.Capacity = 1 << 20;
        return database;
    }

    protected override ValueTask DropAsync()
    {
        _folder.Delete(recursive: true);
        return ValueTask.CompletedTask;
    }
}
