using Keyreeve.Core.Audit;
using Keyreeve.Core.Keys;

namespace Keyreeve.Server.Hosting;

/// <summary>Does what <see cref="KeyRotation"/> decides.</summary>
public sealed class KeyRotator(ISigningKeyStore store, Kek kek, RotationPolicy policy, TimeProvider clock)
{
    /// <summary>One round; returns how many steps were taken.</summary>
    public async Task<int> RotateAsync(CancellationToken cancel)
    {
        var now = clock.GetUtcNow();
        var steps = KeyRotation.Plan(await store.LoadAsync(cancel), policy, now);
        foreach (var step in steps)
        {
            switch (step)
            {
                case RotationStep.Make make:
                    var (row, key) = SigningKey.Generate(make.Algorithm, make.Generation, now, make.ActivatesAt, kek);
                    key.Dispose();
                    await store.AddAsync(row, Entry("signing_key.made", row.KeyId, $"{make.Algorithm}, signs from {make.ActivatesAt:u}"), cancel);
                    break;
                case RotationStep.Expire expire:
                    await store.SetExpiryAsync(expire.KeyId, expire.ExpiresAt.ToUnixTimeSeconds(), cancel);
                    break;
            }
        }
        return steps.Count + await store.DeleteExpiredAsync(now.ToUnixTimeSeconds(), cancel);
    }

    /// <summary>
    /// Publishes the next key of every algorithm that has none yet, before its time; it signs after the publish-ahead time. Returns
    /// how many were made.
    /// </summary>
    public async Task<int> RotateEarlyAsync(string actor, CancellationToken cancel)
    {
        await RotateAsync(cancel);
        var now = clock.GetUtcNow();
        var keys = await store.LoadAsync(cancel);
        var made = 0;
        foreach (var algorithm in policy.Algorithms)
        {
            var known = keys.Where(k => k.Algorithm == algorithm).ToList();
            if (known.Exists(k => !k.Revoked && k.ActivatesAt > now.ToUnixTimeSeconds()))
                continue;
            var (row, key) = SigningKey.Generate(algorithm, known.Max(k => k.Generation) + 1, now, now + policy.PublishAhead, kek);
            key.Dispose();
            if (await store.AddAsync(row, Entry("signing_key.made", row.KeyId, $"{algorithm}, signs from {now + policy.PublishAhead:u}") with { Actor = actor }, cancel))
                made++;
        }
        return made;
    }

    /// <summary>Takes a key out at once and makes a new one.</summary>
    public async Task<bool> RevokeAsync(string keyId, string actor, CancellationToken cancel)
    {
        if (!await store.RevokeAsync(keyId, Entry("signing_key.revoked", keyId, null) with { Actor = actor }, cancel))
            return false;
        await RotateAsync(cancel);
        return true;
    }

    private AuditEntry Entry(string kind, string keyId, string? detail) => new()
    {
        Kind = kind,
        Outcome = AuditOutcome.Changed,
        At = clock.GetUtcNow().ToUnixTimeMilliseconds(),
        Actor = "system",
        Subject = keyId,
        Detail = detail,
    };
}
