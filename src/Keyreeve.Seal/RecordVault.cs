using System.Buffers;
using System.Collections.Concurrent;
using System.Security.Cryptography;
using Keyreeve.Core.Keys;
using Keyreeve.Core.Refusals;

namespace Keyreeve.Seal;

/// <summary>
/// Opens and seals key material. The root wraps a key for each VAL service, that wraps a key for each version of each record, and that seals the payload.
/// Keys of services are kept unwrapped while the node is open, a bounded number of them; safe to use by many threads.
/// </summary>
/// <remarks>
/// A kept key is used only for the very octets it was unwrapped from, which come with every record out of the store: so a key that was destroyed or
/// rotated by another node is not used here a moment longer, and nobody need tell. Out of the memory it goes when somebody looks (<see cref="DropStaleAsync"/>).
/// </remarks>
public sealed class RecordVault : IDisposable
{
    /// <summary>Unwrapped keys at once. Our choice: about 1 KB each.</summary>
    private const int Capacity = 4096;

    /// <summary>What is said while the node is sealed.</summary>
    public static readonly Refusal SealedHere = new(RefusalCode.Sealed, "the key store is sealed", "this node is sealed: keyreeve seal unseal");

    private readonly ConcurrentDictionary<(string Service, long Version), Kept> _kept = new();
    private readonly RootKeys _roots;
    private readonly Kek _kek;

    /// <param name="roots">The roots this node has open.</param>
    /// <param name="kek">Opens what the release before has sealed.</param>
    public RecordVault(RootKeys roots, Kek kek)
    {
        (_roots, _kek) = (roots, kek);
        roots.Locked += OnLocked;
    }

    /// <summary>True when nothing opens here.</summary>
    public bool IsSealed => _roots.IsSealed;

    /// <summary>Keys of services that are unwrapped here.</summary>
    public int KeptKeys => _kept.Count;

    /// <summary>Looks in the store for roots that were made elsewhere, and opens them by those that are open here.</summary>
    public Func<CancellationToken, Task>? CatchUpAsync { get; set; }

    /// <summary>Before a key of a service is used: when a newer root than those of this node wraps it, the node catches up.</summary>
    public Task FollowAsync(ServiceKek kek, CancellationToken cancel) =>
        kek.Root <= _roots.Current || IsSealed || CatchUpAsync is null ? Task.CompletedTask : CatchUpAsync(cancel);

    /// <summary>Opens a version. The caller zeroes the payload.</summary>
    public Outcome<byte[]> Open(string record, KeyVersion version, ServiceKek? kek)
    {
        if (IsSealed)
            return SealedHere;
        if (version.KekVersion == 0)
            return _kek.TryOpen(record, version.Ciphertext, out var legacy) ? legacy : Broken(version, _kek.WhyNot(version.Ciphertext));
        if (kek is null || kek.DestroyedAt != 0)
            return new Refusal(RefusalCode.KeyInformationNotAvailable, "no key information is available", "the key of the VAL service that wraps it was destroyed");
        using var held = Hold(kek);
        if (held is null)
            return IsSealed ? SealedHere : Broken(version, $"key {kek.Version} of its VAL service does not open by the roots that are open here ({string.Join(", ", _roots.Versions)}); root {kek.Root} wraps it");
        Span<byte> data = stackalloc byte[DataKey.KeySize];
        var purpose = ArrayPool<byte>.Shared.Rent(KeyVersion.MaxPurpose(record));
        try
        {
            if (!held.Key.TryOpenTo(KeyVersion.WriteKeyPurpose(purpose, record, version.Number), version.WrappedKey, data))
                return IsSealed ? SealedHere : Broken(version, "its data key does not open: the row was changed or moved");
            return DataKey.Open(data, KeyVersion.WritePurpose(purpose, record, version.Number, version.ActivatesAt, version.ExpiresAt), version.Ciphertext) is { } payload
                ? payload
                : Broken(version, "its payload does not open: the row was changed or moved");
        }
        finally
        {
            CryptographicOperations.ZeroMemory(data);
            ArrayPool<byte>.Shared.Return(purpose);
        }
    }

