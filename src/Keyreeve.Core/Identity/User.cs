using System.Security.Cryptography;
using System.Buffers.Text;

namespace Keyreeve.Core.Identity;

/// <summary>A VAL user (or any other person who logs in), as one immutable row.</summary>
public sealed record User
{
    /// <summary>
    /// <c>sub</c>: "case-sensitive, never reassigned string (not to exceed 255 bytes)" (TS 33.434 table A.2.1.2-1).
    /// "u-" and 22 characters of base64url; random, so that a removed user's is never given out again. No client_id may begin so.
    /// </summary>
    [Spec("TS 33.434", "A.2.1.2")]
    public required string Subject { get; init; }

    /// <summary>What the user types. Compared after <see cref="NormalizeName"/>.</summary>
    public required string Username { get; init; }

    /// <summary>PBKDF2 hash as ASP.NET Core Identity writes it, or null: no password login.</summary>
    public string? PasswordHash { get; init; }

    /// <summary>The password was set by an operator for one login: that login ends with a new one.</summary>
    public bool MustChangePassword { get; init; }

    /// <summary>Changes whenever credentials change; ends sessions and grants.</summary>
    public required string SecurityStamp { get; init; }

    /// <summary>Shown on pages and in <c>name</c>.</summary>
    public string? DisplayName { get; init; }

    /// <summary>Shown in <c>email</c>.</summary>
    public string? Email { get; init; }

    /// <summary>VAL user ID (TS 23.434 clause 7).</summary>
    public string? ValUserId { get; init; }

    /// <summary>VAL UE ID of the user's device.</summary>
    public string? ValUeId { get; init; }

    /// <summary>VAL service IDs that operators mapped to this user (TS 33.434 5.2.3), ordinal order.</summary>
    public IReadOnlyList<string> ValServiceIds { get; init; } = [];

    /// <summary>
    /// VAL service IDs that VAL servers provisioned for this user's VAL user ID (TS 29.549 SS_IdmParameterProvisioning), ordinal order.
    /// The store reads them with the user and does not write them with it: they come and go with their configurations.
    /// </summary>
    public IReadOnlyList<string> ProvisionedServiceIds { get; init; } = [];

    /// <summary>The VAL services of this user, whoever mapped them: what scopes are granted by and what tokens say.</summary>
    public IReadOnlyList<string> AllServiceIds => ValService.Union(ValServiceIds, ProvisionedServiceIds);

    /// <summary>An operator has switched the user off: no login, no refresh, sessions ended; who switches off revokes the tokens too.</summary>
    public bool Disabled { get; init; }

    /// <summary>Failed password attempts since the last success or lock.</summary>
    public int FailedLogins { get; init; }

    /// <summary>How often in a row the account was locked; each lock doubles the next one.</summary>
    public int LockCount { get; init; }

    /// <summary>Unix milliseconds until which no password is checked; 0 is not locked.</summary>
    public long LockedUntil { get; init; }

    /// <summary>Row version, the ETag of the admin API.</summary>
    public long Version { get; init; }

    /// <summary>A new subject: 128 random bits.</summary>
    public static string NewSubject() => "u-" + Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(16));

    /// <summary>True for strings that only user subjects may have (RFC 9700 4.15: a client must not pass for a user).</summary>
    public static bool IsSubject(string text) => text.StartsWith("u-", StringComparison.Ordinal) && text.Length == 24;

    /// <summary>User names are case-insensitive: the invariant upper case is what is unique.</summary>
    public static string NormalizeName(string username) => username.Normalize().ToUpperInvariant();
}
