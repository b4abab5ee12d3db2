using Keyreeve.Core.Keys;
using Keyreeve.Core.Refusals;
using Keyreeve.Core.Snapshots;
using Keyreeve.Wire.Jose;
using Keyreeve.Wire.OAuth;

namespace Keyreeve.Core.Tokens;

/// <summary>
/// Checks access tokens of this issuer. The signature check is remembered (by SHA-256 of the token, bounded); time, audience
/// and revocation are looked at every time.
/// </summary>
[Spec("TS 33.434", "A.7.2")]
public sealed class TokenVerifier(string issuer, Func<KeyRing> ring, Func<RevocationList> revocations, TimeProvider clock, TimeSpan leeway, PairwiseSubjects? pairwise = null)
{
    private Remembered _remembered = new(new([]));

    /// <summary>"to account for clock skew (not to exceed 30 seconds)"</summary>
    [Spec("TS 33.434", "A.2.2.2")]
    public TimeSpan Leeway { get; } = leeway >= TimeSpan.Zero && leeway <= TimeSpan.FromSeconds(30)
        ? leeway
        : throw new ArgumentOutOfRangeException(nameof(leeway), "0 to 30 seconds (TS 33.434 table A.2.2.2-1)");

    /// <summary>The token, checked for one audience; null asks for any audience (introspection decides that itself).</summary>
    public Outcome<VerifiedToken> Verify(ReadOnlySpan<char> token, string? audience)
    {
        if (token.Length is 0 or > JoseLimits.MaxTokenLength)
            return Invalid("its length");
        var hash = TokenHash.Of(token);
        var keys = ring();
        var remembered = Volatile.Read(ref _remembered);
        // A new key ring forgets everything: what a revoked key has signed is out at once.
        if (!ReferenceEquals(remembered.Ring, keys))
            Volatile.Write(ref _remembered, remembered = new(keys));
        if (!remembered.Tokens.TryGet(hash, out var verified))
        {
            var outcome = CheckSignature(token, keys);
            if (!outcome.Succeeded(out verified, out var refusal))
                return refusal;
            remembered.Tokens.Add(hash, verified);
        }
        return CheckNow(verified, audience);
    }

    private Outcome<VerifiedToken> CheckSignature(ReadOnlySpan<char> token, KeyRing keys)
    {
        if (!JwsCompact.TryRead(token, out var jws, out var error))
            return Invalid(error.ToString());
        // An ID token, a logout token or an assertion is not an access token, whoever signed it (RFC 8725 3.11).
        if (!jws.Header.HasTyp("at+jwt"))
            return Invalid("its typ is not at+jwt");
        // The kid is looked up among our own keys and nowhere else.
        var key = keys.Verifying(jws.Header.Kid);
        if (key is null)
            return Invalid("its kid is none of our keys");
        if (!jws.Verify(key))
            return Invalid("its signature");
        if (!JwtClaims.TryRead(jws.Payload, out var claims, out error))
            return Invalid(error.ToString());
        if (!string.Equals(claims.Issuer, issuer, StringComparison.Ordinal))
            return Invalid("its iss");
        if (claims.ExpiresAt is null || claims.IssuedAt is null || string.IsNullOrEmpty(claims.Subject)
            || claims.GetString("client_id") is not { Length: > 0 } clientId
            || !ScopeList.TryRead(claims.GetString("scope"), out var scope))
            return Invalid("a required claim (exp, iat, sub, client_id, scope)");
        if (PairwiseSubjects.OwnerOf(claims, pairwise) is not { } subject)
            return Invalid("its sector");
        return TokenAncestor.Read(claims) is { } derivedFrom
            ? new VerifiedToken(claims, subject, clientId, scope, derivedFrom)
            : Invalid("its derived_from");
    }

    private Outcome<VerifiedToken> CheckNow(VerifiedToken token, string? audience)
    {
        var now = clock.GetUtcNow().ToUnixTimeSeconds();
        // A.8: "the access token shall be rejected" once exp has passed; the leeway is for skewed clocks alone.
        if (now >= token.ExpiresAt + (long)Leeway.TotalSeconds)
            return new Refusal(RefusalCode.TokenExpired, "the access token has expired", $"token {token.Claims.JwtId} expired at {token.ExpiresAt}");
        var revoked = revocations();
        // What was made of a revoked token ends with it (RFC 8693 leaves it to us).
        if (revoked.Covers(token.Claims.JwtId, token.Subject, token.ClientId, token.GrantId, token.IssuedAt) || DescendsFromRevoked(token, revoked))
            return new Refusal(RefusalCode.TokenRevoked, "the access token was revoked", $"token {token.Claims.JwtId} was revoked");
        if (audience is not null && !HasAudience(token, audience))
            return new Refusal(RefusalCode.TokenForAnotherAudience, "the access token is not meant for this resource",
                $"token {token.Claims.JwtId} is for [{string.Join(' ', token.Claims.Audience)}], not for {audience}");
        return token;
    }

    private static bool DescendsFromRevoked(VerifiedToken token, RevocationList revoked)
    {
        for (var i = 0; i < token.DerivedFrom.Count; i++)
            if (revoked.Covers(token.DerivedFrom[i].JwtId, "", token.DerivedFrom[i].ClientId, null, token.IssuedAt))
                return true;
        return false;
    }

    private static bool HasAudience(VerifiedToken token, string audience)
    {
        var all = token.Claims.Audience;
        for (var i = 0; i < all.Count; i++)
            if (string.Equals(all[i], audience, StringComparison.Ordinal))
                return true;
        return false;
    }

    private static Refusal Invalid(string why) => new(RefusalCode.TokenInvalid, "the access token is not valid", "an access token was refused for " + why);

    /// <summary>The tokens whose signature was checked under one ring.</summary>
    private sealed class Remembered(KeyRing ring)
    {
        public KeyRing Ring { get; } = ring;

        public GenerationCache<TokenHash, VerifiedToken> Tokens { get; } = new(capacity: 20_000);
    }
}
