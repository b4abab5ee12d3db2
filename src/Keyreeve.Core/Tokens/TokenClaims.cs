using System.Globalization;

namespace Keyreeve.Core.Tokens;

/// <summary>What tokens say about a VAL user or VAL server (TS 33.434 A.2.1.3 and A.2.2.3; the claim names are ours, docs/spec/choices.md).</summary>
[Spec("TS 33.434", "A.2.2.3")]
public sealed record ValClaims
{
    /// <summary><c>val_user_id</c></summary>
    public string? ValUserId { get; init; }

    /// <summary><c>val_service_ids</c></summary>
    public IReadOnlyList<string> ValServiceIds { get; init; } = [];

    /// <summary><c>val_ue_id</c></summary>
    public string? ValUeId { get; init; }
}

/// <summary>How and when the user authenticated.</summary>
/// <param name="AuthTime">Unix milliseconds: prompt=login must tell two logins of one second apart.</param>
/// <param name="Acr">The class that was really met.</param>
/// <param name="Amr">Methods as RFC 8176 names them, separated by spaces.</param>
public sealed record Authentication(long AuthTime, string Acr, string Amr)
{
    /// <summary>Password login: mandatory to support (TS 33.434 table A.4.2.2-1).</summary>
    public const string AcrPassword = "3gpp:acr:password";

    /// <summary>The authentication event as the audit has it, beside every token that is issued for a user ("authenticate all VAL users").</summary>
    [Spec("TS 33.434", "4.1")]
    public string Event => EventOf(Acr, AuthTime / 1000);

    /// <summary>An authentication somewhere else.</summary>
    /// <param name="acr">What it counts as here.</param>
    /// <param name="authTime">Unix seconds, or null when nobody says.</param>
    public static string EventOf(string acr, long? authTime) => string.Create(CultureInfo.InvariantCulture, $"acr {acr} auth_time {(authTime is { } at ? at : "-")}");
}

/// <summary>Everything an access token will say, before it is signed. Times Unix seconds.</summary>
[Spec("TS 33.434", "A.2.2")]
public sealed record AccessTokenClaims
{
    /// <summary><c>sub</c>: the user's subject, or the client_id when no user takes part (RFC 9068 2.2).</summary>
    public required string Subject { get; init; }

    /// <summary><c>sector</c>: where <see cref="Subject"/> is the user's name, or null when it is the subject itself. Ours, <see cref="PairwiseSubjects"/>.</summary>
    public string? Sector { get; init; }

    /// <summary><c>client_id</c></summary>
    public required string ClientId { get; init; }

    /// <summary><c>scope</c>, space-delimited.</summary>
    public required string Scope { get; init; }

    /// <summary><c>aud</c>: never empty.</summary>
    public required IReadOnlyList<string> Audience { get; init; }

    /// <summary><c>iat</c></summary>
    public required long IssuedAt { get; init; }

    /// <summary><c>exp</c></summary>
    public required long ExpiresAt { get; init; }

    /// <summary><c>jti</c>: 128 random bits.</summary>
    public required string JwtId { get; init; }

    /// <summary><c>grant_id</c>: the authorization the token stands on; ending it ends all its tokens.</summary>
    public string? GrantId { get; init; }

    /// <summary><c>auth_time</c>, <c>acr</c>, <c>amr</c>: only when a user authenticated.</summary>
    public Authentication? Authentication { get; init; }

    /// <summary>VAL claims, or null.</summary>
    public ValClaims? Val { get; init; }

    /// <summary><c>act</c>: who acts for the subject, or null (RFC 8693 4.1).</summary>
    public ActorChain? Actor { get; init; }

    /// <summary><c>may_act</c>: the one who may, handed on from the token this one was made of; or null.</summary>
    public MayAct? MayAct { get; init; }

    /// <summary><c>derived_from</c>: the tokens this one was made of. Ours, docs/spec/choices.md.</summary>
    public IReadOnlyList<TokenAncestor> DerivedFrom { get; init; } = [];

    /// <summary><c>SKeyProv</c> (TS 33.434 V18 A.2.2.3): the client may provision keys.</summary>
    public bool KeyProvisioning { get; init; }

    /// <summary><c>cnf</c> with <c>x5t#S256</c>: the certificate whose holder alone may use the token (RFC 8705 section 3.1), or null.</summary>
    public string? BoundTo { get; init; }
}

/// <summary>Everything an ID token will say. Times Unix seconds.</summary>
[Spec("TS 33.434", "A.2.1")]
public sealed record IdTokenClaims
{
    /// <summary><c>sub</c></summary>
    public required string Subject { get; init; }

    /// <summary><c>sector</c>, as of an access token.</summary>
    public string? Sector { get; init; }

    /// <summary><c>aud</c>: the client_id of the SIM-C.</summary>
    public required string ClientId { get; init; }

    /// <summary><c>iat</c></summary>
    public required long IssuedAt { get; init; }

    /// <summary><c>exp</c></summary>
    public required long ExpiresAt { get; init; }

    /// <summary>Required here: an ID token without a login does not exist.</summary>
    public required Authentication Authentication { get; init; }

    /// <summary><c>nonce</c>, verbatim.</summary>
    public string? Nonce { get; init; }

    /// <summary><c>sid</c></summary>
    public string? SessionId { get; init; }

    /// <summary>VAL claims, or null.</summary>
    public ValClaims? Val { get; init; }
}
