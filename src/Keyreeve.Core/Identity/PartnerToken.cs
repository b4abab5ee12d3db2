using Keyreeve.Core.Refusals;
using Keyreeve.Core.Tokens;
using Keyreeve.Wire.Jose;
using Keyreeve.Wire.OAuth;

namespace Keyreeve.Core.Identity;

/// <summary>A JWT that says it is of another issuer: read, and not one word of it believed.</summary>
public sealed class PresentedJwt
{
    private PresentedJwt(JwsCompact jws, JwtClaims claims, string issuer) => (Jws, Claims, Issuer) = (jws, claims, issuer);

    /// <summary>The token.</summary>
    public JwsCompact Jws { get; }

    /// <summary>Its claims, not verified.</summary>
    public JwtClaims Claims { get; }

    /// <summary><c>iss</c>, to find out whose keys to try.</summary>
    public string Issuer { get; }

    /// <summary>Reads it; null with the reason, for the operator, when it is none.</summary>
    public static PresentedJwt? Read(string text, out string why)
    {
        why = "it is encrypted: whom it is for decrypts it first";
        if (JweCompact.HasItsForm(text))
            return null;
        if (!JwsCompact.TryRead(text, out var jws, out var error) || !JwtClaims.TryRead(jws.Payload, out var claims, out error))
        {
            why = $"it does not read: {error}";
            return null;
        }
        why = "it has no iss";
        return claims.Issuer is { Length: > 0 } issuer ? new(jws, claims, issuer) : null;
    }
}

/// <summary>What a token of a registered issuer is presented for.</summary>
public enum PartnerTokenUse
{
    /// <summary>As an authorization grant (RFC 7523 2.1): made for this one request, good once.</summary>
    Assertion,

    /// <summary>As the subject of an exchange (RFC 8693): a token that its issuer gave to be used for a while.</summary>
    Subject,
}

/// <summary>A token of a registered issuer that passed every check but that of its first use. Only the check makes one.</summary>
[Spec("RFC 7523", "3")]
[Spec("RFC 8725", "3.11")]
public sealed class PartnerToken
{
    private PartnerToken(TrustedIssuer issuer, JwtClaims claims, string subject, string? localSubject) =>
        (Issuer, Claims, Subject, LocalSubject) = (issuer, claims, subject, localSubject);

    /// <summary>Who vouches.</summary>
    public TrustedIssuer Issuer { get; }

    /// <summary>What it says.</summary>
    public JwtClaims Claims { get; }

    /// <summary>Who it is about, here: a user's subject, or issuer and subject.</summary>
    public string Subject { get; }

    /// <summary>The user of ours, or null for one who has no account here.</summary>
    public string? LocalSubject { get; }

    /// <summary>The authentication event as the audit has it: what the issuer's logins count as here, and when it says that there was one.</summary>
    public string AuthenticationEvent => Authentication.EventOf(Issuer.Acr, Claims.GetInteger("auth_time"));

    /// <summary><c>exp</c>, Unix seconds.</summary>
    public long ExpiresAt => Claims.ExpiresAt!.Value;

