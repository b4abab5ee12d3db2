using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using Keyreeve.Core.Keys;

namespace Keyreeve.Core.Tokens;

/// <summary>
/// Remembers tokens whose signature was checked, in two generations of half the capacity each: when the young one is full it
/// becomes the old one and the old one is dropped. Bounded, without a clock or a lock. A new key ring empties it, so that a
/// revoked signing key is out at once.
/// </summary>
internal sealed class TokenCache(int capacity)
{
    private Generations _generations = new(null, new(), new());

    /// <summary>The token of a hash, if its signature was checked under this ring.</summary>
    public bool TryGet(ReadOnlySpan<byte> hash, KeyRing ring, [NotNullWhen(true)] out VerifiedToken? token)
    {
        token = null;
        var now = Volatile.Read(ref _generations);
        if (!ReferenceEquals(now.Ring, ring))
            return false;
        var key = MemoryMarshal.Read<Key>(hash);
        if (now.Young.TryGetValue(key, out token))
            return true;
        if (!now.Old.TryGetValue(key, out token))
            return false;
        Add(hash, ring, token);
        return true;
    }

    /// <summary>Remembers a token.</summary>
    public void Add(ReadOnlySpan<byte> hash, KeyRing ring, VerifiedToken token)
    {
        var now = Volatile.Read(ref _generations);
        if (!ReferenceEquals(now.Ring, ring))
            now = Swap(now, new(ring, new(), new()));
        else if (now.Count >= capacity / 2)
            now = Swap(now, new(ring, new(), now.Young));
        if (now.Young.TryAdd(MemoryMarshal.Read<Key>(hash), token))
            Interlocked.Increment(ref now.Count);
    }

    private Generations Swap(Generations seen, Generations next)
    {
        var before = Interlocked.CompareExchange(ref _generations, next, seen);
        return ReferenceEquals(before, seen) ? next : before;
    }

    private sealed class Generations(KeyRing? ring, ConcurrentDictionary<Key, VerifiedToken> young, ConcurrentDictionary<Key, VerifiedToken> old)
    {
        public int Count;

        public KeyRing? Ring { get; } = ring;

        public ConcurrentDictionary<Key, VerifiedToken> Young { get; } = young;

        public ConcurrentDictionary<Key, VerifiedToken> Old { get; } = old;
    }

    /// <summary>A SHA-256 value. Its first octets hash well enough: nobody chooses them.</summary>
    private readonly record struct Key(long A, long B, long C, long D)
    {
        public override int GetHashCode() => A.GetHashCode();
    }
}
