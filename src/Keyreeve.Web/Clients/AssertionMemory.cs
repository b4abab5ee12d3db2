using System.Collections.Concurrent;

namespace Keyreeve.Web.Clients;

/// <summary>
/// Remembers the jti of client assertions until they expire, bounded per client: a client that floods only locks itself out.
/// </summary>
public sealed class AssertionMemory(TimeProvider clock)
{
    /// <summary>Assertions alive at once per client. Our choice: 5 minutes at 60 a second.</summary>
    private const int MaxPerClient = 20_000;

    private readonly ConcurrentDictionary<string, Dictionary<string, long>> _byClient = new(StringComparer.Ordinal);

    /// <summary>True exactly once for a client and jti. Called only for assertions whose signature holds, so the outer map is as bounded as the clients are.</summary>
    public bool FirstUse(string clientId, string jti, long expiresAt)
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
