using Keyreeve.Core.Keys;
using Keyreeve.Core.Refusals;
using Keyreeve.Wire.Jose;

namespace Keyreeve.Core.Tokens;

/// <summary>
/// An ID token of ours that is presented as a token and not as a hint (<see cref="IdTokenHint"/>): it lives, and it was issued to the
/// client that presents it. Only the check makes one.
/// </summary>
public sealed class VerifiedIdToken
{
    private VerifiedIdToken(JwtClaims claims, string subject) => (Claims, Subject) = (claims, subject);

    /// <summary>All claims as signed.</summary>
    public JwtClaims Claims { get; }

    /// <summary>Whose it is (<see cref="VerifiedToken.Subject"/>).</summary>
    public string Subject { get; }

    /// <summary><c>sid</c>, or null.</summary>
    public string? SessionId => Claims.GetString("sid");

    /// <summary><c>iat</c>, Unix seconds.</summary>
    public long IssuedAt => Claims.IssuedAt!.Value;

    /// <summary><c>exp</c>, Unix seconds.</summary>
    public long ExpiresAt => Claims.ExpiresAt!.Value;

    /// <summary>Checks one. The text of a refusal is for the operator.</summary>
    public static Outcome<VerifiedIdToken> Decide(string text, string issuer, string clientId, KeyRing keys, RevocationList revocations, PairwiseSubjects pairwise, DateTimeOffset now)
    {
        static Refusal Refuse(string why) => new(RefusalCode.SubjectTokenNotAccepted, "the subject token is not accepted", "the ID token was refused: " + why) { Param = "subject_token" };
        if (!JwsCompact.TryRead(text, out var jws, out var error))
            return Refuse(error.ToString());
        // Everything we sign is signed by these keys: what says it is something else is something else.
        if (!jws.Header.HasTyp("JWT"))
            return Refuse("its typ is not JWT");
        if (keys.Verifying(jws.Header.Kid) is not { } key || !jws.Verify(key))
            return Refuse("its signature");
        if (!JwtClaims.TryRead(jws.Payload, out var claims, out error))
            return Refuse(error.ToString());
        if (!string.Equals(claims.Issuer, issuer, StringComparison.Ordinal) || string.IsNullOrEmpty(claims.Subject) || claims.IssuedAt is null || claims.GetInteger("auth_time") is null)
            return Refuse("a required claim (iss, sub, iat, auth_time)");
        if (claims.Audience is not [var audience] || !string.Equals(audience, clientId, StringComparison.Ordinal))
            return Refuse("it was issued to another client");
        if (claims.ExpiresAt is not { } expires || expires <= now.ToUnixTimeSeconds())
            return Refuse("it has expired");
        if (PairwiseSubjects.OwnerOf(claims, pairwise) is not { } subject)
            return Refuse("its sector");
        return revocations.Covers(null, subject, clientId, null, claims.IssuedAt.Value)
            ? Refuse("its user's or client's tokens were revoked")
            : new VerifiedIdToken(claims, subject);
    }
}
