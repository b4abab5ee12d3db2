using System.Collections.Frozen;
using System.Reflection;
using Keyreeve.Core.Refusals;

namespace Keyreeve.Core.Login;

/// <summary>
/// Which passwords may be chosen: long enough, not among the commonest, not the user's own name. No rule about kinds of
/// characters, and no change by calendar (NIST SP 800-63B 5.1.1.2).
/// </summary>
public static class PasswordRules
{
    /// <summary>Longer passwords are refused before they are hashed. Our choice.</summary>
    public const int MaxLength = 512;

    private static readonly FrozenSet<string> Commonest = Load();

    /// <summary>Why a password may not be chosen, or null.</summary>
    /// <param name="password">As typed.</param>
    /// <param name="username">Whose.</param>
    /// <param name="minLength">By the settings; counted in characters as people see them, not in UTF-16 units.</param>
    public static PasswordFault? WhyNot(string password, string username, int minLength)
    {
        var folded = password.Normalize().ToLowerInvariant();
        return password.EnumerateRunes().Count() < minLength ? PasswordFault.TooShort
            : password.Length > MaxLength ? PasswordFault.TooLong
            : string.Equals(folded, username.Normalize().ToLowerInvariant(), StringComparison.Ordinal) ? PasswordFault.UserName
            : Commonest.Contains(folded) || folded.All(c => c == folded[0]) ? PasswordFault.Common
            : null;
    }

    /// <summary>The refusal of a fault, for an API.</summary>
    public static Refusal RefusalOf(PasswordFault fault, int minLength) => Refusal.About(RefusalCode.InvalidParameter, "password", fault switch
    {
        PasswordFault.TooShort or PasswordFault.TooLong => $"password has {minLength} to {MaxLength} characters",
        PasswordFault.UserName => "password is not the user name",
        PasswordFault.Common => "password is one of the commonest; choose another",
    });

    private static FrozenSet<string> Load()
    {
        using var stream = Assembly.GetExecutingAssembly().GetManifestResourceStream("Keyreeve.Core.Login.CommonPasswords.txt")
            ?? throw new InvalidOperationException("The embedded list of common passwords is missing.");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).ToFrozenSet(StringComparer.Ordinal);
    }
}

/// <summary>What is wrong with a password somebody chose.</summary>
public enum PasswordFault
{
    /// <summary>Fewer characters than the setting asks for.</summary>
    TooShort,

    /// <summary>More than <see cref="PasswordRules.MaxLength"/>.</summary>
    TooLong,

    /// <summary>The user's own name.</summary>
    UserName,

    /// <summary>Among the first that anybody tries.</summary>
    Common,
}
