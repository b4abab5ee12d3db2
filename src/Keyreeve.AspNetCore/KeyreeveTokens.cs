using System.Security.Claims;
using Keyreeve.AspNetCore;
using Keyreeve.Client;
using Keyreeve.Wire.OAuth;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Keyreeve.AspNetCore
{
    /// <summary>The scheme's name, and the token of a request.</summary>
    public static class KeyreeveTokens
    {
        /// <summary>The authentication scheme.</summary>
        public const string Scheme = "Keyreeve";

        /// <summary>The checked access token of this request, or null.</summary>
        public static CheckedAccessToken? AccessToken(this ClaimsPrincipal user) => user.Identities.OfType<AccessTokenIdentity>().FirstOrDefault()?.Token;
    }
}

namespace Microsoft.Extensions.DependencyInjection
{
    /// <summary>Registers the scheme.</summary>
    public static class KeyreeveTokenServices
    {
        /// <summary>Access tokens of a Keyreeve issuer authenticate requests. Settings that cannot work stop the start.</summary>
        public static AuthenticationBuilder AddKeyreeveTokens(this AuthenticationBuilder builder, Action<KeyreeveTokenOptions> configure)
        {
            ArgumentNullException.ThrowIfNull(builder);
            builder.Services.AddAuthorization();
            builder.Services.TryAddSingleton<IssuerConnection>();
            builder.Services.TryAddEnumerable(ServiceDescriptor.Singleton<IAuthorizationHandler, TokenDemandHandler>());
            builder.AddScheme<KeyreeveTokenOptions, KeyreeveTokenHandler>(KeyreeveTokens.Scheme, configure);
            builder.Services.AddOptions<KeyreeveTokenOptions>(KeyreeveTokens.Scheme).ValidateOnStart();
            return builder;
        }
    }
}

namespace Microsoft.AspNetCore.Builder
{
    /// <summary>What an endpoint, or a group of them, demands of the access token. Several demands must all be met.</summary>
    public static class KeyreeveTokenDemands
    {
        /// <summary>All of these scope values; else 401 without a token, 403 <c>insufficient_scope</c> with one.</summary>
        /// <exception cref="ArgumentException">No value, or no scope value (RFC 6749 section 3.3).</exception>
        public static TBuilder RequireScope<TBuilder>(this TBuilder endpoint, params string[] scopes)
            where TBuilder : IEndpointConventionBuilder
        {
            ArgumentNullException.ThrowIfNull(scopes);
            if (scopes.Length == 0 || scopes.Any(s => string.IsNullOrEmpty(s) || !s.All(ScopeList.IsScopeCharacter)))
                throw new ArgumentException("A demand names scope values as RFC 6749 section 3.3 writes them.", nameof(scopes));
            return endpoint.Demand(new ScopeRequirement(scopes));
        }

        /// <summary>A login of one of these classes, or of a stronger one of the issuer; else 401 <c>insufficient_user_authentication</c> (RFC 9470).</summary>
        /// <exception cref="ArgumentException">No class, or characters that a header cannot carry.</exception>
        public static TBuilder RequireAcr<TBuilder>(this TBuilder endpoint, params string[] acrValues)
            where TBuilder : IEndpointConventionBuilder
        {
            ArgumentNullException.ThrowIfNull(acrValues);
            if (acrValues.Length == 0 || acrValues.Any(a => string.IsNullOrEmpty(a) || !a.All(ScopeList.IsScopeCharacter)))
                throw new ArgumentException("A demand names authentication context classes.", nameof(acrValues));
            return endpoint.Demand(new StepUpRequirement(acrValues, null));
        }

        /// <summary>A login that is not older; else 401 <c>insufficient_user_authentication</c> with <c>max_age</c> (RFC 9470).</summary>
        /// <exception cref="ArgumentOutOfRangeException">Negative.</exception>
        public static TBuilder RequireLoginWithin<TBuilder>(this TBuilder endpoint, TimeSpan maxAge)
            where TBuilder : IEndpointConventionBuilder
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(maxAge, TimeSpan.Zero);
            return endpoint.Demand(new StepUpRequirement([], maxAge));
        }

        /// <summary>The scheme is named: an application that has cookies too must not take one for a token here, nor send an API's caller to a login page.</summary>
        private static TBuilder Demand<TBuilder>(this TBuilder endpoint, IAuthorizationRequirement requirement)
            where TBuilder : IEndpointConventionBuilder =>
            endpoint.RequireAuthorization(policy => policy.AddAuthenticationSchemes(KeyreeveTokens.Scheme).RequireAuthenticatedUser().AddRequirements(requirement));
    }
}
