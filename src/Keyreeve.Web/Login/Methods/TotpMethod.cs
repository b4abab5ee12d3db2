using System.Security.Cryptography;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Keys;
using Keyreeve.Core.Login;
using Keyreeve.Core.Refusals;
using Keyreeve.Web.Pages.Forms;
using Keyreeve.Wire.OAuth;
using Microsoft.AspNetCore.Http;

namespace Keyreeve.Web.Login.Methods;

/// <summary>A code of an authenticator app, each step once.</summary>
[Spec("RFC 6238", "5.2")]
public sealed class TotpMethod(ICredentialStore store, Kek kek, SecondFactorCheck check, TimeProvider clock) : IAuthenticationMethod
{
    /// <inheritdoc />
    public LoginMethod Kind => LoginMethod.Totp;

    /// <inheritdoc />
    public string Field => "code";

    /// <inheritdoc />
    public Type Form => typeof(CodeForm);

    /// <inheritdoc />
    public bool IsOwned(User user, SecondFactors factors) => factors.Totp is not null;

    /// <inheritdoc />
    public Task<(bool Offered, object? Extra)> PrepareAsync(HttpContext context, User? user) => Task.FromResult<(bool, object?)>((user is not null, null));

    /// <inheritdoc />
    public Task<Outcome<User>> CheckAsync(HttpContext context, ParameterList form, User? expected)
    {
        form.TrySingle(Field, out var typed);
        return check.CheckAsync(context, expected, async user =>
        {
            if ((await store.FindAsync(user.Subject, context.RequestAborted)).Totp is not { } totp)
                return false;
            if (!kek.TryOpen(TotpSecret.Purpose(user.Subject), totp.Sealed, out var secret))
                throw new CryptographicException($"the authenticator secret of {user.Subject} does not open with {kek}: it was sealed by KEK {Kek.IdOf(totp.Sealed)}");
            var step = Totp.FindStep(secret, typed ?? "", clock.GetUtcNow());
            CryptographicOperations.ZeroMemory(secret);
            // "The verifier MUST NOT accept the second attempt of the OTP" (5.2): the store compares and sets.
            return step is { } right && await store.UseTotpStepAsync(user.Subject, right, CancellationToken.None);
        });
    }
}
