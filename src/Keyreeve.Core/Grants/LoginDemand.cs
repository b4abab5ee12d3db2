using Keyreeve.Core.Policy;
using Keyreeve.Wire.OAuth;

namespace Keyreeve.Core.Grants;

/// <summary>
/// How a user must have signed in for a request: what is demanded (by the VAL services asked for, the client's registration, an
/// essential claim) and what is merely wished for (<c>acr_values</c>).
/// </summary>
/// <param name="Required">The strongest class that anybody demands.</param>
/// <param name="Wished">Classes in the order of preference; any of them will do.</param>
[Spec("RFC 9470", "5")]
public sealed record LoginDemand(string Required, IReadOnlyList<string> Wished)
{
    /// <summary>What becomes of a demand.</summary>
    public abstract record Verdict
    {
        private Verdict()
        {
        }

        /// <summary>The login is good enough.</summary>
        public sealed record Met : Verdict;

        /// <summary>The user can show more, up to this class. A demand, or only a wish.</summary>
        public sealed record Ask(string Acr, bool Demanded) : Verdict;

        /// <summary>The user has nothing that would be good enough.</summary>
        public sealed record Unmet : Verdict;
    }

    /// <summary>The demand of a request for these scopes: the strongest of all demands counts, so that no scope is opened by a login too weak for it.</summary>
    public static LoginDemand Of(AuthorizationRequest request, ScopeList scopes, ScopeCatalogue catalogue)
    {
        var demands = scopes.Select(name => AuthenticationClass.Weakest(catalogue.Find(name)?.AcrValues ?? []))
            .Append(request.Target.Client.MinimumAcr).Append(request.EssentialAcr);
        return new(AuthenticationClass.Strongest(demands) ?? AuthenticationClass.Password, request.AcrValues);
    }

    /// <summary>
    /// Judges a login. <paramref name="reachable"/> is the strongest class that the user could show; what cannot be reached is never
    /// asked for: a wish is then dropped and the token tells the truth, a demand is refused.
    /// </summary>
    public Verdict Judge(string reached, string? reachable)
    {
        if (!AuthenticationClass.Satisfies(reached, Required))
            return AuthenticationClass.Satisfies(reachable, Required) ? new Verdict.Ask(Required, Demanded: true) : new Verdict.Unmet();
        if (Wished.Count == 0 || Wished.Any(w => AuthenticationClass.Satisfies(reached, w)))
            return new Verdict.Met();
        return Wished.FirstOrDefault(w => AuthenticationClass.Satisfies(reachable, w)) is { } wish ? new Verdict.Ask(wish, Demanded: false) : new Verdict.Met();
    }
}
