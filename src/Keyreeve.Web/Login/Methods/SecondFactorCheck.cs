using Keyreeve.Core.Audit;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Refusals;
using Microsoft.AspNetCore.Http;

namespace Keyreeve.Web.Login.Methods;

/// <summary>What codes that can be guessed have in common: an attempt is taken before the code is looked at, and a lock of its own.</summary>
public sealed class SecondFactorCheck(ICredentialStore store, AnswerBeat beat, LoginAudit audit, TimeProvider clock)
{
    /// <summary>Checks a code of a user who showed the first factor. Every failure has one text and one beat.</summary>
    public Task<Outcome<User>> CheckAsync(HttpContext context, User? expected, Func<User, Task<bool>> isRight) => beat.KeepAsync<User>(async () =>
    {
        if (expected is null)
            return Failed("a second factor came without a first one");
        var locked = audit.Entry(context, "login.second_factor_locked", AuditOutcome.Changed, expected.Subject,
            "too many wrong codes; 'keyreeve admin user unlock' ends it") with
        { Actor = "system" };
        // Taken first: guesses sent at once are all counted before one of them is compared.
        if (!await store.TakeAttemptAsync(expected.Subject, clock.GetUtcNow().ToUnixTimeMilliseconds(), locked, context.RequestAborted))
            return Failed($"user {expected.Subject}: second factors are locked");
        return await isRight(expected) ? expected : Failed($"user {expected.Subject}: wrong or used code");
    }, context.RequestAborted);

    private static Refusal Failed(string why) => new(RefusalCode.AccessDenied, "the code is not right", why);
}
