using Keyreeve.Core.Keys;
using Keyreeve.Wire.Jose;

namespace Keyreeve.Core.Tokens;

/// <summary>
/// An ID token that comes back as a hint about whose session is meant. It may have expired; it must be ours: signature, issuer and
/// type. Only <see cref="Read"/> makes one.
/// </summary>
[Spec("OpenID Connect RP-Initiated Logout 1.0", "2")]
public sealed class IdTokenHint
{
    private IdTokenHint(string clientId, string subject, string? sessionId) => (ClientId, Subject, SessionId) = (clientId, subject, sessionId);

    /// <summary>The client it was issued to.</summary>
    public string ClientId { get; }

    /// <summary>Whose login it tells of.</summary>
    public string Subject { get; }

    /// <summary>The login session, or null.</summary>
    public string? SessionId { get; }

    /// <summary>
    /// The hint, or null when it is no ID token of ours. What else our keys sign (access tokens, events, logout tokens) has another
    /// type and is no hint.
    /// </summary>
    public static IdTokenHint? Read(string hint, string issuer, KeyRing keys, PairwiseSubjects pairwise) =>
        JwsCompact.TryRead(hint, out var jws, out _)
        && jws.Header.HasTyp("JWT")
        && keys.Verifying(jws.Header.Kid) is { } key && jws.Verify(key)
        && JwtClaims.TryRead(jws.Payload, out var claims, out _)
        && string.Equals(claims.Issuer, issuer, StringComparison.Ordinal)
        && claims.Audience is [var clientId] && PairwiseSubjects.OwnerOf(claims, pairwise) is { Length: > 0 } subject
            ? new(clientId, subject, claims.GetString("sid"))
            : null;

    /// <summary>The subject, or null when it is no ID token of ours for this client.</summary>
    public static string? SubjectOf(string hint, string issuer, string clientId, KeyRing keys, PairwiseSubjects pairwise) =>
        Read(hint, issuer, keys, pairwise) is { } read && string.Equals(read.ClientId, clientId, StringComparison.Ordinal) ? read.Subject : null;
}
