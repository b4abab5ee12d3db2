namespace Keyreeve.Core.Identity;

/// <summary>Client assertions that were used (RFC 7523 section 3 item 7), on any node and before any restart.</summary>
public interface IAssertionStore
{
    /// <summary>True exactly once for a client and jti. The entry is kept until the assertion has expired (Unix seconds) and a while longer.</summary>
    Task<bool> AddAsync(string clientId, string jti, long expiresAt, CancellationToken cancel);

    /// <summary>Deletes entries of assertions that expired before a moment (Unix seconds), oldest first; returns how many.</summary>
    Task<int> DeleteExpiredAsync(long now, int limit, CancellationToken cancel);
}
