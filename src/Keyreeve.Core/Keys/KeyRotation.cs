using Keyreeve.Wire.Jose;

namespace Keyreeve.Core.Keys;

/// <summary>When signing keys change.</summary>
public sealed record RotationPolicy
{
    /// <summary>How long a key signs.</summary>
    public TimeSpan Period { get; init; } = TimeSpan.FromDays(30);

    /// <summary>How long a key is published before it signs; longer than any verifier caches the JWKS.</summary>
    public TimeSpan PublishAhead { get; init; } = TimeSpan.FromDays(1);

    /// <summary>How long a key is published after it stopped signing; longer than the longest token lives.</summary>
    public TimeSpan KeepAfter { get; init; } = TimeSpan.FromDays(2);

    /// <summary>The algorithms that must have a key.</summary>
    public IReadOnlyList<JwsAlgorithm> Algorithms { get; init; } = [JwsAlgorithm.ES256, JwsAlgorithm.RS256];
}

/// <summary>One thing to do to the keys.</summary>
public abstract record RotationStep
{
    private RotationStep()
    {
    }

    /// <summary>Make a key that signs from the given time.</summary>
    public sealed record Make(JwsAlgorithm Algorithm, int Generation, DateTimeOffset ActivatesAt) : RotationStep;

    /// <summary>Let a key leave the JWKS at the given time.</summary>
    public sealed record Expire(string KeyId, DateTimeOffset ExpiresAt) : RotationStep;
}

/// <summary>
/// Rotation as a pure decision: the next key is published before it signs, the last one stays until its tokens are gone
/// (architecture: verifiers that cache the JWKS never meet an unknown kid).
/// </summary>
public static class KeyRotation
{
    /// <summary>What is to be done now. Running it again without time passing asks for nothing.</summary>
    public static IReadOnlyList<RotationStep> Plan(IReadOnlyList<SigningKeyRow> keys, RotationPolicy policy, DateTimeOffset now)
    {
        var steps = new List<RotationStep>();
        var seconds = now.ToUnixTimeSeconds();
        foreach (var algorithm in policy.Algorithms)
        {
            var generation = keys.Where(k => k.Algorithm == algorithm).Select(k => k.Generation).DefaultIfEmpty(0).Max() + 1;
            var live = keys.Where(k => k.Algorithm == algorithm && !k.Revoked && (k.ExpiresAt == 0 || k.ExpiresAt > seconds)).OrderBy(k => k.ActivatesAt).ToList();
            // A key that has its end set was replaced once. When its successor is revoked it must not come back: what it signs now would
            // outlive it in the JWKS.
            var active = live.FindAll(k => k.ActivatesAt <= seconds && k.ExpiresAt == 0);
            var next = live.FindAll(k => k.ActivatesAt > seconds);
            if (active.Count == 0)
            {
                // Nothing can sign (first start, or an emergency revocation): better a kid that some cache does not know yet than none.
                steps.Add(new RotationStep.Make(algorithm, generation, now));
                continue;
            }
            var current = active[^1];
            var end = DateTimeOffset.FromUnixTimeSeconds(current.ActivatesAt) + policy.Period;
            if (next.Count == 0 && now >= end - policy.PublishAhead)
                steps.Add(new RotationStep.Make(algorithm, generation, end > now + policy.PublishAhead ? end : now + policy.PublishAhead));
            foreach (var old in active[..^1])
                steps.Add(new RotationStep.Expire(old.KeyId, DateTimeOffset.FromUnixTimeSeconds(current.ActivatesAt) + policy.KeepAfter));
        }
        return steps;
    }
}
