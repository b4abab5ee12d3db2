using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;

namespace Keyreeve.Core.Snapshots;

/// <summary>
/// A bounded cache of two generations of half the capacity each: when the young one is full it becomes the old one and the old
/// one is dropped; what is used moves back. No clock, no lock, no list to walk. Emptied by throwing it away.
/// </summary>
public sealed class GenerationCache<TKey, TValue>(int capacity)
    where TKey : notnull
    where TValue : class
{
    private Generations _generations = new(new(), new());

    /// <summary>The value of a key, if it is remembered.</summary>
    public bool TryGet(TKey key, [NotNullWhen(true)] out TValue? value)
    {
        var now = Volatile.Read(ref _generations);
        if (now.Young.TryGetValue(key, out value))
            return true;
        if (!now.Old.TryGetValue(key, out value))
            return false;
        Add(key, value);
        return true;
    }

    /// <summary>Remembers a value.</summary>
    public void Add(TKey key, TValue value)
    {
        var now = Volatile.Read(ref _generations);
        if (now.Count >= capacity / 2)
        {
            var next = new Generations(new(), now.Young);
            var before = Interlocked.CompareExchange(ref _generations, next, now);
            now = ReferenceEquals(before, now) ? next : before;
        }
        if (now.Young.TryAdd(key, value))
            Interlocked.Increment(ref now.Count);
    }

    private sealed class Generations(ConcurrentDictionary<TKey, TValue> young, ConcurrentDictionary<TKey, TValue> old)
    {
        public int Count;

        public ConcurrentDictionary<TKey, TValue> Young { get; } = young;

        public ConcurrentDictionary<TKey, TValue> Old { get; } = old;
    }
}
