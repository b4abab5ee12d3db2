using System.Security.Cryptography;

namespace Keyreeve.Core.Keys;

/// <summary>
/// Shares that custodians gave one after the other, until there are enough. Bounded by the threshold; they are forgotten, and zeroed, when they were used,
/// when they turn out to be wrong, and when nobody gave another for a while. One caller at a time.
/// </summary>
public sealed class GivenShares(TimeProvider clock)
{
    /// <summary>How long a share waits for the next. Our choice: a ceremony with a coffee in it.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromMinutes(30);

    private readonly Dictionary<byte, Share> _shares = [];
    private string? _set;
    private DateTimeOffset _last;

    /// <summary>How many are there.</summary>
    public int Count => _shares.Count > 0 && clock.GetUtcNow() - _last > Patience ? 0 : _shares.Count;

    /// <summary>Adds one of a set; the same one again changes nothing. Shares of another set, and old ones, go.</summary>
    public void Add(string set, Share share)
    {
        if (_set != set || Count == 0)
            Clear();
        (_set, _last) = (set, clock.GetUtcNow());
        if (_shares.TryGetValue(share.X, out var before))
            CryptographicOperations.ZeroMemory(before.Y);
        _shares[share.X] = share;
    }

    /// <summary>The secret of all that are there, which then are forgotten.</summary>
    public PinnedSecret Combine()
    {
        var secret = Shamir.Combine([.. _shares.Values]);
        Clear();
        return secret;
    }

    /// <summary>Forgets them.</summary>
    public void Clear()
    {
        foreach (var share in _shares.Values)
            CryptographicOperations.ZeroMemory(share.Y);
        _shares.Clear();
        _set = null;
    }
}
