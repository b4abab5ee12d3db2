using System.Collections.Frozen;
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
public sealed record Revocation(RevocationKind Kind, string Value, long IssuedUntil, long KeepUntil);

/// <summary>The revocation list at one moment, immutable; swapped whole when it changes.</summary>
public sealed class RevocationList
{
    private readonly FrozenDictionary<(RevocationKind, string), long> _issuedUntil;

    /// <summary>Builds the list.</summary>
    public RevocationList(IEnumerable<Revocation> entries) =>
        _issuedUntil = entries.GroupBy(e => (e.Kind, e.Value)).ToFrozenDictionary(g => g.Key, g => g.Max(e => e.IssuedUntil));

    /// <summary>Nothing is revoked.</summary>
    public static RevocationList Empty { get; } = new([]);

    /// <summary>How many entries.</summary>
    public int Count => _issuedUntil.Count;

    /// <summary>True when the token is dead by any of the four.</summary>
    public bool Covers(string? jwtId, string subject, string clientId, string? grantId, long issuedAt) =>
        _issuedUntil.Count > 0
        && (Covers(RevocationKind.JwtId, jwtId, issuedAt)
            || Covers(RevocationKind.Subject, subject, issuedAt)
            || Covers(RevocationKind.Client, clientId, issuedAt)
            || Covers(RevocationKind.Grant, grantId, issuedAt));

    private bool Covers(RevocationKind kind, string? value, long issuedAt) =>
        value is not null && _issuedUntil.TryGetValue((kind, value), out var until) && issuedAt <= until;
}

/// <summary>Revocations as the store keeps them.</summary>
public interface IRevocationStore
{
    /// <summary>Adds entries with their audit entry; every node learns of them within a second.</summary>
    Task AddAsync(IReadOnlyList<Revocation> entries, AuditEntry entry, CancellationToken cancel);

    /// <summary>All entries still to be kept.</summary>
    Task<IReadOnlyList<Revocation>> LoadAsync(long now, CancellationToken cancel);

    /// <summary>Deletes entries no token can need any more; returns how many.</summary>
    Task<int> DeleteExpiredAsync(long now, int limit, CancellationToken cancel);
}
