using System.Globalization;
using Keyreeve.Core.Policy;
using Keyreeve.Core.Refusals;
using Keyreeve.Core.Tokens;
using Microsoft.AspNetCore.Http;

namespace Keyreeve.Web.Http;

/// <summary>Bearer tokens in the Authorization header, and nowhere else (TS 33.434 A.6, RFC 6750 2.1).</summary>
[Spec("TS 33.434", "A.6")]
public static class BearerToken
{
    /// <summary>The verified token for an audience and a scope.</summary>
    public static Outcome<VerifiedToken> Check(HttpRequest request, TokenVerifier verifier, string audience, string? scope)
    {
        var header = request.Headers.Authorization;
        // A token in the query ends up in logs and histories: refused even when it would be good.
        if (request.Query.ContainsKey("access_token"))
            return new Refusal(RefusalCode.TokenMissing, "the access token belongs into the Authorization header", "a token was sent in the query");
        if (header.Count != 1 || header[0] is not { Length: > 7 } value || !value.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase))
            return new Refusal(RefusalCode.TokenMissing, "an access token is required", "no bearer token was sent");
        if (!verifier.Verify(value.AsSpan(7).Trim(' '), audience).Succeeded(out var token, out var refusal))
            return refusal;
        if (token.IsBound && TokenBinding.WhyNot(token, ConnectionCertificate.Of(request.HttpContext)) is { } notTheirs)
            return notTheirs;
        if (scope is not null && !token.Scope.Contains(scope))
            return new Refusal(RefusalCode.InsufficientScope, "the access token lacks the scope", $"token {token.Claims.JwtId} has [{token.Scope}], not {scope}");
        return token;
    }

    /// <summary>
    /// The challenge that goes with a refusal (RFC 6750 section 3): no error attribute when no token was sent. One for a
    /// <paramref name="demand"/> that the login does not meet says what would (RFC 9470 section 3).
    /// </summary>
    [Spec("RFC 6750", "3")]
    [Spec("RFC 9470", "3")]
    public static void Challenge(HttpResponse response, Refusal refusal, string? scope, AuthenticationDemand? demand = null)
    {
        response.Headers.WWWAuthenticate = refusal.Code switch
        {
            RefusalCode.TokenMissing => "Bearer realm=\"keyreeve\"",
            RefusalCode.InsufficientScope => $"Bearer realm=\"keyreeve\", error=\"insufficient_scope\", scope=\"{scope}\"",
            RefusalCode.InsufficientAuthentication => $"Bearer realm=\"keyreeve\", error=\"insufficient_user_authentication\", error_description=\"{refusal.Peer}\"" + Parameters(demand),
            _ => $"Bearer realm=\"keyreeve\", error=\"invalid_token\", error_description=\"{refusal.Peer}\"",
        };
    }

    /// <summary>
    /// "The server generating a 401 response MUST send a WWW-Authenticate header field": where nobody did, for a certificate that is not accepted, it says
    /// that a token is heard here. Called when the status is set.
    /// </summary>
    [Spec("RFC 9110", "15.5.2")]
    public static void NameScheme(HttpResponse response)
    {
        if (response.StatusCode == StatusCodes.Status401Unauthorized && response.Headers.WWWAuthenticate.Count == 0)
            response.Headers.WWWAuthenticate = "Bearer realm=\"keyreeve\"";
    }

    /// <summary>Only classes of ours go into the header: no name that an operator typed can end the quotes.</summary>
    private static string Parameters(AuthenticationDemand? demand)
    {
        var acr = demand is null ? "" : string.Join(' ', demand.AcrValues.Where(AuthenticationClass.IsKnown));
        return (acr.Length > 0 ? $", acr_values=\"{acr}\"" : "")
            + (demand?.MaxAge is { } maxAge ? string.Create(CultureInfo.InvariantCulture, $", max_age=\"{(long)maxAge.TotalSeconds}\"") : "");
    }
}
