using Keyreeve.Core.Keys;
using Keyreeve.Wire.Jose;

namespace Keyreeve.Core.Tokens;

/// <summary>
/// An ID token that comes back as a hint about whose session is meant. It may have expired; it must be ours: signature, issuer,
/// type, and issued to the client that sends it.
/// </summary>
public static class IdTokenHint
{
    /// <summary>The subject, or null when it is no ID token of ours for this client.</summary>
    public static string? SubjectOf(string hint, string issuer, string clientId, KeyRing keys) =>
        JwsCompact.TryRead(hint, out var jws, out _)
        && !jws.Header.HasTyp("at+jwt")
        && keys.Verifying(jws.Header.Kid) is { } key && jws.Verify(key)
        && JwtClaims.TryRead(jws.Payload, out var claims, out _)
        && string.Equals(claims.Issuer, issuer, StringComparison.Ordinal)
        && claims.Audience is [var audience] && string.Equals(audience, clientId, StringComparison.Ordinal)
            ? claims.Subject
            : null;
}
