using Keyreeve.Client;
using Keyreeve.Core.Policy;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;

namespace Keyreeve.AspNetCore;

/// <summary>The token must have all of these scope values.</summary>
/// <param name="Scopes">At least one.</param>
public sealed record ScopeRequirement(IReadOnlyList<string> Scopes) : IAuthorizationRequirement
{
    internal bool IsMet(CheckedAccessToken token) => Scopes.All(token.Scope.Contains);
}

/// <summary>The user must have authenticated well enough, or lately enough (RFC 9470).</summary>
/// <param name="AcrValues">One of them, or a stronger class of this issuer; empty for any.</param>
/// <param name="MaxAge">How long ago at most; null for any time.</param>
public sealed record StepUpRequirement(IReadOnlyList<string> AcrValues, TimeSpan? MaxAge) : IAuthorizationRequirement
{
    internal bool IsMet(CheckedAccessToken token, TimeSpan leeway, DateTimeOffset now)
    {
        if (AcrValues.Count > 0 && !AcrValues.Any(demanded => Meets(token.AuthenticationClass, demanded)))
            return false;
        return MaxAge is not { } age
            || token.AuthenticatedAt is { } at && now.ToUnixTimeSeconds() <= at + (long)age.TotalSeconds + (long)leeway.TotalSeconds;
    }

    /// <summary>A stronger class of the issuer meets a demand for a weaker one; classes that are not in its order meet themselves alone.</summary>
    private static bool Meets(string? reached, string demanded) =>
        string.Equals(reached, demanded, StringComparison.Ordinal) || Keyreeve.Core.Policy.AuthenticationClass.Satisfies(reached, demanded);
}

/// <summary>The demand that a request did not meet: what the answer tells the client to ask for.</summary>
internal sealed record UnmetDemand(ScopeRequirement? Scope, StepUpRequirement? StepUp);

/// <summary>Measures the token of a request by the demands of its endpoint. No token of ours meets none of them.</summary>
internal sealed class TokenDemandHandler(Microsoft.Extensions.Options.IOptionsMonitor<KeyreeveTokenOptions> options) : IAuthorizationHandler
{
    public Task HandleAsync(AuthorizationHandlerContext context)
    {
        if (context.User.AccessToken() is not { } token)
            return Task.CompletedTask;
        var now = options.Get(KeyreeveTokens.Scheme);
        foreach (var requirement in context.PendingRequirements.ToArray())
        {
            var (met, unmet) = requirement switch
            {
                ScopeRequirement scope => (scope.IsMet(token), new UnmetDemand(scope, null)),
                StepUpRequirement stepUp => (stepUp.IsMet(token, now.Leeway, now.TimeProvider!.GetUtcNow()), new UnmetDemand(null, stepUp)),
                _ => (false, null),
            };
            if (met)
                context.Succeed(requirement);
            else if (unmet is not null)
                Remember(context.Resource as HttpContext, unmet);
        }
        return Task.CompletedTask;
    }

    /// <summary>The first of each kind is what the client is told; what is missing beyond it, it learns next.</summary>
    private static void Remember(HttpContext? http, UnmetDemand unmet)
    {
        if (http is null)
            return;
        var before = http.Features.Get<UnmetDemand>();
        http.Features.Set(before is null ? unmet : new UnmetDemand(before.Scope ?? unmet.Scope, before.StepUp ?? unmet.StepUp));
    }
}
