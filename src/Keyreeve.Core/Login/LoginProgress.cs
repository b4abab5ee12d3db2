using Keyreeve.Core.Policy;

namespace Keyreeve.Core.Login;

/// <summary>What a login still needs after the factors that were shown.</summary>
public abstract record LoginProgress
{
    private LoginProgress()
    {
    }

    /// <summary>Enough; the truth for <c>acr</c> and <c>amr</c>. It may be less than was demanded when the user has nothing stronger: whoever demands looks again.</summary>
    public sealed record Complete(string Acr, string Amr) : LoginProgress;

    /// <summary>One of these methods must follow.</summary>
    public sealed record AskNext(IReadOnlyList<LoginMethod> Methods) : LoginProgress;

    /// <summary>Nothing that was shown begins a login.</summary>
    public sealed record Nothing : LoginProgress;

    /// <summary>
    /// Decides by what was done, in order, and by what the user has. A user with an authenticator app is always asked for a second
    /// factor after a password: who set it up wants the password alone to be worth nothing.
    /// </summary>
    /// <param name="done">The methods shown and checked, the first factor first.</param>
    /// <param name="owned">The methods that this user has set up.</param>
    /// <param name="demanded">The class that the waiting request demands; null demands nothing beyond the user's own wish.</param>
    public static LoginProgress Decide(IReadOnlyList<LoginMethod> done, IReadOnlyList<LoginMethod> owned, string? demanded)
    {
        if (AcrOf(done) is not { } reached)
            return new Nothing();
        var own = owned.Any(m => m.Id == LoginMethod.Totp.Id) ? AuthenticationClass.TwoFactor : AuthenticationClass.Password;
        foreach (var target in (IEnumerable<string>)[AuthenticationClass.Strongest([demanded, own])!, own])
        {
            if (AuthenticationClass.Satisfies(reached, target))
                return new Complete(reached, AmrOf(done));
            LoginMethod[] next = [.. owned.Where(m => AuthenticationClass.Satisfies(m.AcrAfterFirst, target) && done.All(d => d.Id != m.Id))];
            if (next.Length > 0)
                return new AskNext(next);
        }
        // The own wish can always be met by what it comes from; when that was used up in this very login, nothing is given.
        return new Nothing();
    }

    /// <summary>The strongest class that a user with these methods can reach, whatever the session has by now; null with none.</summary>
    public static string? Reachable(IReadOnlyList<LoginMethod> owned, string? reached)
    {
        var begins = reached is not null || owned.Any(m => m.AcrAlone is not null);
        return AuthenticationClass.Strongest([reached, .. owned.Select(m => m.AcrAlone), .. begins ? owned.Select(m => m.AcrAfterFirst) : []]);
    }

    private static string? AcrOf(IReadOnlyList<LoginMethod> done) =>
        done.Count > 0 && done[0].AcrAlone is { } alone ? AuthenticationClass.Strongest([alone, .. done.Skip(1).Select(m => m.AcrAfterFirst)]) : null;

    /// <summary>Space-separated values, each once; "mfa" as soon as there were two methods.</summary>
    [Spec("RFC 8176", "2")]
    public static string AmrOf(IReadOnlyList<LoginMethod> done)
    {
        var values = done.SelectMany(m => m.Amr);
        return string.Join(' ', (done.Count > 1 ? values.Append("mfa") : values).Distinct(StringComparer.Ordinal));
    }
}
