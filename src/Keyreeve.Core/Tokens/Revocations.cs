using System.Collections.Frozen;
using System.Collections.Immutable;
using Keyreeve.Core.Audit;

namespace Keyreeve.Core.Tokens;

/// <summary>What a revocation ends.</summary>
public enum RevocationKind
{
    /// <summary>One token, by <c>jti</c>.</summary>
    JwtId = 1,

    /// <summary>All tokens of a subject.</summary>
    Subject = 2,

    /// <summary>All tokens of a client.</summary>
    Client = 3,

    /// <summary>All tokens of a grant (refresh family), by <c>grant_id</c>.</summary>
    Grant = 4,
}

/// <summary>
/// One entry of the revocation list: tokens of <paramref name="Value"/> issued at or before <paramref name="IssuedUntil"/> are dead.
/// Kept until <paramref name="KeepUntil"/>, when the last of them has expired. Times Unix seconds.
/// </summary>
public sealed record Revocation(RevocationKind Kind, string Value, long IssuedUntil, long KeepUntil)
{
    /// <summary>No access token may be registered to live longer; revocations are kept this long.</summary>
    public static readonly TimeSpan LongestTokenLife = TimeSpan.FromHours(25);

    /// <summary>Ends a grant. Without an end: a grant never comes back, and a request that is minting at this moment may be a second ahead of us.</summary>
    public static Revocation OfGrant(string grantId, DateTimeOffset now) =>
        new(RevocationKind.Grant, RefreshToken.GrantNameOf(grantId), long.MaxValue, (now + LongestTokenLife).ToUnixTimeSeconds());

    /// <summary>
    /// Ends the tokens that stand on the word of another issuer, up to a moment: they carry the name of that trust as their grant.
    /// </summary>
    public static Revocation OfIssuer(string issuer, DateTimeOffset until, DateTimeOffset now) =>
        new(RevocationKind.Grant, RefreshToken.GrantNameOf(IssuerGrant(issuer)), until.ToUnixTimeSeconds(), (now + LongestTokenLife).ToUnixTimeSeconds());

    /// <summary>What tokens of another issuer's users stand on. No family's identifier has a space.</summary>
    public static string IssuerGrant(string issuer) => "issuer " + issuer;

    /// <summary>Ends the tokens of a user up to now, and those that requests under way are minting within a second.</summary>
    public static Revocation OfSubject(string subject, DateTimeOffset now) =>
        new(RevocationKind.Subject, subject, now.ToUnixTimeSeconds() + 1, (now + LongestTokenLife).ToUnixTimeSeconds());
}

/// <summary>
/// The revocation list at one moment, immutable; swapped whole when it changes. A large frozen part and a small young one: an entry
/// costs the young part only, and the two become one when the young part has grown to a share of the whole.
/// </summary>
public sealed class RevocationList
{
    /// <summary>The young part may always be this large. Our choice: building a frozen list of few entries is not worth it.</summary>
    private const int YoungAtLeast = 1024;

    private readonly FrozenDictionary<(RevocationKind, string), Life> _settled;
    private readonly ImmutableDictionary<(RevocationKind, string), Life> _young;

    /// <summary>Builds the list.</summary>
    public RevocationList(IEnumerable<Revocation> entries)
        : this(entries.GroupBy(e => (e.Kind, e.Value)).ToFrozenDictionary(g => g.Key, g => g.Select(Life.Of).Aggregate(Life.Widest)), Nothing)
    {
    }

    private RevocationList(FrozenDictionary<(RevocationKind, string), Life> settled, ImmutableDictionary<(RevocationKind, string), Life> young) =>
        (_settled, _young) = (settled, young);

    /// <summary>Nothing is revoked.</summary>
    public static RevocationList Empty { get; } = new([]);

    private static ImmutableDictionary<(RevocationKind, string), Life> Nothing => ImmutableDictionary<(RevocationKind, string), Life>.Empty;

    /// <summary>How many entries at most; an entry that was widened may count twice.</summary>
    public int Count => _settled.Count + _young.Count;

    /// <summary>This list and more. Entries that no token can need at <paramref name="now"/> (Unix seconds) are dropped now and then.</summary>
    public RevocationList With(IReadOnlyCollection<Revocation> entries, long now)
    {
        if (entries.Count == 0)
            return this;
        var young = _young.ToBuilder();
        foreach (var entry in entries)
        {
            var key = (entry.Kind, entry.Value);
            var life = Life.Of(entry);
            young[key] = young.TryGetValue(key, out var known) ? Life.Widest(known, life) : life;
        }
        if (young.Count <= Math.Max(YoungAtLeast, _settled.Count / 8))
            return new(_settled, young.ToImmutable());
        var all = new Dictionary<(RevocationKind, string), Life>(_settled.Count + young.Count);
        foreach (var (key, life) in _settled.Concat(young))
            all[key] = all.TryGetValue(key, out var known) ? Life.Widest(known, life) : life;
        return new(all.Where(e => e.Value.KeepUntil >= now).ToFrozenDictionary(), Nothing);
    }

    /// <summary>True when the token is dead by any of the four.</summary>
    public bool Covers(string? jwtId, string subject, string clientId, string? grantId, long issuedAt) =>
        Count > 0
        && (Covers(RevocationKind.JwtId, jwtId, issuedAt)
            || Covers(RevocationKind.Subject, subject, issuedAt)
            || Covers(RevocationKind.Client, clientId, issuedAt)
            || Covers(RevocationKind.Grant, grantId, issuedAt));

    private bool Covers(RevocationKind kind, string? value, long issuedAt) =>
        value is not null
        && ((_settled.TryGetValue((kind, value), out var settled) && issuedAt <= settled.IssuedUntil)
            || (_young.Count > 0 && _young.TryGetValue((kind, value), out var young) && issuedAt <= young.IssuedUntil));

    private readonly record struct Life(long IssuedUntil, long KeepUntil)
    {
        public static Life Of(Revocation entry) => new(entry.IssuedUntil, entry.KeepUntil);

        public static Life Widest(Life a, Life b) => new(Math.Max(a.IssuedUntil, b.IssuedUntil), Math.Max(a.KeepUntil, b.KeepUntil));
    }
}

/// <summary>Revocations as the store keeps them.</summary>
public interface IRevocationStore
{
    /// <summary>Adds entries with their audit entry; every node learns of them within a second.</summary>
    Task AddAsync(IReadOnlyList<Revocation> entries, AuditEntry entry, CancellationToken cancel);

    /// <summary>
    /// The entries still to be kept at <paramref name="now"/> (Unix seconds) that were added or widened after
    /// <paramref name="version"/> of <see cref="Snapshots.Topic.Revocations"/>; all of them after version -1.
    /// </summary>
    Task<IReadOnlyList<Revocation>> LoadAsync(long version, long now, CancellationToken cancel);

    /// <summary>Deletes entries no token can need any more; returns how many.</summary>
    Task<int> DeleteExpiredAsync(long now, int limit, CancellationToken cancel);
}
