using Keyreeve.Core.Audit;
using Keyreeve.Core.Identity;
using Keyreeve.Web.Telemetry;
using Microsoft.AspNetCore.Identity;

namespace Keyreeve.Web.Login;

/// <summary>A user as ASP.NET Core Identity handles one: it mutates, our row does not.</summary>
public sealed class Account(User user)
{
    /// <summary>The row as it was read.</summary>
    public User User { get; } = user;

    /// <summary>Changed when Identity rehashes with newer settings.</summary>
    public string? PasswordHash { get; set; } = user.PasswordHash;

    /// <summary>Failures as counted by the store.</summary>
    public int FailedLogins { get; set; } = user.FailedLogins;

    /// <summary>True after this attempt locked the account: clearing the count then must not forget the lock.</summary>
    public bool LockedNow { get; set; }
}

/// <summary>
/// Identity's view on our directory: password and lock-out. Failures are counted by one atomic statement, so that parallel guesses
/// all count; each lock lasts twice as long as the one before, up to an hour.
/// </summary>
[Spec("RFC 6819", "5.1.4.2.2")]
public sealed class AccountStore(IDirectory directory, ICredentialStore credentials, TimeProvider clock) : IUserPasswordStore<Account>, IUserLockoutStore<Account>, IUserPasskeyStore<Account>
{
    /// <summary>The first lock.</summary>
    public static readonly TimeSpan FirstLock = TimeSpan.FromMinutes(1);

    /// <summary>The longest lock.</summary>
    public static readonly TimeSpan LongestLock = TimeSpan.FromHours(1);

    /// <inheritdoc />
    public async Task<Account?> FindByNameAsync(string normalizedUserName, CancellationToken cancellationToken) =>
        await directory.FindUserByNameAsync(normalizedUserName, cancellationToken) is { } user ? new Account(user) : null;

    /// <inheritdoc />
    public async Task<Account?> FindByIdAsync(string userId, CancellationToken cancellationToken) =>
        await directory.FindUserAsync(userId, cancellationToken) is { } user ? new Account(user) : null;

    /// <inheritdoc />
    public Task<string> GetUserIdAsync(Account user, CancellationToken cancellationToken) => Task.FromResult(user.User.Subject);

    /// <inheritdoc />
    public Task<string?> GetUserNameAsync(Account user, CancellationToken cancellationToken) => Task.FromResult<string?>(user.User.Username);

    /// <inheritdoc />
    public Task<string?> GetNormalizedUserNameAsync(Account user, CancellationToken cancellationToken) => Task.FromResult<string?>(User.NormalizeName(user.User.Username));

    /// <inheritdoc />
    public Task<string?> GetPasswordHashAsync(Account user, CancellationToken cancellationToken) => Task.FromResult(user.PasswordHash);

    /// <inheritdoc />
    public Task<bool> HasPasswordAsync(Account user, CancellationToken cancellationToken) => Task.FromResult(user.PasswordHash is not null);

    /// <inheritdoc />
    public Task SetPasswordHashAsync(Account user, string? passwordHash, CancellationToken cancellationToken)
    {
        user.PasswordHash = passwordHash;
        return Task.CompletedTask;
    }

    /// <summary>Identity calls this after a rehash; nothing else of a row is Identity's to change.</summary>
    public async Task<IdentityResult> UpdateAsync(Account user, CancellationToken cancellationToken)
    {
        if (user.PasswordHash is { } hash && user.User.PasswordHash is { } old && !string.Equals(hash, old, StringComparison.Ordinal))
            await directory.ReplacePasswordHashAsync(user.User.Subject, old, hash, cancellationToken);
        return IdentityResult.Success;
    }

    /// <summary>Identity compares with the system's clock; whether the lock has ended is decided here, by the server's.</summary>
    public Task<DateTimeOffset?> GetLockoutEndDateAsync(Account user, CancellationToken cancellationToken) =>
        Task.FromResult<DateTimeOffset?>(user.User.LockedUntil > clock.GetUtcNow().ToUnixTimeMilliseconds() ? DateTimeOffset.MaxValue : null);

    /// <inheritdoc />
    public Task<bool> GetLockoutEnabledAsync(Account user, CancellationToken cancellationToken) => Task.FromResult(true);

