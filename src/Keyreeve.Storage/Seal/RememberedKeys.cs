using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using System.Text;
using Keyreeve.Seal;
using Keyreeve.Wire.Seal;

namespace Keyreeve.Storage;

/// <summary>
/// Rows of key records in memory, as sealed as they lie in the store, so that a key request need not look them up. Only for an engine with one writer,
/// in this process: a record is forgotten before whoever changed it is told (<see cref="KeyChanges"/>). Safe to use by many threads.
/// </summary>
/// <remarks>
/// Remembered is what does not depend on the time: records of which no version waits to become active, whose newest one is wrapped by its service's
/// key. All others are looked up, and so is what is not there, or what shares its hash with another.
/// </remarks>
internal sealed class RememberedKeys
{
    /// <summary>Parts with a lock and a bound of their own.</summary>
    private const int Shards = 256;

    /// <summary>Octets of a row beside its own: the array's head, its place in the table. Counted, not measured.</summary>
    private const int Overhead = 104;

    /// <summary>Octets of a record's key. Our choice: those with longer names are looked up.</summary>
    private const int MaxKey = 512;

    /// <summary>Number, activation, expiry, creation.</summary>
    private const int Times = 4 * sizeof(long);

    private readonly Shard[] _shards = [.. Enumerable.Range(0, Shards).Select(_ => new Shard())];
    private readonly ConcurrentDictionary<(string Service, long Version), ServiceKek> _keks = new();
    private long _generation;
    private long _emptied;

    public RememberedKeys() => Changes = new(this);

    /// <summary>What the writer changes.</summary>
    public KeyChanges Changes { get; }

    /// <summary>Octets at most; 0, as in the beginning, remembers nothing.</summary>
    public long Capacity { get; set; }

    /// <summary>Octets of what is remembered.</summary>
    public long Octets => _shards.Sum(s => Volatile.Read(ref s.Octets));

    /// <summary>Records that are remembered.</summary>
    public long Count => _shards.Sum(s => s.Count);

    /// <summary>How often everything was forgotten.</summary>
    public long Emptied => Interlocked.Read(ref _emptied);

    /// <summary>Taken before rows are read that are to be remembered: what may have changed since is not.</summary>
    public long Generation => Interlocked.Read(ref _generation);

    /// <summary>What <see cref="ActiveKeys"/> would find; null when that has to be asked.</summary>
    public FoundKey? Find(string serviceId, KmIdentity identity, long now)
    {
        Span<byte> room = stackalloc byte[MaxKey];
        if (Capacity == 0 || !TryWriteKey(serviceId, identity, room, out var length))
            return null;
        var key = room[..length];
        var (shard, hash) = Place(key);
        Entry entry;
        lock (shard.Gate)
            if (!shard.Rows.TryGetValue(hash, out entry))
                return null;
        if (!KeyOf(entry.Row).SequenceEqual(key))
            return null;
        var version = Read(entry);
        // By a clock that was set back another one may be the newest.
        if (version.ActivatesAt > now)
            return null;
        return version.IsActive(now) ? new(version, entry.Kek) : new(null, null);
    }

    /// <summary>Remembers the newest version of a record, all of whose versions are active or over.</summary>
    /// <param name="serviceId">VAL service ID.</param>
    /// <param name="identity">The identity beside it.</param>
    /// <param name="version">As it was read.</param>
    /// <param name="kek">The key that wraps it, as it was read in the same state.</param>
    /// <param name="generation"><see cref="Generation"/> before that.</param>
    /// <param name="asked">Somebody asked for it: when its part is full, that begins anew. Else there is room, or it is not remembered.</param>
    public void Remember(string serviceId, KmIdentity identity, KeyVersion version, ServiceKek kek, long generation, bool asked)
    {
        Span<byte> room = stackalloc byte[MaxKey];
        if (Capacity == 0 || version.KekVersion != kek.Version || kek.DestroyedAt != 0 || !TryWriteKey(serviceId, identity, room, out var length))
            return;
        var row = Pack(room[..length], version);
        var (shard, hash) = Place(room[..length]);
        lock (shard.Gate)
            if (shard.ChangedIn <= generation && shard.MakeRoom(hash, row.Length + Overhead, Capacity / Shards, asked))
                // Only here: what was destroyed meanwhile does not come back.
                shard.Rows.Add(hash, new(row, Shared(kek)));
    }

    /// <summary>A record was changed, or may have been.</summary>
    public void Forget(string serviceId, KmIdentity identity)
    {
        Span<byte> room = stackalloc byte[MaxKey];
        if (!TryWriteKey(serviceId, identity, room, out var length))
            return;
        var (shard, hash) = Place(room[..length]);
        // Who read before it and comes to remember after it is refused.
        var generation = Interlocked.Increment(ref _generation);
        lock (shard.Gate)
        {
            shard.ChangedIn = generation;
            shard.Remove(hash);
        }
    }

