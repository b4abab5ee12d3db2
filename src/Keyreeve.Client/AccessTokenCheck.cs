using System.Security.Cryptography.X509Certificates;
using Keyreeve.Wire.Jose;
using Keyreeve.Wire.OAuth;

namespace Keyreeve.Client;

/// <summary>Why an access token is not taken. Each surface maps all of them.</summary>
public enum AccessTokenRefusal
{
    /// <summary>No access token of this issuer, or altered, or withdrawn keys: nothing in it is believed.</summary>
    Invalid,

    /// <summary>Genuine, and <c>exp</c> has passed.</summary>
    Expired,

    /// <summary>Genuine, and meant for another resource.</summary>
    ForAnotherAudience,

    /// <summary>Genuine, and bound to a client certificate that this connection does not show.</summary>
    BoundToCertificate,

    /// <summary>The issuer says that it does not stand any more.</summary>
    Revoked,

    /// <summary>Nobody can say: the issuer, or its keys, cannot be reached.</summary>
    IssuerUnavailable,
}

/// <summary>What a resource server's check found.</summary>
public abstract record AccessTokenVerdict
{
    private AccessTokenVerdict()
    {
    }

    /// <summary>The token holds.</summary>
    /// <param name="Token">Checked.</param>
    public sealed record Valid(CheckedAccessToken Token) : AccessTokenVerdict;

    /// <summary>It does not, or nobody can say.</summary>
    /// <param name="Reason">For the answer.</param>
    /// <param name="Why">For our own log; the peer is not told.</param>
    public sealed record Refused(AccessTokenRefusal Reason, string Why) : AccessTokenVerdict;
}

/// <summary>The resource server's check of an access token as pure functions (TS 33.434 A.7.2, RFC 9068 section 4).</summary>
[Spec("RFC 9068", "4")]
[Spec("TS 33.434", "5.2.5")]
internal static class AccessTokenCheck
{
    /// <summary>What does not change while the keys stay: form, type, signature, issuer and the required claims.</summary>
    internal static (CheckedAccessToken? Token, string? Why, bool KeyUnknown) Read(ReadOnlySpan<char> token, JsonWebKeySet keys, string issuer)
    {
        if (!JwsCompact.TryRead(token, out var jws, out var error))
            return Refused($"no JWS: {error}");
        // An ID token, a logout token or an assertion is no access token, whoever signed it (RFC 8725 3.11).
        if (!jws.Header.HasTyp("at+jwt"))
            return Refused("typ is not at+jwt");
        if (IdTokenCheck.SignatureProblem(jws, keys) is { } problem)
            return (null, problem.Refusal, problem.KeyUnknown);
        if (!JwtClaims.TryRead(jws.Payload, out var claims, out error))
            return Refused($"claims do not read: {error}");
        if (!string.Equals(claims.Issuer, issuer, StringComparison.Ordinal))
            return Refused("iss is not the SIM-S");
        if (claims.ExpiresAt is null || claims.IssuedAt is null)
            return Refused("exp or iat is missing");
        if (claims.GetString("client_id") is not { Length: > 0 } clientId || string.IsNullOrEmpty(claims.Subject))
            return Refused("client_id or sub is missing");
        if (!ScopeList.TryRead(claims.GetString("scope"), out var scope))
            return Refused("scope does not read");
        return (new CheckedAccessToken(claims, scope, clientId, CertificateBinding.Of(claims)), null, false);
    }

    /// <summary>What must hold at every use: time, audience and binding. Null when it does.</summary>
    [Spec("TS 33.434", "A.7.2")]
    [Spec("RFC 8705", "3")]
    internal static AccessTokenVerdict.Refused? WhyNotNow(
        CheckedAccessToken token, string audience, TimeSpan leeway, DateTimeOffset now, X509Certificate2? certificate)
    {
        var (seconds, skew) = (now.ToUnixTimeSeconds(), (long)leeway.TotalSeconds);
        if (seconds >= token.Claims.ExpiresAt + skew)
            return new(AccessTokenRefusal.Expired, "exp has passed");
        if (token.Claims.IssuedAt > seconds + skew || token.Claims.NotBefore > seconds + skew)
            return new(AccessTokenRefusal.Invalid, "iat or nbf is in the future");
        if (!token.Claims.Audience.Contains(audience, StringComparer.Ordinal))
            return new(AccessTokenRefusal.ForAnotherAudience, "aud is another resource");
        // "the token is bound to the certificate ... If they do not match, the resource access attempt MUST be rejected."
        if (!token.Binding.Allows(certificate))
            return new(AccessTokenRefusal.BoundToCertificate, token.Binding.Kind == CertificateBindingKind.Other
                ? "cnf asks for a proof that is not known here"
                : certificate is null ? "bound to a certificate, and the connection shows none" : "bound to another certificate");
        return null;
    }

    private static (CheckedAccessToken?, string?, bool) Refused(string why) => (null, why, false);
}
