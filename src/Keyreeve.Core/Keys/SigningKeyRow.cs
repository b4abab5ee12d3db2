using Keyreeve.Core.Audit;
using Keyreeve.Wire.Jose;

namespace Keyreeve.Core.Keys;

/// <summary>
/// A signing key as stored. Its life: published (in the JWKS) from <see cref="CreatedAt"/>, signs from <see cref="ActivatesAt"/>,
/// stops when its successor is active, published on until <see cref="ExpiresAt"/> is set and past. All times Unix seconds.
/// </summary>
public sealed record SigningKeyRow
{
    /// <summary>RFC 7638 thumbprint.</summary>
    public required string KeyId { get; init; }

    /// <summary>One algorithm per key.</summary>
    public required JwsAlgorithm Algorithm { get; init; }

    /// <summary>Counts the keys of one algorithm; unique, so that two nodes that rotate at once make one key.</summary>
    public required int Generation { get; init; }

    /// <summary>PKCS#8, sealed for the purpose <see cref="Purpose"/>.</summary>
    public required byte[] SealedPrivateKey { get; init; }

    /// <summary>Published since.</summary>
    public required long CreatedAt { get; init; }

    /// <summary>Signs from then on.</summary>
    public required long ActivatesAt { get; init; }

    /// <summary>Leaves the JWKS then; 0 while it is the current or next key.</summary>
    public long ExpiresAt { get; init; }

    /// <summary>Taken out by an operator: neither signs nor verifies.</summary>
    public bool Revoked { get; init; }

    /// <summary>What the private key is sealed for.</summary>
    public string Purpose => PurposeOf(KeyId);

    /// <summary>What the private key of a kid is sealed for.</summary>
    public static string PurposeOf(string keyId) => $"signing_keys/{keyId}";
}

/// <summary>Signing keys as the store keeps them.</summary>
public interface ISigningKeyStore
{
    /// <summary>Every key that was not deleted, oldest first.</summary>
    Task<IReadOnlyList<SigningKeyRow>> LoadAsync(CancellationToken cancel);

    /// <summary>
    /// Adds a key, unless another node has taken its algorithm's generation meanwhile. True when it was added.
    /// </summary>
    Task<bool> AddAsync(SigningKeyRow key, AuditEntry entry, CancellationToken cancel);

    /// <summary>Sets when a key leaves the JWKS, if that is not set yet.</summary>
    Task SetExpiryAsync(string keyId, long expiresAt, CancellationToken cancel);

    /// <summary>Takes a key out at once.</summary>
    Task<bool> RevokeAsync(string keyId, AuditEntry entry, CancellationToken cancel);

    /// <summary>Deletes keys that expired before the given Unix seconds.</summary>
    Task<int> DeleteExpiredAsync(long now, CancellationToken cancel);
}
