using Keyreeve.Core.Policy;
using Keyreeve.Core.Refusals;

namespace Keyreeve.Core.Tokens;

/// <summary>What a resource demands of the login behind an access token.</summary>
/// <param name="AcrValues">The classes that are good enough, the preferred one first; a stronger one than any of them is good enough too. None: any login.</param>
/// <param name="MaxAge">How long ago it may be at most, or null.</param>
[Spec("RFC 9470", "3")]
public sealed record AuthenticationDemand(IReadOnlyList<string> AcrValues, TimeSpan? MaxAge = null)
{
    /// <summary>
    /// Null when the login is good enough. A token in which a client speaks for itself has no login that could be: such demands are made
    /// of users, and what a client may do alone is said by its registration.
    /// </summary>
    public Refusal? Judge(VerifiedToken token, DateTimeOffset now)
    {
        if (token.IsClients)
            return null;
        var acr = token.Claims.GetString("acr");
        if (AuthenticationClass.Weakest(AcrValues) is { } least && !AuthenticationClass.Satisfies(acr, least))
            return Refuse($"token {token.Claims.JwtId} has acr {acr ?? "-"}, and {least} is the least");
        if (MaxAge is { } maxAge && !(token.Claims.GetInteger("auth_time") is { } at && now.ToUnixTimeSeconds() - at <= (long)maxAge.TotalSeconds))
            return Refuse($"the login of token {token.Claims.JwtId} is older than {(long)maxAge.TotalSeconds} s");
        return null;
    }

    private static Refusal Refuse(string why) => new(RefusalCode.InsufficientAuthentication, "a different authentication level is required", why);
}
