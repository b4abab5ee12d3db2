using System.Security.Cryptography;
using System.Text;
using Keyreeve.Wire.Jose;

namespace Keyreeve.Client;

/// <summary>An ID token that passed every check; only <see cref="IdTokenCheck"/> makes one.</summary>
public sealed class IdToken
{
    internal IdToken(TokenText text, JwtClaims claims, JwsHeader header) => (Text, Claims, Header) = (text, claims, header);

    /// <summary>As received.</summary>
    public TokenText Text { get; }

    /// <summary>All claims as signed.</summary>
    public JwtClaims Claims { get; }

    /// <summary>The protected header.</summary>
    public JwsHeader Header { get; }

    /// <summary><c>sub</c></summary>
    public string Subject => Claims.Subject!;
}

/// <summary>What an ID token must say to be ours.</summary>
/// <param name="Issuer"><c>iss</c>, byte for byte.</param>
/// <param name="ClientId"><c>aud</c>, alone.</param>
/// <param name="AccessToken">The access token that came beside it, for <c>at_hash</c>.</param>
/// <param name="Leeway">0 to 30 s, for skewed clocks.</param>
public sealed record IdTokenExpectation(string Issuer, string ClientId, TokenText AccessToken, TimeSpan Leeway)
{
    /// <summary>The nonce sent; null after a refresh, where none is sent.</summary>
    public TokenText? Nonce { get; init; }

    /// <summary>The subject known already; null at the first token.</summary>
    public string? Subject { get; init; }
}

/// <summary>What the check found: a token, an unknown key, or a reason.</summary>
/// <param name="Token">The token when every check passed.</param>
/// <param name="Refusal">Why not.</param>
/// <param name="KeyUnknown">The <c>kid</c> is not in the set: fetch the set once more, keys may have rotated.</param>
public sealed record IdTokenVerdict(IdToken? Token, string? Refusal, bool KeyUnknown = false);

/// <summary>ID token validation as a pure function (OpenID Connect Core 1.0 section 3.1.3.7).</summary>
[Spec("TS 33.434", "A.7.1")]
[Spec("OpenID Connect Core 1.0", "3.1.3.7")]
public static class IdTokenCheck
{
    /// <summary>Octets of <c>sub</c> (TS 33.434 table A.2.1.2-1).</summary>
    public const int MaxSubject = 255;

    /// <summary>Checks everything; never throws.</summary>
    public static IdTokenVerdict Check(string token, JsonWebKeySet keys, IdTokenExpectation expected, DateTimeOffset now)
    {
        if (!JwsCompact.TryRead(token, out var jws, out var error))
            return Refused($"not a JWS: {error}");
        // An access token, a logout token or an assertion of the same issuer is no ID token (RFC 8725 3.11).
        if (jws.Header.Typ is not null && !jws.Header.HasTyp("JWT"))
            return Refused("typ is not JWT");
        if (SignatureProblem(jws, keys) is { } problem)
            return problem;
        if (!JwtClaims.TryRead(jws.Payload, out var claims, out error))
            return Refused($"claims do not read: {error}");
        var refusal = ClaimProblem(claims, expected, now.ToUnixTimeSeconds())
            ?? HashProblem(claims, jws.Header.Algorithm, expected.AccessToken);
        return refusal is null ? new(new IdToken(new(token), claims, jws.Header), null) : Refused(refusal);
    }

    /// <summary>
    /// A token that was checked before it was stored, once more from its store; null when it is no token of this client. Its signature is not
    /// asked for again: the key may have gone since, and whoever can write the store holds the access token too.
    /// </summary>
    internal static IdToken? Reread(TokenText text, string issuer, string clientId) =>
        JwsCompact.TryRead(text.Reveal(), out var jws, out _) && JwtClaims.TryRead(jws.Payload, out var claims, out _)
        && string.Equals(claims.Issuer, issuer, StringComparison.Ordinal) && claims.Audience is [var audience]
        && string.Equals(audience, clientId, StringComparison.Ordinal) && !string.IsNullOrEmpty(claims.Subject)
            ? new IdToken(text, claims, jws.Header)
            : null;

    internal static IdTokenVerdict? SignatureProblem(JwsCompact jws, JsonWebKeySet keys)
    {
        // Without a kid there must be no choice: trying every key would let one leaked key speak for all.
        if (jws.Header.Kid is null && keys.Keys.Count != 1)
            return Refused("no kid, and the key set has not exactly one key");
        var known = false;
        foreach (var jwk in keys.WithKid(jws.Header.Kid))
        {
            known = true;
            // The key says which algorithm it is for, the header is only compared with it; a set of public keys holds no HMAC secret.
            if (!JwsKey.TryFromJwk(jwk, out var key, out _))
                continue;
            using (key)
                if (jws.Verify(key))
                    return null;
        }
        return known ? Refused("the signature is not the key's") : new(null, "kid is not in the key set", KeyUnknown: true);
    }

    private static string? ClaimProblem(JwtClaims claims, IdTokenExpectation expected, long now)
    {
        var leeway = (long)expected.Leeway.TotalSeconds;
        if (!string.Equals(claims.Issuer, expected.Issuer, StringComparison.Ordinal))
            return "iss is not the SIM-S";
        if (claims.Audience.Count != 1 || !string.Equals(claims.Audience[0], expected.ClientId, StringComparison.Ordinal))
            return "aud is not this client alone";
        if (claims.TryGetRaw("azp", out _) && !string.Equals(claims.GetString("azp"), expected.ClientId, StringComparison.Ordinal))
            return "azp is not this client";
        if (string.IsNullOrEmpty(claims.Subject) || Encoding.UTF8.GetByteCount(claims.Subject) > MaxSubject)
            return "sub has not 1 to 255 bytes";
        if (expected.Subject is not null && !string.Equals(claims.Subject, expected.Subject, StringComparison.Ordinal))
            return "sub is another user";
        if (claims.ExpiresAt is not { } expires || now >= expires + leeway)
            return "exp has passed";
        if (claims.IssuedAt is not { } issued || issued > now + leeway)
            return "iat is missing or in the future";
        if (claims.NotBefore > now + leeway)
            return "nbf is in the future";
        var nonce = claims.GetString("nonce");
        return expected.Nonce is null || SameText.Is(nonce, expected.Nonce.Reveal()) ? null : "nonce is not ours";
    }

    /// <summary>"OPTIONAL" in the code flow, so its absence is no fault; a wrong one says that the two tokens were mixed.</summary>
    [Spec("OpenID Connect Core 1.0", "3.1.3.6")]
    private static string? HashProblem(JwtClaims claims, JwsAlgorithm algorithm, TokenText accessToken)
    {
        if (!claims.TryGetRaw("at_hash", out _))
            return null;
        var ascii = Encoding.ASCII.GetBytes(accessToken.Reveal());
        var hash = algorithm == JwsAlgorithm.ES384 ? SHA384.HashData(ascii) : SHA256.HashData(ascii);
        return SameText.Is(claims.GetString("at_hash"), Base64UrlStrict.Encode(hash.AsSpan(0, hash.Length / 2))) ? null : "at_hash is not of this access token";
    }

    private static IdTokenVerdict Refused(string why) => new(null, why);
}
