using Keyreeve.Core.Audit;

namespace Keyreeve.Core.Identity;

/// <summary>An authenticator app of a user. Times Unix milliseconds.</summary>
public sealed record TotpSecret
{
    /// <summary>Whose; a user has one.</summary>
    public required string Subject { get; init; }

    /// <summary>The secret, sealed by the KEK for <see cref="Purpose"/>.</summary>
    public required byte[] Sealed { get; init; }

    /// <summary>The last step a code of which was accepted: no code of it or before it is accepted again.</summary>
    public required long LastStep { get; init; }

    /// <summary>When it was set up.</summary>
    public required long CreatedAt { get; init; }

    /// <summary>What the KEK seals it for.</summary>
    public static string Purpose(string subject) => "totp/" + subject;
}

/// <summary>A passkey of a user (WebAuthn). Times Unix milliseconds.</summary>
public sealed record Passkey
{
    /// <summary>The credential ID, unique among all users.</summary>
    public required byte[] CredentialId { get; init; }

    /// <summary>Whose.</summary>
    public required string Subject { get; init; }

    /// <summary>What its owner calls it.</summary>
    public required string Name { get; init; }

    /// <summary>The public key as COSE wrote it.</summary>
    public required byte[] PublicKey { get; init; }

    /// <summary>The signature counter; synchronised passkeys stay at 0.</summary>
    public required long SignCount { get; init; }

    /// <summary>How the browser reaches it.</summary>
    public IReadOnlyList<string> Transports { get; init; } = [];

    /// <summary>True when the user was verified at registration; here it always is.</summary>
    public bool UserVerified { get; init; }

    /// <summary>True when it may be synchronised.</summary>
    public bool BackupEligible { get; init; }

    /// <summary>True when it was, as last heard.</summary>
    public bool BackedUp { get; init; }

    /// <summary>When it was added.</summary>
    public required long CreatedAt { get; init; }

    /// <summary>When it was last used; 0 never.</summary>
    public long LastUsedAt { get; init; }
}

/// <summary>What a user has beside a password.</summary>
/// <param name="Totp">The authenticator app, or null.</param>
/// <param name="Passkeys">Oldest first.</param>
/// <param name="RecoveryCodes">How many recovery codes are left.</param>
public sealed record SecondFactors(TotpSecret? Totp, IReadOnlyList<Passkey> Passkeys, int RecoveryCodes);

/// <summary>
/// Second factors and passkeys as the store keeps them. What may happen once only (a step of the authenticator app, a recovery
/// code, an attempt, a half-done login) is one statement that compares and sets.
/// </summary>
public interface ICredentialStore
{
    /// <summary>Passkeys that a user may have. Our choice.</summary>
    const int MaxPasskeys = 20;

    /// <summary>Wrong codes before a lock.</summary>
    const int MaxAttempts = 5;

    /// <summary>Everything a user has.</summary>
    Task<SecondFactors> FindAsync(string subject, CancellationToken cancel);

    /// <summary>Adds an authenticator app. False when the user has one.</summary>
    Task<bool> AddTotpAsync(TotpSecret totp, AuditEntry entry, CancellationToken cancel);

    /// <summary>Accepts a step if it is later than every one accepted before, and forgets the wrong attempts. True for one caller at most.</summary>
    Task<bool> UseTotpStepAsync(string subject, long step, CancellationToken cancel);

    /// <summary>Removes the authenticator app. False when there is none.</summary>
    Task<bool> RemoveTotpAsync(string subject, AuditEntry entry, CancellationToken cancel);

    /// <summary>The passkey of a credential ID, or null.</summary>
    Task<Passkey?> FindPasskeyAsync(byte[] credentialId, CancellationToken cancel);

    /// <summary>Adds a passkey. False when its credential ID is known, or the user has <see cref="MaxPasskeys"/>.</summary>
    Task<bool> AddPasskeyAsync(Passkey passkey, AuditEntry entry, CancellationToken cancel);

    /// <summary>Records a use. False when the counter did not go up (unless it never counts): a copy of the key may be about.</summary>
    Task<bool> UsePasskeyAsync(string subject, byte[] credentialId, long signCount, bool backedUp, long now, CancellationToken cancel);

    /// <summary>Renames a passkey of a user. False when there is none.</summary>
    Task<bool> RenamePasskeyAsync(string subject, byte[] credentialId, string name, AuditEntry entry, CancellationToken cancel);

    /// <summary>Removes a passkey of a user. False when there is none.</summary>
    Task<bool> RemovePasskeyAsync(string subject, byte[] credentialId, AuditEntry entry, CancellationToken cancel);

    /// <summary>Replaces the list of recovery codes; an empty one removes it.</summary>
    Task ReplaceRecoveryCodesAsync(string subject, IReadOnlyList<byte[]> hashes, AuditEntry entry, CancellationToken cancel);

    /// <summary>Uses up a recovery code, and forgets the wrong attempts. True for one caller at most.</summary>
    Task<bool> UseRecoveryCodeAsync(string subject, byte[] hash, AuditEntry entry, CancellationToken cancel);

    /// <summary>
    /// Takes one attempt at a second factor before it is checked, so that guesses sent at once are all counted. False while the user
    /// is locked. The last attempt locks, each lock twice as long as the one before; a right code forgets all of it.
    /// </summary>
    Task<bool> TakeAttemptAsync(string subject, long now, AuditEntry whenLocked, CancellationToken cancel);

    /// <summary>Forgets attempts and lock. False when there were none.</summary>
    Task<bool> ClearAttemptsAsync(string subject, AuditEntry? entry, CancellationToken cancel);

    /// <summary>True for the first caller with this mark; it is remembered until then.</summary>
    Task<bool> UseOnceAsync(byte[] mark, long expiresAt, CancellationToken cancel);

    /// <summary>True when a mark was used and is still remembered.</summary>
    Task<bool> WasUsedAsync(byte[] mark, CancellationToken cancel);

    /// <summary>Deletes marks that are over; returns how many.</summary>
    Task<int> DeleteExpiredAsync(long now, int limit, CancellationToken cancel);
}
