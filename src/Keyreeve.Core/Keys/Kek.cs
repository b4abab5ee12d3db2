using System.Collections.Frozen;
using System.Diagnostics.CodeAnalysis;

namespace Keyreeve.Core.Keys;

/// <summary>
/// The key-encryption key as the server uses it: seals with the current key, opens with every key it was given, found by the id in the
/// sealed value's head (see <see cref="SealingKey"/>). The keys are one immutable set, swapped whole by a rotation; safe to use by many threads.
/// </summary>
public sealed class Kek : IDisposable
{
    /// <summary>Octets of a key.</summary>
    public const int KeySize = SealingKey.KeySize;

    private Keys _keys;
    private long _seals;

    /// <summary>Takes the keys over. An id that comes twice is one key.</summary>
    public Kek(SealingKey current, IEnumerable<SealingKey> others) => _keys = new(current, others);

    /// <summary>The id of the key that seals.</summary>
    public string Id => Volatile.Read(ref _keys).Current.Id;

    /// <summary>The ids of the other keys, which only open, in ordinal order.</summary>
    public IReadOnlyList<string> OtherIds => Volatile.Read(ref _keys).OtherIds;

    /// <summary>Seals since this process started.</summary>
    public long Seals => Interlocked.Read(ref _seals);

    /// <summary>A single key; the caller zeroes its copy.</summary>
    public static Kek FromBytes(ReadOnlySpan<byte> key) => new(SealingKey.FromBytes(key), []);

    /// <summary>Seals for one purpose with the current key.</summary>
    public byte[] Seal(string purpose, ReadOnlySpan<byte> plaintext)
    {
        Interlocked.Increment(ref _seals);
        return Volatile.Read(ref _keys).Current.Seal(purpose, plaintext);
    }

    /// <summary>Opens what was sealed for the same purpose by a known key; false for anything else.</summary>
    public bool TryOpen(string purpose, ReadOnlySpan<byte> sealedValue, [NotNullWhen(true)] out byte[]? plaintext)
    {
        plaintext = null;
        // A key looks at the id first, and there are hardly ever two of them.
        foreach (var key in Volatile.Read(ref _keys).All)
            if (key.TryOpen(purpose, sealedValue, out plaintext))
                return true;
        return false;
    }

    /// <summary>For the operator: why a value does not open here.</summary>
    public string WhyNot(ReadOnlySpan<byte> sealedValue) => IdOf(sealedValue) switch
    {
        null => "it is no sealed value",
        { } id when Volatile.Read(ref _keys).ById.ContainsKey(id) => $"it was sealed by KEK {id}, which is known here: the row was changed or moved",
        { } id => $"it was sealed by KEK {id}, which is not known here",
    };

    /// <summary>
    /// From now on has the keys of <paramref name="next"/>, which is used up by this. A key that both have stays as it is, so that nobody who seals or opens
    /// at this moment is disturbed; one that is not there any more is destroyed.
    /// </summary>
    public void Replace(Kek next)
    {
        var (before, given) = (Volatile.Read(ref _keys), Volatile.Read(ref next._keys));
        var all = given.All.Select(key => before.ById.GetValueOrDefault(key.Id) ?? key).ToList();
        Volatile.Write(ref _keys, new Keys(all[0], all[1..]));
        foreach (var key in before.All.Concat(given.All).Except(all))
            key.Dispose();
    }

    /// <summary>The id in a sealed value's head, to say which KEK it needs.</summary>
    public static string? IdOf(ReadOnlySpan<byte> sealedValue) => SealingKey.IdOf(sealedValue);

    /// <inheritdoc />
    public void Dispose()
    {
        foreach (var key in Volatile.Read(ref _keys).ById.Values)
            key.Dispose();
    }

    /// <inheritdoc />
    public override string ToString() => OtherIds is { Count: > 0 } others ? $"Kek {Id} (and {string.Join(", ", others)})" : $"Kek {Id}";

    private sealed class Keys
    {
        public Keys(SealingKey current, IEnumerable<SealingKey> others)
        {
            Current = current;
            All = [.. others.Prepend(current).DistinctBy(k => k.Id, StringComparer.Ordinal)];
            ById = All.ToFrozenDictionary(k => k.Id, StringComparer.Ordinal);
            OtherIds = [.. ById.Keys.Where(id => id != current.Id).Order(StringComparer.Ordinal)];
        }

        public SealingKey Current { get; }

        /// <summary>The current one first.</summary>
        public SealingKey[] All { get; }

        public FrozenDictionary<string, SealingKey> ById { get; }

        public IReadOnlyList<string> OtherIds { get; }
    }
}
