using Keyreeve.Core.Policy;

namespace Keyreeve.Core.Login;

/// <summary>What an authentication method is worth, as a value: the decisions about a login need no more of it.</summary>
/// <param name="Id">Its name in forms, tickets and the audit.</param>
/// <param name="AcrAlone">The class that it reaches as the first factor; null when it cannot begin a login.</param>
/// <param name="AcrAfterFirst">The class that it reaches after another first factor; null when it adds nothing.</param>
/// <param name="Amr">What it says in <c>amr</c> (RFC 8176).</param>
[Spec("RFC 8176", "2")]
public sealed record LoginMethod(string Id, string? AcrAlone, string? AcrAfterFirst, IReadOnlyList<string> Amr)
{
    /// <summary>User name and password.</summary>
    public static readonly LoginMethod Password = new("password", AuthenticationClass.Password, null, ["pwd"]);

    /// <summary>A code of an authenticator app (RFC 6238).</summary>
    public static readonly LoginMethod Totp = new("totp", null, AuthenticationClass.TwoFactor, ["otp"]);

    /// <summary>A code from the list that the user keeps for the day the phone is lost: it too is a password for one time.</summary>
    public static readonly LoginMethod Recovery = new("recovery", null, AuthenticationClass.TwoFactor, ["otp"]);

    /// <summary>
    /// WebAuthn with user verification: the device and what unlocks it are two factors at once. "pop", not "hwk" or "swk": nothing
    /// proves where a synchronised key lives.
    /// </summary>
    public static readonly LoginMethod Passkey = new("passkey", AuthenticationClass.PhishingResistant, AuthenticationClass.PhishingResistant, ["pop", "user", "mfa"]);
}
