namespace Keyreeve.Core.Policy;

/// <summary>How long things live. All settable; the defaults are ours unless a clause is named.</summary>
[Spec("TS 33.434", "5.2.3")]
public sealed record TokenPolicy
{
    /// <summary>Access tokens: "Short-lived token (definable in the SIM-S)"; RFC 9700 advises minutes.</summary>
    public TimeSpan AccessToken { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>ID tokens.</summary>
    public TimeSpan IdToken { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>Authorization codes; the FAPI suite allows at most 60 s.</summary>
    public TimeSpan Code { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>A refresh token that was not used for this long is dead.</summary>
    public TimeSpan RefreshIdle { get; init; } = TimeSpan.FromDays(14);

    /// <summary>The user logs in anew after this long, however busy the client.</summary>
    public TimeSpan RefreshAbsolute { get; init; } = TimeSpan.FromDays(90);

    /// <summary>How long a replaced refresh token still gets its successor; the FAPI suite retries after 30 s.</summary>
    public TimeSpan RefreshGrace { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>How often it does within the grace. Eight tabs that refresh at once are honest; a hundred are not.</summary>
    public int RefreshReuseLimit { get; init; } = 10;

    /// <summary>Login sessions in the browser.</summary>
    public TimeSpan Session { get; init; } = TimeSpan.FromHours(8);

    /// <summary>How far ahead the exp of an assertion of a registered issuer may be (RFC 7523 3, item 4: "unreasonably far in the future").</summary>
    public TimeSpan Assertion { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>Leeway on exp, 0 to 30 s (TS 33.434 tables A.2.1.2-1 and A.2.2.2-1).</summary>
    public TimeSpan Leeway { get; init; } = TimeSpan.FromSeconds(5);
}
