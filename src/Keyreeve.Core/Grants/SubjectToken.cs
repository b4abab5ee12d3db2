using Keyreeve.Core.Identity;
using Keyreeve.Core.Refusals;
using Keyreeve.Core.Tokens;
using Keyreeve.Wire.OAuth;

namespace Keyreeve.Core.Grants;

/// <summary>What an exchange starts from, whichever kind of token it was: everything that the result may at most be.</summary>
public sealed record SubjectToken
{
    private SubjectToken()
    {
    }

    /// <summary>Who it is about.</summary>
    public required string Subject { get; init; }

    /// <summary>What it may at most lead to.</summary>
    public required ScopeList Scope { get; init; }

    /// <summary>When it ends; Unix seconds.</summary>
    public required long ExpiresAt { get; init; }

    /// <summary>How its user authenticated here, or null.</summary>
    public Authentication? Authentication { get; init; }

    /// <summary>The authentication class it counts as, or null when no user takes part.</summary>
    public string? Acr { get; init; }

    /// <summary>The authentication event as the audit has it, or null when no user takes part or none is known.</summary>
    public string? AuthenticationEvent { get; init; }

    /// <summary>What it says of a VAL user or VAL server.</summary>
    public ValClaims? Val { get; init; }

    /// <summary>The name of the authorization it stands on, or null: then it is a client's own.</summary>
    public string? GrantName { get; init; }

    /// <summary>Who has acted so far.</summary>
    public ActorChain? Actor { get; init; }

    /// <summary>Who alone may act.</summary>
    public MayAct? MayAct { get; init; }

    /// <summary>The tokens that the result will be made of, this one last.</summary>
    public IReadOnlyList<TokenAncestor> Ancestors { get; init; } = [];

    /// <summary>The registered issuer that vouches, or null for tokens of ours.</summary>
    public TrustedIssuer? Partner { get; init; }

    /// <summary>
    /// An access token of ours, that was issued to the client or is meant for it as a resource server: any other client has no business with it,
    /// however it came by it (RFC 9700 4.10, docs/spec/choices.md).
    /// </summary>
    public static Outcome<SubjectToken> Of(VerifiedToken token, AuthenticatedClient client)
    {
        var registered = client.Client;
        var issuedToIt = string.Equals(token.ClientId, registered.ClientId, StringComparison.Ordinal);
        if (!issuedToIt && (registered.Audience is null || !token.Claims.Audience.Contains(registered.Audience, StringComparer.Ordinal)))
            return Refuse($"token {token.Claims.JwtId} was issued to {token.ClientId} for [{string.Join(' ', token.Claims.Audience)}], and client {registered.ClientId} is neither");
        // Whoever gets the result would learn who the user is elsewhere.
        if (token.Sector is not null)
            return Refuse($"its user is known to client {token.ClientId} by a name of sector {token.Sector} alone");
        if (token.Claims.JwtId is not { } jwtId)
            return Refuse("it has no jti");
        if (token.DerivedFrom.Count >= TokenAncestor.MaxGenerations)
            return Refuse($"it was exchanged {TokenAncestor.MaxGenerations} times already: exchange an earlier token");
        if (!ActorChain.TryRead(token.Claims, issuer: null, out var actor) || !MayAct.TryRead(token.Claims, out var mayAct))
            return Refuse("its act or may_act");
        return new SubjectToken
        {
            Subject = token.Subject,
            Scope = token.Scope,
            ExpiresAt = token.ExpiresAt,
            Authentication = token.Authentication,
            Acr = token.Authentication?.Acr,
            AuthenticationEvent = token.Authentication?.Event,
            Val = ValOf(token.Claims),
            GrantName = token.GrantId,
            Actor = actor,
            MayAct = mayAct,
            Ancestors = [.. token.DerivedFrom, new TokenAncestor(jwtId, token.ClientId)],
        };
    }

    /// <summary>
    /// An ID token of the client. It says who, and nothing of what: that says the grant it came with, which must live still. It is found by
    /// session and client; a client that does not refresh has none, and exchanges its access tokens.
    /// </summary>
    public static Outcome<SubjectToken> Of(VerifiedIdToken token, AuthenticatedClient client, IReadOnlyList<RefreshFamily> families, RevocationList revocations)
    {
        var family = token.SessionId is null ? null : families.Where(f => f.EndedAt == 0
            && string.Equals(f.ClientId, client.Client.ClientId, StringComparison.Ordinal)
            && string.Equals(f.SessionId, token.SessionId, StringComparison.Ordinal)).MaxBy(f => f.StartedAt);
        if (family is null)
            return Refuse($"no grant of client {client.Client.ClientId} lives in the session of the ID token: exchange the access token");
        var grant = RefreshToken.GrantNameOf(family.FamilyId);
        if (revocations.Covers(null, token.Subject, client.Client.ClientId, grant, token.IssuedAt))
            return Refuse($"grant {grant} was ended");
        return new SubjectToken
        {
            Subject = token.Subject,
            Scope = family.Scope,
            ExpiresAt = token.ExpiresAt,
            Authentication = family.Authentication,
            Acr = family.Authentication.Acr,
            AuthenticationEvent = family.Authentication.Event,
            Val = ValOf(token.Claims),
            GrantName = grant,
        };
    }

    /// <summary>
    /// A token of a registered issuer. What its users may have here says the registration; a <c>scope</c> of its own only narrows that.
    /// </summary>
    [Spec("TS 33.434", "5.4")]
    public static Outcome<SubjectToken> Of(PartnerToken token)
    {
        if (!ActorChain.TryRead(token.Claims, token.Issuer.Issuer, out var actor) || !MayAct.TryRead(token.Claims, out var mayAct))
            return Refuse("its act or may_act");
        var scope = token.Issuer.Scopes;
        if (token.Claims.TryGetRaw("scope", out _))
        {
            if (!ScopeList.TryRead(token.Claims.GetString("scope"), out var own))
                return Refuse("its scope");
            scope = scope.Where(own.Contains);
        }
        return new SubjectToken
        {
            Subject = token.Subject,
            Scope = scope,
            ExpiresAt = token.ExpiresAt,
            Acr = token.Issuer.Acr,
            AuthenticationEvent = token.AuthenticationEvent,
            Val = new ValClaims { ValServiceIds = token.Issuer.ValServiceIds },
            GrantName = RefreshToken.GrantNameOf(Revocation.IssuerGrant(token.Issuer.Issuer)),
            Actor = actor,
            MayAct = mayAct,
            Partner = token.Issuer,
        };
    }

    private static ValClaims? ValOf(Wire.Jose.JwtClaims claims) =>
        claims.GetString("val_user_id") is null && !claims.TryGetRaw("val_service_ids", out _)
            ? null
            : new ValClaims { ValUserId = claims.GetString("val_user_id"), ValServiceIds = claims.GetStrings("val_service_ids"), ValUeId = claims.GetString("val_ue_id") };

    private static Refusal Refuse(string why) => new(RefusalCode.SubjectTokenNotAccepted, "the subject token is not accepted", "the subject token was refused: " + why) { Param = "subject_token" };
}

/// <summary>Who the subject of a token is today. What is not found, or switched off, is null.</summary>
/// <param name="User">A user of ours.</param>
/// <param name="Client">A client that spoke for itself.</param>
/// <param name="Issuer">The issuer of a user who has no account here.</param>
public sealed record TokenHolder(User? User, Client? Client, TrustedIssuer? Issuer)
{
    /// <summary>True when it is somebody, and not switched off.</summary>
    public bool Stands => User is { Disabled: false } || Client is { Disabled: false } || Issuer is { Disabled: false };
}