    /// <summary>Nobody knows which were changed.</summary>
    public void ForgetAll()
    {
        var generation = Interlocked.Increment(ref _generation);
        foreach (var shard in _shards)
            lock (shard.Gate)
            {
                shard.ChangedIn = generation;
                shard.Clear();
            }
        _keks.Clear();
        Interlocked.Increment(ref _emptied);
    }

    /// <summary>One object for all records of a service: only memory is saved by it.</summary>
    private ServiceKek Shared(ServiceKek kek)
    {
        var shared = _keks.GetOrAdd((kek.ServiceId, kek.Version), kek);
        if (shared.Root == kek.Root && shared.CreatedAt == kek.CreatedAt && shared.Wrapped.AsSpan().SequenceEqual(kek.Wrapped))
            return shared;
        _keks[(kek.ServiceId, kek.Version)] = kek;
        return kek;
    }

    private (Shard Shard, int Hash) Place(ReadOnlySpan<byte> key)
    {
        var hash = new HashCode();
        hash.AddBytes(key);
        var value = hash.ToHashCode();
        return (_shards[(uint)value % Shards], value);
    }

    /// <summary>Kind, length of the service's name, both names: no two records write alike.</summary>
    private static bool TryWriteKey(string serviceId, KmIdentity identity, Span<byte> room, out int length)
    {
        length = 0;
        if (!Encoding.UTF8.TryGetBytes(serviceId, room[3..], out var service) || !Encoding.UTF8.TryGetBytes(identity.Value, room[(3 + service)..], out var value))
            return false;
        room[0] = (byte)identity.Kind;
        BinaryPrimitives.WriteUInt16LittleEndian(room[1..], (ushort)service);
        length = 3 + service + value;
        return true;
    }

    private static byte[] Pack(ReadOnlySpan<byte> key, KeyVersion version)
    {
        var row = new byte[2 + key.Length + Times + 2 + version.WrappedKey.Length + version.Ciphertext.Length];
        var rest = row.AsSpan();
        BinaryPrimitives.WriteUInt16LittleEndian(rest, (ushort)key.Length);
        key.CopyTo(rest[2..]);
        rest = rest[(2 + key.Length)..];
        ReadOnlySpan<long> times = [version.Number, version.ActivatesAt, version.ExpiresAt, version.CreatedAt];
        MemoryMarshal.AsBytes(times).CopyTo(rest);
        rest = rest[Times..];
        BinaryPrimitives.WriteUInt16LittleEndian(rest, (ushort)version.WrappedKey.Length);
        version.WrappedKey.CopyTo(rest[2..]);
        version.Ciphertext.CopyTo(rest[(2 + version.WrappedKey.Length)..]);
        return row;
    }

    private static ReadOnlySpan<byte> KeyOf(ReadOnlySpan<byte> row) => row.Slice(2, BinaryPrimitives.ReadUInt16LittleEndian(row));

    private static KeyVersion Read(Entry entry)
    {
        ReadOnlySpan<byte> row = entry.Row;
        var rest = row[(2 + KeyOf(row).Length)..];
        Span<long> times = stackalloc long[4];
        rest[..Times].CopyTo(MemoryMarshal.AsBytes(times));
        rest = rest[Times..];
        var wrapped = BinaryPrimitives.ReadUInt16LittleEndian(rest);
        return new()
        {
            Number = times[0],
            ActivatesAt = times[1],
            ExpiresAt = times[2],
            CreatedAt = times[3],
            KekVersion = entry.Kek.Version,
            WrappedKey = rest.Slice(2, wrapped).ToArray(),
            Ciphertext = rest[(2 + wrapped)..].ToArray(),
        };
    }

    private readonly record struct Entry(byte[] Row, ServiceKek Kek);

    private sealed class Shard
    {
        public readonly Lock Gate = new();
        public long Octets;

        public Dictionary<int, Entry> Rows { get; private set; } = [];

        /// <summary>The generation that the last change of one of its records began.</summary>
        public long ChangedIn { get; set; }

        public int Count
        {
            get
            {
                lock (Gate)
                    return Rows.Count;
            }
        }

        /// <summary>When it is full it begins anew: what is asked for comes back, the rest does not stay for ever.</summary>
        public bool MakeRoom(int hash, int octets, long most, bool clear)
        {
            Remove(hash);
            if (octets > most || Octets + octets > most && !clear)
                return false;
            if (Octets + octets > most)
                Clear();
            Octets += octets;
            return true;
        }

        public void Remove(int hash)
        {
            if (Rows.Remove(hash, out var entry))
                Octets -= entry.Row.Length + Overhead;
        }

        public void Clear()
        {
            // Its room too.
            (Rows, Octets) = ([], 0);
        }
    }
}
