using Keyreeve.Core.Audit;

namespace Keyreeve.Core.Keys;

/// <summary>
/// Named private values that are no table of their own: CA keys, data-protection keys, the server's certificate key. The store
/// sees sealed octets only.
/// </summary>
public interface ISealedStore
{
    /// <summary>The sealed value of a name, or null.</summary>
    Task<byte[]?> FindAsync(string name, CancellationToken cancel);

    /// <summary>All values whose name begins so, in ordinal order of the name.</summary>
    Task<IReadOnlyList<(string Name, byte[] Value)>> ListAsync(string prefix, CancellationToken cancel);

    /// <summary>Adds the value if the name is new; returns the value that is stored now, ours or the other node's.</summary>
    Task<byte[]> AddIfAbsentAsync(string name, byte[] value, AuditEntry entry, CancellationToken cancel);

    /// <summary>Adds or replaces.</summary>
    Task PutAsync(string name, byte[] value, AuditEntry entry, CancellationToken cancel);

    /// <summary>Removes a value if another one whose name begins with the prefix is left. False, and nothing is done, when not.</summary>
    Task<bool> RemoveUnlessLastAsync(string name, string prefix, AuditEntry entry, CancellationToken cancel);
}
