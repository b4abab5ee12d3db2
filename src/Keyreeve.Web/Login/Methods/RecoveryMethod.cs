using Keyreeve.Core.Audit;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Login;
using Keyreeve.Core.Refusals;
using Keyreeve.Web.Pages.Forms;
using Keyreeve.Wire.OAuth;
using Microsoft.AspNetCore.Http;

namespace Keyreeve.Web.Login.Methods;

/// <summary>A recovery code in the place of a lost second factor.</summary>
public sealed class RecoveryMethod(ICredentialStore store, SecondFactorCheck check, LoginAudit audit) : IAuthenticationMethod
{
    /// <inheritdoc />
    public LoginMethod Kind => LoginMethod.Recovery;

    /// <inheritdoc />
    public string Field => "recovery_code";

    /// <inheritdoc />
    public Type Form => typeof(RecoveryForm);

    /// <inheritdoc />
    public bool IsOwned(User user, SecondFactors factors) => factors.RecoveryCodes > 0;

    /// <inheritdoc />
    public Task<(bool Offered, object? Extra)> PrepareAsync(HttpContext context, User? user) => Task.FromResult<(bool, object?)>((user is not null, null));

    /// <inheritdoc />
    public Task<Outcome<User>> CheckAsync(HttpContext context, ParameterList form, User? expected)
    {
        form.TrySingle(Field, out var typed);
        return check.CheckAsync(context, expected, async user => RecoveryCode.HashOf(user.Subject, typed ?? "") is { } hash
            && await store.UseRecoveryCodeAsync(user.Subject, hash, audit.Entry(context, "login.recovery_code_used", AuditOutcome.Changed, user.Subject, null), CancellationToken.None));
    }
}
