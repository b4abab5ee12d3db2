using Keyreeve.Core.Tokens;

namespace Keyreeve.Core.Policy;

/// <summary>
/// The authentication context classes (<c>acr</c>) that this server knows, from the weakest to the strongest. The order is total: a
/// stronger class meets a demand for a weaker one, and tokens always tell the class that was really met.
/// </summary>
[Spec("RFC 9470", "5")]
public static class AuthenticationClass
{
    /// <summary>A password: mandatory to support (TS 33.434 table A.4.2.2-1).</summary>
    public const string Password = Authentication.AcrPassword;

    /// <summary>A password and a one-time code. Ours: no registry has a name for it (docs/guides/login.md).</summary>
    public const string TwoFactor = "urn:keyreeve:acr:two-factor";

    /// <summary>A passkey with user verification: "phishing-resistant" of the OpenID Connect Extended Authentication Profile ACR Values.</summary>
    public const string PhishingResistant = "phr";

    /// <summary>All, weakest first.</summary>
    public static IReadOnlyList<string> Ordered { get; } = [Password, TwoFactor, PhishingResistant];

    /// <summary>True for a class of ours.</summary>
    public static bool IsKnown(string acr) => RankOf(acr) > 0;

    /// <summary>True when who reached one class meets a demand for the other. An unknown class is met by nothing and meets nothing.</summary>
    public static bool Satisfies(string? reached, string demanded) =>
        reached is not null && RankOf(demanded) is > 0 and var rank && RankOf(reached) >= rank;

    /// <summary>The strongest known of some classes, or null.</summary>
    public static string? Strongest(IEnumerable<string?> classes) => classes.OfType<string>().Where(IsKnown).MaxBy(RankOf);

    /// <summary>The weakest known of some classes, or null.</summary>
    public static string? Weakest(IEnumerable<string?> classes) => classes.OfType<string>().Where(IsKnown).MinBy(RankOf);

    private static int RankOf(string acr)
    {
        for (var i = 0; i < Ordered.Count; i++)
            if (string.Equals(Ordered[i], acr, StringComparison.Ordinal))
                return i + 1;
        return 0;
    }
}
