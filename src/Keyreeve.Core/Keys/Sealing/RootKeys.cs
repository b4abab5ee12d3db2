using System.Diagnostics.CodeAnalysis;

namespace Keyreeve.Core.Keys;

/// <summary>
/// The root keys a node has open, newest first; none while it is sealed. One immutable set, swapped whole; safe to use by many threads, of
/// which one at a time changes it. The octets lie in pinned memory and are zeroed when the node is sealed again; what the cipher keeps of them is the cryptographic library's, which
/// clears it when it is freed.
/// </summary>
public sealed class RootKeys : IDisposable
{
    private Root[] _roots = [];

    /// <summary>True when nothing can be opened here.</summary>
    public bool IsSealed => Volatile.Read(ref _roots).Length == 0;

    /// <summary>The version that wraps, or 0 while sealed.</summary>
    public long Current => Volatile.Read(ref _roots) is [var first, ..] ? first.Version : 0;

    /// <summary>All versions that are open, newest first.</summary>
    public IReadOnlyList<long> Versions => [.. Volatile.Read(ref _roots).Select(r => r.Version)];

    /// <summary>Raised after the node was sealed: whoever keeps keys that were wrapped drops them.</summary>
    public event EventHandler? Locked;

    /// <summary>
    /// Opens the newest of <paramref name="stored"/> by <paramref name="source"/>, and by it the former ones that are still needed. False when it does
    /// not open; then nothing changed.
    /// </summary>
    public bool TryOpen(IReadOnlyList<SealRoot> stored, IRootKeySource source)
    {
        var newest = stored.MaxBy(r => r.Version);
        if (newest is null || newest.Method != source.Method || source.Open(newest) is not { } octets)
            return false;
        var opened = new List<Root> { new(newest.Version, octets) };
        foreach (var former in stored.Where(r => r.Version != newest.Version).OrderByDescending(r => r.Version))
        {
            // A root that does not open is missed when something needs it, and named then.
            var purpose = SealRoot.PurposeOf(former.Version);
            var secret = new PinnedSecret(SealingKey.KeySize);
            if (former.Method == SealMethod.NextRoot && opened.Exists(next => next.Key.TryOpenTo(purpose, former.Wrapped, secret.Span)))
                opened.Add(new(former.Version, secret));
        }
        Swap([.. opened]);
        return true;
    }

    /// <summary>Opens what a root wrapped, into pinned memory.</summary>
    public bool TryOpen(string purpose, ReadOnlySpan<byte> wrapped, [NotNullWhen(true)] out PinnedSecret? secret)
    {
        secret = new(SealingKey.KeySize);
        foreach (var root in Volatile.Read(ref _roots))
            if (root.Key.TryOpenTo(purpose, wrapped, secret.Span))
                return true;
        secret.Dispose();
        secret = null;
        return false;
    }

    /// <summary>Wraps by the newest root; null while sealed.</summary>
    public (long Root, byte[] Wrapped)? Wrap(string purpose, ReadOnlySpan<byte> secret)
    {
        try
        {
            return Volatile.Read(ref _roots) is [var first, ..] ? (first.Version, first.Key.Seal(purpose, secret)) : null;
        }
        catch (ObjectDisposedException)
        {
            // Sealed at this very moment.
            return null;
        }
    }

    /// <summary>The roots that are open, each sealed by <paramref name="next"/>: so that they open by it as long as they are needed.</summary>
    public IReadOnlyList<(long Version, byte[] Wrapped)> SealUnder(SealingKey next) =>
        [.. Volatile.Read(ref _roots).Select(r => (r.Version, next.Seal(SealRoot.PurposeOf(r.Version), r.Octets.Span)))];

    /// <summary>A root that is to come, sealed by the newest that is open, for nodes that have that one; null while sealed.</summary>
    public byte[]? SealForFollowers(long version, ReadOnlySpan<byte> next)
    {
        try
        {
            return Volatile.Read(ref _roots) is [var first, ..] ? first.Key.Seal(SealRoot.FollowingPurposeOf(version), next) : null;
        }
        catch (ObjectDisposedException)
        {
            return null;
        }
    }

    /// <summary>Opens roots that another node made since, each by the one before it, and drops those that are not stored any more. False when the newest does not open.</summary>
    public bool TryFollow(IReadOnlyList<SealRoot> stored)
    {
        foreach (var root in stored.OrderBy(r => r.Version).Where(r => r.Version > Current))
        {
            using var secret = new PinnedSecret(SealingKey.KeySize);
            if (Volatile.Read(ref _roots) is not [var first, ..] || root.Version != first.Version + 1
                || !first.Key.TryOpenTo(SealRoot.FollowingPurposeOf(root.Version), root.ByFormer, secret.Span))
                return false;
            Add(root.Version, secret.Span);
        }
        foreach (var gone in Versions.Except(stored.Select(r => r.Version)))
            Drop(gone);
        return true;
    }

    /// <summary>Puts a new root in front; the store has it already.</summary>
    public void Add(long version, ReadOnlySpan<byte> octets) =>
        Volatile.Write(ref _roots, [new Root(version, new PinnedSecret(octets)), .. Volatile.Read(ref _roots)]);

    /// <summary>Forgets a former root that nothing needs any more.</summary>
    public void Drop(long version)
    {
        var before = Volatile.Read(ref _roots);
        if (before.Length < 2)
            return;
        Volatile.Write(ref _roots, [.. before.Where(r => r.Version != version)]);
        foreach (var root in before.Where(r => r.Version == version))
            root.Dispose();
    }

    /// <summary>Forgets every root: the node is sealed.</summary>
    public void Lock()
    {
        Swap([]);
        Locked?.Invoke(this, EventArgs.Empty);
    }

    /// <inheritdoc />
    public void Dispose() => Lock();

    private void Swap(Root[] next)
    {
        foreach (var root in Interlocked.Exchange(ref _roots, next))
            root.Dispose();
    }

    private sealed class Root(long version, PinnedSecret octets) : IDisposable
    {
        public long Version => version;

        public PinnedSecret Octets => octets;

        public SealingKey Key { get; } = SealingKey.FromBytes(octets.Span);

        public void Dispose()
        {
            Key.Dispose();
            octets.Dispose();
        }
    }
}