    /// <summary>Seals a version by a service's key.</summary>
    public Outcome<KeyVersion> Seal(string record, long number, long activatesAt, long expiresAt, long now, ServiceKek kek, ReadOnlySpan<byte> payload) =>
        Seal(record, number, activatesAt, expiresAt, now, kek, payload, FreshOctets.OneByOne);

    /// <summary>The same with a data key and nonces out of what was drawn for many versions.</summary>
    public Outcome<KeyVersion> Seal(string record, long number, long activatesAt, long expiresAt, long now, ServiceKek kek, ReadOnlySpan<byte> payload, FreshOctets fresh)
    {
        using var held = Hold(kek);
        if (held is null)
            return SealedHere;
        Span<byte> data = stackalloc byte[DataKey.KeySize];
        fresh.Fill(data);
        var purpose = ArrayPool<byte>.Shared.Rent(KeyVersion.MaxPurpose(record));
        try
        {
            return new KeyVersion
            {
                Number = number,
                ActivatesAt = activatesAt,
                ExpiresAt = expiresAt,
                CreatedAt = now,
                KekVersion = kek.Version,
                WrappedKey = held.Key.Seal(KeyVersion.WriteKeyPurpose(purpose, record, number), data, fresh),
                Ciphertext = DataKey.Seal(data, KeyVersion.WritePurpose(purpose, record, number, activatesAt, expiresAt), payload, fresh),
            };
        }
        catch (ObjectDisposedException)
        {
            return SealedHere;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(data);
            ArrayPool<byte>.Shared.Return(purpose);
        }
    }

    /// <summary>The same version wrapped by another key of its service; the payload is not touched, unless the release before has sealed it.</summary>
    public Outcome<KeyVersion> Rewrap(string record, KeyVersion version, ServiceKek? from, ServiceKek to)
    {
        if (version.KekVersion == 0)
        {
            if (!Open(record, version, null).Succeeded(out var payload, out var refusal))
                return refusal;
            var made = Seal(record, version.Number, version.ActivatesAt, version.ExpiresAt, version.CreatedAt, to, payload);
            CryptographicOperations.ZeroMemory(payload);
            return made;
        }
        using var before = from is null ? null : Hold(from);
        using var after = Hold(to);
        if (before is null || after is null)
            return IsSealed ? SealedHere : Broken(version, "the key of its VAL service does not open");
        Span<byte> data = stackalloc byte[DataKey.KeySize];
        var purpose = KeyVersion.KeyPurposeOf(record, version.Number);
        try
        {
            return before.Key.TryOpenTo(purpose, version.WrappedKey, data)
                ? version with { KekVersion = to.Version, WrappedKey = after.Key.Seal(purpose, data) }
                : IsSealed ? SealedHere : Broken(version, "its data key does not open: the row was changed or moved");
        }
        catch (ObjectDisposedException)
        {
            return SealedHere;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(data);
        }
    }

    /// <summary>A new key for a service, wrapped by the newest root; null while sealed.</summary>
    public ServiceKek? NewKek(string serviceId, long version, long now)
    {
        using var key = PinnedSecret.Random(SealingKey.KeySize);
        return _roots.Wrap(ServiceKek.PurposeOf(serviceId, version), key.Span) is var (root, wrapped)
            ? new ServiceKek { ServiceId = serviceId, Version = version, Root = root, Wrapped = wrapped, CreatedAt = now }
            : null;
    }

    /// <summary>A service's key wrapped by the newest root; null when it does not open.</summary>
    public ServiceKek? Rewrap(ServiceKek kek)
    {
        var purpose = ServiceKek.PurposeOf(kek.ServiceId, kek.Version);
        if (!_roots.TryOpen(purpose, kek.Wrapped, out var secret))
            return null;
        using (secret)
            return _roots.Wrap(purpose, secret.Span) is var (root, wrapped) ? kek with { Root = root, Wrapped = wrapped } : null;
    }

