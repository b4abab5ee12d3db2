using System.Security.Cryptography;
using System.Text;
using Keyreeve.Core.Identity;

namespace Keyreeve.Storage;

/// <summary>Client assertions that were used. The jti is kept as its hash: whatever octets a client puts there, it is 32 of them.</summary>
public sealed class AssertionTable(IDatabase database) : IAssertionStore
{
    /// <inheritdoc />
    public Task<bool> AddAsync(string clientId, string jti, long expiresAt, CancellationToken cancel) => database.WriteSharedAsync(async unit => await unit.ExecuteAsync(
        "INSERT INTO used_assertions (client_id, jti, expires_at) VALUES (@ClientId, @Jti, @ExpiresAt) ON CONFLICT (client_id, jti) DO NOTHING",
        new { ClientId = clientId, Jti = SHA256.HashData(Encoding.UTF8.GetBytes(jti)), ExpiresAt = expiresAt }) == 1, cancel);

    /// <inheritdoc />
    public Task<int> DeleteExpiredAsync(long now, int limit, CancellationToken cancel) => database.WriteSharedAsync(unit => DeleteExpiredAsync(unit, now, limit), cancel);

    internal static Task<int> DeleteExpiredAsync(UnitOfWork unit, long now, int limit) => unit.ExecuteAsync($"""
        DELETE FROM used_assertions
        WHERE (client_id, jti) IN (SELECT client_id, jti FROM used_assertions WHERE expires_at < @Now ORDER BY expires_at LIMIT @Limit {unit.SkipLocked})
        """, new { Now = now, Limit = (long)limit });
}
