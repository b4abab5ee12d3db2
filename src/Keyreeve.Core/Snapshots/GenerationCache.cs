using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;

namespace Keyreeve.Core.Snapshots;

/// <summary>
/// A bounded cache of two generations of half the capacity each: when the young one is full it becomes the old one and the old
/// one is dropped; what is used moves back. No clock, no lock, no list to walk. Emptied by throwing it away.
/// </summary>
/// <param name="capacity">Values of both generations.</param>
/// <param name="secondSight">
/// Once it was full it remembers a value only when its key comes a second time within about so many others. Where keys far outnumber the
/// places, nearly each value would be remembered for nothing, and what lives just long enough is what the garbage collector pays most for:
/// with a million clients drawn at random it was more than a quarter of an introspection, measured.
/// </param>
public sealed class GenerationCache<TKey, TValue>(int capacity, bool secondSight = false)
    where TKey : notnull
    where TValue : class
{
    // Hash codes by their lower digits. Two keys that share one see each other's: then a value is remembered early or late, and that is all.
    private readonly int[]? _seen = secondSight ? new int[capacity] : null;

    private Generations _generations = new(new(), new(), wasFull: false);

    /// <summary>The value of a key, if it is remembered.</summary>
    public bool TryGet(TKey key, [NotNullWhen(true)] out TValue? value)
    {
        var now = Volatile.Read(ref _generations);
        if (now.Young.TryGetValue(key, out value))
            return true;
        if (!now.Old.TryGetValue(key, out value))
            return false;
        Remember(key, value);
        return true;
    }

    /// <summary>Remembers a value, or that its key was here once.</summary>
    public void Add(TKey key, TValue value)
    {
        if (_seen is null || !Volatile.Read(ref _generations).WasFull || WasSeen(key.GetHashCode()))
            Remember(key, value);
    }

    private bool WasSeen(int hash)
    {
        ref var place = ref _seen![(uint)hash % (uint)_seen.Length];
        if (place == hash)
            return true;
        place = hash;
        return false;
    }

    private void Remember(TKey key, TValue value)
    {
        var now = Volatile.Read(ref _generations);
        if (now.Count >= capacity / 2)
        {
            var next = new Generations(new(), now.Young, wasFull: true);
            var before = Interlocked.CompareExchange(ref _generations, next, now);
            now = ReferenceEquals(before, now) ? next : before;
        }
        if (now.Young.TryAdd(key, value))
            Interlocked.Increment(ref now.Count);
    }

    private sealed class Generations(ConcurrentDictionary<TKey, TValue> young, ConcurrentDictionary<TKey, TValue> old, bool wasFull)
    {
        public int Count;

        public bool WasFull => wasFull;

        public ConcurrentDictionary<TKey, TValue> Young { get; } = young;

        public ConcurrentDictionary<TKey, TValue> Old { get; } = old;
    }
}
