using System.Threading.RateLimiting;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Login;
using Keyreeve.Core.Refusals;
using Keyreeve.Core.Telemetry;
using Keyreeve.Web.Telemetry;
using Microsoft.AspNetCore.Identity;

namespace Keyreeve.Web.Login;

/// <summary>
/// Checks a user name and password. Hashing waits in a short bounded queue, so that logins never starve token traffic; unknown
/// and locked accounts cost the same work and get the same answer as a wrong password.
/// </summary>
[Spec("TS 33.434", "5.2.1")]
public sealed class PasswordLogin(SignInManager<Account> signIn, UserManager<Account> users, IPasswordHasher<Account> hasher, PasswordQueue queue, AnswerBeat beat, TimeProvider clock)
{
    /// <summary>Longer passwords are refused before they are hashed. Our choice.</summary>
    public const int MaxPassword = PasswordRules.MaxLength;

    private static readonly User NobodyRow = new() { Subject = "nobody", Username = "nobody", SecurityStamp = "" };

    /// <summary>The user, or one generic refusal; <see cref="RefusalCode.Busy"/> when the queue is full.</summary>
    public Task<Outcome<User>> CheckAsync(string? username, string? password, CancellationToken cancel) =>
        // A wrong password of a real account is counted on disk, an unknown name is not: both answer on the same beat.
        beat.KeepAsync(async () =>
        {
            var outcome = await DecideAsync(username, password, cancel);
            outcome.Succeeded(out _, out var refusal);
            WebTelemetry.LoggedIn(refusal);
            return outcome;
        }, cancel);

    /// <summary>The hash of a new password, in the queue that logins wait in; null when it is full.</summary>
    public async Task<string?> HashAsync(User user, string password, CancellationToken cancel)
    {
        using var lease = await queue.EnterAsync(cancel);
        return lease.IsAcquired ? hasher.HashPassword(new Account(user), password) : null;
    }

    private async Task<Outcome<User>> DecideAsync(string? username, string? password, CancellationToken cancel)
    {
        if (string.IsNullOrEmpty(username) || string.IsNullOrEmpty(password) || username.Length > 255 || password.Length > MaxPassword)
            return Failed("user name or password is missing or too long");
        using var span = Spans.Start(Spans.CheckPassword);
        var began = clock.GetTimestamp();
        using var lease = await queue.EnterAsync(cancel);
        if (!lease.IsAcquired)
            return new Refusal(RefusalCode.Busy, "too many people sign in at this moment; please try again shortly", "the password queue is full");
        var account = await users.FindByNameAsync(username);
        if (account is null || account.PasswordHash is null || account.User.Disabled)
        {
            Waste(password);
            WebTelemetry.CheckedPassword(clock.GetElapsedTime(began));
            return Failed(account is null ? "no such user" : $"user {account.User.Subject} is disabled or has no password");
        }
        var result = await signIn.CheckPasswordSignInAsync(account, password, lockoutOnFailure: true);
        if (result.IsLockedOut && !account.LockedNow)
            Waste(password);
        WebTelemetry.CheckedPassword(clock.GetElapsedTime(began));
        return result.Succeeded ? account.User : Failed($"user {account.User.Subject}: {(result.IsLockedOut ? "locked" : "wrong password")}");
    }

    private void Waste(string password) => hasher.VerifyHashedPassword(new Account(NobodyRow), queue.DummyHash, password);

    private static Refusal Failed(string why) => new(RefusalCode.AccessDenied, "user name or password is not right", why);
}

/// <summary>The queue in front of password hashing, and the hash that unknown users are compared with.</summary>
public sealed class PasswordQueue : IDisposable
{
    private readonly ConcurrencyLimiter _limiter = new(new ConcurrencyLimiterOptions
    {
        // One core is always left to everything else.
        PermitLimit = Math.Max(1, Environment.ProcessorCount - 1),
        QueueLimit = 32,
        QueueProcessingOrder = QueueProcessingOrder.OldestFirst,
    });

    /// <summary>Hashes a random password once, with the same settings as real ones.</summary>
    public PasswordQueue(IPasswordHasher<Account> hasher) =>
        DummyHash = hasher.HashPassword(new Account(new User { Subject = "", Username = "", SecurityStamp = "" }), Core.Tokens.OpaqueToken.Generate().Reveal());

    /// <summary>Nobody's.</summary>
    public string DummyHash { get; }

    /// <summary>How many wait for a turn.</summary>
    public long Waiting => _limiter.GetStatistics()?.CurrentQueuedCount ?? 0;

    /// <summary>Waits for a turn; a lease that was not acquired means the queue is full.</summary>
    public ValueTask<RateLimitLease> EnterAsync(CancellationToken cancel) => _limiter.AcquireAsync(1, cancel);

    /// <inheritdoc />
    public void Dispose() => _limiter.Dispose();
}
