using System.Collections.Concurrent;
using Keyreeve.Core.Identity;

namespace Keyreeve.Web.Clients;

/// <summary>
/// Remembers the jti of client assertions until they expire: in memory bounded per client, so that a client that floods only locks
/// itself out, and then in the store, which other nodes share and which a restart does not empty.
/// </summary>
public sealed class AssertionMemory(IAssertionStore store, TimeProvider clock)
{
    /// <summary>Assertions alive at once per client and node. Our choice: 5 minutes at 60 a second.</summary>
    private const int MaxPerClient = 20_000;

    private readonly ConcurrentDictionary<string, Dictionary<string, long>> _byClient = new(StringComparer.Ordinal);

    /// <summary>
    /// True exactly once for a client and jti. Called only for assertions whose signature holds, so the outer map is as bounded as the
    /// clients are. An exception means that nobody knows: the client is then not authenticated.
    /// </summary>
    public async ValueTask<bool> FirstUseAsync(string clientId, string jti, long expiresAt) =>
        FirstUseHere(clientId, jti, expiresAt) && await store.AddAsync(clientId, jti, expiresAt, CancellationToken.None);

    private bool FirstUseHere(string clientId, string jti, long expiresAt)
    {
        var seen = _byClient.GetOrAdd(clientId, static _ => new(StringComparer.Ordinal));
        lock (seen)
        {
            if (seen.Count >= MaxPerClient)
            {
                var now = clock.GetUtcNow().ToUnixTimeSeconds();
                foreach (var (old, _) in seen.Where(e => e.Value < now).ToList())
                    seen.Remove(old);
                if (seen.Count >= MaxPerClient)
                    return false;
            }
            return seen.TryAdd(jti, expiresAt);
        }
    }
}
