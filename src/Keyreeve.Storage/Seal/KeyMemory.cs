using Keyreeve.Core.Refusals;
using Keyreeve.Wire.Seal;

namespace Keyreeve.Storage;

/// <summary>
/// Reads key records into memory, as sealed as they are, beside the requests: at the start and whenever all were forgotten. Nothing to do where other
/// nodes write too.
/// </summary>
public sealed class KeyMemory(IDatabase database)
{
    /// <summary>Rows in one read. Our choice: a few milliseconds, in which requests have the other connections.</summary>
    private const int PageSize = 500;

    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(1);

    /// <summary>Before every record: services have a name, kinds begin at 0.</summary>
    private static readonly (string, KmIdentity) First = ("", new((KmIdentityKind)(-1), ""));

    /// <summary>Octets of what is in memory.</summary>
    public long Octets => database.Remembered?.Octets ?? 0;

    /// <summary>Records in memory.</summary>
    public long Count => database.Remembered?.Count ?? 0;

    /// <summary>Until cancelled.</summary>
    /// <param name="capacity">Octets at most, and never more than a quarter of what the process may have; 0 remembers nothing.</param>
    /// <param name="cancel">Ends it.</param>
    public async Task RunAsync(long capacity, CancellationToken cancel)
    {
        if (database.Remembered is not { } remembered || capacity == 0)
            return;
        remembered.Capacity = Math.Min(capacity, GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 4);
        for (var walked = -1L; ; await Task.Delay(LookEvery, database.Clock, cancel))
            try
            {
                // Writes nothing: the writer looks whether another program has (KeyChanges).
                await database.WriteSharedAsync(_ => Task.FromResult(0), cancel);
                if (remembered.Emptied is var emptied && emptied == walked)
                    continue;
                await ReadAllAsync(remembered, cancel);
                walked = emptied;
            }
            catch (TryLaterException)
            {
                // The database is away or busy. Requests learn it, and it is told there.
            }
    }

    /// <summary>As many as there is room for.</summary>
    private async Task ReadAllAsync(RememberedKeys remembered, CancellationToken cancel)
    {
        (string, KmIdentity)? after = First;
        for (var emptied = remembered.Emptied; after is { } at && remembered.Emptied == emptied && remembered.Octets < remembered.Capacity * 9 / 10;)
        {
            after = await ActiveKeys.RememberAsync(database, at, PageSize, cancel);
            await Task.Yield();
        }
    }
}