    /// <summary>
    /// Checks one. The text of a refusal is for the operator; what the peer is told does not say which check it was.
    /// </summary>
    /// <param name="presented">As presented.</param>
    /// <param name="use">For what.</param>
    /// <param name="issuer">Who is registered under its <c>iss</c>, or null.</param>
    /// <param name="keys">That issuer's keys, or null.</param>
    /// <param name="client">Who presents it.</param>
    /// <param name="audiences">Who it must be for: one of these. The issuer and the token endpoint; for a subject token also the client itself.</param>
    /// <param name="longestLife">How far ahead the <c>exp</c> of an assertion may be.</param>
    /// <param name="now">The time.</param>
    public static Outcome<PartnerToken> Decide(PresentedJwt presented, PartnerTokenUse use, TrustedIssuer? issuer, JsonWebKeySet? keys, AuthenticatedClient client,
        IReadOnlyList<string> audiences, TimeSpan longestLife, DateTimeOffset now)
    {
        Refusal Refuse(string why) => use == PartnerTokenUse.Assertion
            ? new(RefusalCode.AssertionNotAccepted, "the assertion is not accepted", why)
            : new(RefusalCode.SubjectTokenNotAccepted, "the subject token is not accepted", why) { Param = "subject_token" };
        var claims = presented.Claims;
        if (issuer is null || issuer.Disabled || !string.Equals(issuer.Issuer, presented.Issuer, StringComparison.Ordinal))
            return Refuse($"issuer {Short(presented.Issuer)} is not registered, or switched off: keyreeve admin issuer add");
        if (!issuer.Clients.Contains(client.Client.ClientId, StringComparer.Ordinal))
            return Refuse($"client {client.Client.ClientId} is not among the clients of issuer {issuer.Issuer}");
        var header = presented.Jws.Header;
        // A logout token, a proof or a signed request of the same issuer is signed by the same keys (RFC 8725 3.11).
        if (!(header.Typ is null || header.HasTyp("JWT") || use == PartnerTokenUse.Subject && header.HasTyp("at+jwt")))
            return Refuse($"its typ is {Short(header.Typ!)}");
        if (!header.Algorithm.IsAsymmetric() || !issuer.Algorithms.Contains(header.Algorithm))
            return Refuse($"its alg is {header.Algorithm.Name()}, and issuer {issuer.Issuer} is registered for {string.Join(", ", issuer.Algorithms.Select(a => a.Name()))}");
        if (keys is null)
            return Refuse($"no keys of issuer {issuer.Issuer} are at hand: register its jwks");
        if (!ClientAuthentication.VerifiesByOneOf(keys, presented.Jws))
            return Refuse($"no key of issuer {issuer.Issuer} verifies it");

        if (use == PartnerTokenUse.Assertion ? claims.Audience is not [var only] || !audiences.Contains(only, StringComparer.Ordinal)
            : !claims.Audience.Any(a => audiences.Contains(a, StringComparer.Ordinal)))
            return Refuse($"its aud is none of {string.Join(", ", audiences)}");
        var seconds = now.ToUnixTimeSeconds();
        if (claims.ExpiresAt is not { } expires || expires <= seconds)
            return Refuse("it has no exp, or has expired");
        var ahead = (long)ClientAuthentication.MaxClockAhead.TotalSeconds;
        if (use == PartnerTokenUse.Assertion && expires > seconds + (long)longestLife.TotalSeconds + ahead)
            return Refuse($"it lives longer than {longestLife.TotalSeconds:0} s (Tokens:AssertionSeconds)");
        if (claims.NotBefore > seconds + ahead || claims.IssuedAt > seconds + ahead)
            return Refuse("it is from the future: check the issuer's clock");
        if (use == PartnerTokenUse.Assertion && claims.JwtId is not { Length: > 0 and <= 256 })
            return Refuse("it has no jti");
        if (claims.Subject is not { Length: > 0 } subject || subject.Any(c => c is <= ' ' or > '~'))
            return Refuse("it has no sub, or not one of printable ASCII");
        if (issuer.Links.TryGetValue(subject, out var linked))
            return new PartnerToken(issuer, claims, linked, linked);
        var federated = issuer.FederatedSubject(subject);
        if (!issuer.Federated)
            return Refuse($"its sub {Short(subject)} is not linked to a user, and issuer {issuer.Issuer} is not federated");
        // "not to exceed 255 bytes" holds for our tokens' sub; and nobody passes for the client itself.
        return federated.Length <= OAuthLimits.MaxIdentity && !string.Equals(federated, client.Client.ClientId, StringComparison.Ordinal)
            ? new PartnerToken(issuer, claims, federated, null)
            : Refuse("issuer and sub together are longer than 255 octets, or are the name of the client");
    }

    private static string Short(string text) => new([.. text.Take(100).Select(c => c is >= ' ' and <= '~' ? c : '?')]);
}