    /// <inheritdoc />
    public Task<int> GetAccessFailedCountAsync(Account user, CancellationToken cancellationToken) => Task.FromResult(user.FailedLogins);

    /// <inheritdoc />
    public async Task<int> IncrementAccessFailedCountAsync(Account user, CancellationToken cancellationToken) =>
        user.FailedLogins = await directory.CountFailedLoginAsync(user.User.Subject, cancellationToken);

    /// <summary>The end that Identity proposes is replaced by ours, which doubles.</summary>
    public Task SetLockoutEndDateAsync(Account user, DateTimeOffset? lockoutEnd, CancellationToken cancellationToken)
    {
        if (lockoutEnd is null)
            return Task.CompletedTask;
        user.LockedNow = true;
        WebTelemetry.Locked();
        var now = clock.GetUtcNow();
        var length = FirstLock * Math.Pow(2, Math.Min(user.User.LockCount, 10));
        var until = now + (length < LongestLock ? length : LongestLock);
        return directory.LockAsync(user.User.Subject, until.ToUnixTimeMilliseconds(), new AuditEntry
        {
            Kind = "login.locked",
            Outcome = AuditOutcome.Changed,
            At = now.ToUnixTimeMilliseconds(),
            Actor = "system",
            Subject = user.User.Subject,
            Detail = $"locked until {until:u} after too many wrong passwords; 'keyreeve admin user unlock' ends it",
        }, cancellationToken);
    }

    /// <inheritdoc />
    public Task ResetAccessFailedCountAsync(Account user, CancellationToken cancellationToken) =>
        user.LockedNow || user.User.FailedLogins == 0 && user.User.LockCount == 0
            ? Task.CompletedTask
            : directory.ClearFailedLoginsAsync(user.User.Subject, cancellationToken);

    /// <inheritdoc />
    public async Task<IList<UserPasskeyInfo>> GetPasskeysAsync(Account user, CancellationToken cancellationToken) =>
        [.. (await credentials.FindAsync(user.User.Subject, cancellationToken)).Passkeys.Select(ToIdentity)];

    /// <inheritdoc />
    public async Task<Account?> FindByPasskeyIdAsync(byte[] credentialId, CancellationToken cancellationToken) =>
        await credentials.FindPasskeyAsync(credentialId, cancellationToken) is { } passkey ? await FindByIdAsync(passkey.Subject, cancellationToken) : null;

    /// <inheritdoc />
    public async Task<UserPasskeyInfo?> FindPasskeyAsync(Account user, byte[] credentialId, CancellationToken cancellationToken) =>
        await credentials.FindPasskeyAsync(credentialId, cancellationToken) is { } passkey && passkey.Subject == user.User.Subject ? ToIdentity(passkey) : null;

    /// <inheritdoc />
    public Task AddOrUpdatePasskeyAsync(Account user, UserPasskeyInfo passkey, CancellationToken cancellationToken) => throw NotIdentitys();

    /// <inheritdoc />
    public Task RemovePasskeyAsync(Account user, byte[] credentialId, CancellationToken cancellationToken) => throw NotIdentitys();

    /// <inheritdoc />
    public Task SetLockoutEnabledAsync(Account user, bool enabled, CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc />
    public Task SetUserNameAsync(Account user, string? userName, CancellationToken cancellationToken) => throw NotIdentitys();

    /// <inheritdoc />
    public Task SetNormalizedUserNameAsync(Account user, string? normalizedName, CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc />
    public Task<IdentityResult> CreateAsync(Account user, CancellationToken cancellationToken) => throw NotIdentitys();

    /// <inheritdoc />
    public Task<IdentityResult> DeleteAsync(Account user, CancellationToken cancellationToken) => throw NotIdentitys();

    /// <inheritdoc />
    public void Dispose()
    {
    }

    private static UserPasskeyInfo ToIdentity(Passkey passkey) => new(passkey.CredentialId, passkey.PublicKey, DateTimeOffset.FromUnixTimeMilliseconds(passkey.CreatedAt),
        checked((uint)passkey.SignCount), [.. passkey.Transports], passkey.UserVerified, passkey.BackupEligible, passkey.BackedUp, [], [])
    { Name = passkey.Name };

    private static NotSupportedException NotIdentitys() => new("users and passkeys are made and removed by our own pages and the admin API");
}
