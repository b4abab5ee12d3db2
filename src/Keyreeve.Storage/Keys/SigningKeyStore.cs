using Dapper;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Keys;
using Keyreeve.Core.Snapshots;
using Keyreeve.Wire.Jose;

namespace Keyreeve.Storage;

/// <summary>Signing keys, sealed.</summary>
public sealed class SigningKeyStore(IDatabase database) : ISigningKeyStore
{
    /// <inheritdoc />
    public Task<IReadOnlyList<SigningKeyRow>> LoadAsync(CancellationToken cancel) => database.ReadAsync<IReadOnlyList<SigningKeyRow>>(async connection =>
        [.. (await connection.QueryAsync<Row>("""
            SELECT key_id, algorithm, generation, sealed_private_key, created_at, activates_at, expires_at, revoked
            FROM signing_keys ORDER BY created_at, algorithm, generation
            """)).Select(row => row.ToKey())], cancel);

    /// <inheritdoc />
    public Task<bool> AddAsync(SigningKeyRow key, AuditEntry entry, CancellationToken cancel) => database.WriteAsync(async unit =>
    {
        var added = await unit.ExecuteAsync("""
            INSERT INTO signing_keys (key_id, algorithm, generation, sealed_private_key, created_at, activates_at, expires_at, revoked)
            VALUES (@KeyId, @Algorithm, @Generation, @SealedPrivateKey, @CreatedAt, @ActivatesAt, @ExpiresAt, @Revoked)
            ON CONFLICT DO NOTHING
            """, Row.Of(key)) == 1;
        if (added)
        {
            unit.Audit(entry);
            unit.Bump(Topic.SigningKeys);
        }
        return added;
    }, cancel);

    /// <inheritdoc />
    public Task SetExpiryAsync(string keyId, long expiresAt, CancellationToken cancel) => ChangeAsync(
        "UPDATE signing_keys SET expires_at = @ExpiresAt WHERE key_id = @KeyId AND expires_at = 0", new { KeyId = keyId, ExpiresAt = expiresAt }, null, cancel);

    /// <inheritdoc />
    public async Task<bool> RevokeAsync(string keyId, AuditEntry entry, CancellationToken cancel) =>
        await ChangeAsync("UPDATE signing_keys SET revoked = 1 WHERE key_id = @KeyId", new { KeyId = keyId }, entry, cancel) > 0;

    /// <inheritdoc />
    public Task<int> DeleteExpiredAsync(long now, CancellationToken cancel) =>
        ChangeAsync("DELETE FROM signing_keys WHERE expires_at <> 0 AND expires_at < @Now", new { Now = now }, null, cancel);

    private Task<int> ChangeAsync(string sql, object parameters, AuditEntry? entry, CancellationToken cancel) => database.WriteAsync(async unit =>
    {
        var changed = await unit.ExecuteAsync(sql, parameters);
        if (changed > 0)
        {
            if (entry is not null)
                unit.Audit(entry);
            unit.Bump(Topic.SigningKeys);
        }
        return changed;
    }, cancel);

    private sealed class Row
    {
        public string KeyId { get; init; } = "";
        public string Algorithm { get; init; } = "";
        public long Generation { get; init; }
        public byte[] SealedPrivateKey { get; init; } = [];
        public long CreatedAt { get; init; }
        public long ActivatesAt { get; init; }
        public long ExpiresAt { get; init; }
        public long Revoked { get; init; }

        public static Row Of(SigningKeyRow key) => new()
        {
            KeyId = key.KeyId,
            Algorithm = key.Algorithm.Name(),
            Generation = key.Generation,
            SealedPrivateKey = key.SealedPrivateKey,
            CreatedAt = key.CreatedAt,
            ActivatesAt = key.ActivatesAt,
            ExpiresAt = key.ExpiresAt,
            Revoked = key.Revoked ? 1 : 0,
        };

        public SigningKeyRow ToKey() => new()
        {
            KeyId = KeyId,
            Algorithm = JwsAlgorithms.TryParse(Algorithm, out var algorithm) ? algorithm : throw StoredText.Broken(Algorithm),
            Generation = (int)Generation,
            SealedPrivateKey = SealedPrivateKey,
            CreatedAt = CreatedAt,
            ActivatesAt = ActivatesAt,
            ExpiresAt = ExpiresAt,
            Revoked = Revoked != 0,
        };
    }
}