    /// <inheritdoc />
    public void Dispose()
    {
        _roots.Locked -= OnLocked;
        Forget();
    }

    /// <summary>A service's key, unwrapped; the caller disposes what it holds. Null when it does not open.</summary>
    private Kept? Hold(ServiceKek kek)
    {
        if (kek.DestroyedAt != 0)
            return null;
        var name = (kek.ServiceId, kek.Version);
        if (_kept.TryGetValue(name, out var kept) && kept.Is(kek.Wrapped) && kept.TryHold())
            return kept;
        if (!_roots.TryOpen(ServiceKek.PurposeOf(kek.ServiceId, kek.Version), kek.Wrapped, out var secret))
            return null;
        Kept made;
        using (secret)
            made = new(kek.Wrapped, SealingKey.FromBytes(secret.Span));
        // Full: any one goes.
        if (_kept.Count >= Capacity && _kept.Keys.FirstOrDefault() is { Service: not null } one)
            Drop(one);
        while (!_kept.TryAdd(name, made))
            Drop(name);
        // Sealed while it was unwrapped: then it is not kept.
        if (IsSealed)
            Forget();
        return made;
    }

    /// <summary>
    /// Drops unwrapped keys that are not in the store as they were unwrapped: another node destroyed or rotated them, or they were wrapped anew. Requests that
    /// use one at this moment end.
    /// </summary>
    public async Task DropStaleAsync(ISealStore store, CancellationToken cancel)
    {
        // First what is kept, then what is stored: what a request unwraps meanwhile is left alone.
        var kept = _kept.ToArray();
        var stored = (await store.KeksOfAsync([.. kept.Select(k => k.Key.Service).Distinct(StringComparer.Ordinal)], cancel)).ToDictionary(k => (k.ServiceId, k.Version));
        foreach (var one in kept)
            if (!(stored.TryGetValue(one.Key, out var row) && one.Value.Is(row.Wrapped)) && _kept.TryRemove(one))
                one.Value.Dispose();
    }

    /// <summary>Drops the unwrapped keys of a service: they were destroyed.</summary>
    public void Forget(string serviceId)
    {
        foreach (var name in _kept.Keys.Where(k => k.Service == serviceId))
            if (_kept.TryRemove(name, out var kept))
                kept.Key.Dispose();
    }

    private void OnLocked(object? sender, EventArgs e) => Forget();

    private void Forget()
    {
        foreach (var name in _kept.Keys)
            if (_kept.TryRemove(name, out var kept))
                kept.Key.Dispose();
    }

    /// <summary>Who holds it may use it to the end.</summary>
    private void Drop((string Service, long Version) name)
    {
        if (_kept.TryRemove(name, out var kept))
            kept.Dispose();
    }

    /// <summary>Names no record: that is a VAL user's or VAL UE's, and this goes to the log (TS 33.434 4.1-e).</summary>
    private static Refusal Broken(KeyVersion version, string why) =>
        new(RefusalCode.Unavailable, "the server could not complete the request", $"version {version.Number} does not open: {why}");

    /// <summary>A key that is kept and, when it is made, held. It is disposed when it is neither: the last one out does it.</summary>
    private sealed class Kept(byte[] wrapped, SealingKey key) : IDisposable
    {
        private int _holders = 2;

        public SealingKey Key => key;

        public bool Is(byte[] stored) => wrapped.AsSpan().SequenceEqual(stored);

        /// <summary>False when it was disposed already.</summary>
        public bool TryHold()
        {
            int before;
            do
                before = Volatile.Read(ref _holders);
            while (before > 0 && Interlocked.CompareExchange(ref _holders, before + 1, before) != before);
            return before > 0;
        }

        /// <summary>Lets go of it.</summary>
        public void Dispose()
        {
            if (Interlocked.Decrement(ref _holders) == 0)
                key.Dispose();
        }
    }
}
