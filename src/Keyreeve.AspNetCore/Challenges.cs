using System.Globalization;
using Keyreeve.Client;

namespace Keyreeve.AspNetCore;

/// <summary>Status and <c>WWW-Authenticate</c> of a refusal; no header where no authentication helps.</summary>
internal sealed record Challenge(int Status, string? WwwAuthenticate);

/// <summary>The total map from what went wrong to the words of RFC 6750 section 3 and RFC 9470 section 3.</summary>
[Spec("RFC 6750", "3")]
[Spec("RFC 6750", "3.1")]
internal static class Challenges
{
    private const string Realm = "Bearer realm=\"keyreeve\"";

    /// <summary>"If the request lacks any authentication information ... the resource server SHOULD NOT include an error code".</summary>
    internal static Challenge NoToken { get; } = new(401, Realm);

    internal static Challenge Of(BearerHeader.Malformed malformed) => new(400, Error("invalid_request", malformed.Why));

    internal static Challenge Of(AccessTokenRefusal refusal) => refusal switch
    {
        AccessTokenRefusal.Invalid => InvalidToken("the access token is not valid"),
        AccessTokenRefusal.Expired => InvalidToken("the access token has expired"),
        AccessTokenRefusal.ForAnotherAudience => InvalidToken("the access token is not meant for this resource"),
        AccessTokenRefusal.BoundToCertificate => InvalidToken("the access token is bound to another client certificate"),
        AccessTokenRefusal.Revoked => InvalidToken("the access token was revoked"),
        AccessTokenRefusal.IssuerUnavailable => new(503, null),
    };

    /// <summary>A good token that is not enough: for more scope 403, for a better login 401, so that the client starts one.</summary>
    internal static Challenge Of(UnmetDemand? unmet) => unmet switch
    {
        { Scope: { } scope } => new(403, Error("insufficient_scope", "the access token lacks a scope") + $", scope=\"{string.Join(' ', scope.Scopes)}\""),
        { StepUp: { } stepUp } => StepUp(stepUp),
        _ => new(403, null),
    };

    [Spec("RFC 9470", "3")]
    private static Challenge StepUp(StepUpRequirement demand)
    {
        var header = Error("insufficient_user_authentication", "a stronger or more recent authentication is required");
        if (demand.AcrValues.Count > 0)
            header += $", acr_values=\"{string.Join(' ', demand.AcrValues)}\"";
        if (demand.MaxAge is { } age)
            header += string.Create(CultureInfo.InvariantCulture, $", max_age=\"{(long)age.TotalSeconds}\"");
        return new(401, header);
    }

    private static Challenge InvalidToken(string description) => new(401, Error("invalid_token", description));

    private static string Error(string error, string description) => $"{Realm}, error=\"{error}\", error_description=\"{description}\"";
}
