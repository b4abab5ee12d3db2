using Keyreeve.Core.Identity;
using Keyreeve.Core.Login;
using Keyreeve.Core.Refusals;
using Keyreeve.Web.Pages.Forms;
using Keyreeve.Wire.OAuth;
using Microsoft.AspNetCore.Http;

namespace Keyreeve.Web.Login.Methods;

/// <summary>A passkey: alone, without a user name, or after a password.</summary>
public sealed class PasskeyMethod(PasskeyCeremony ceremony, AnswerBeat beat) : IAuthenticationMethod
{
    /// <inheritdoc />
    public LoginMethod Kind => LoginMethod.Passkey;

    /// <inheritdoc />
    public string Field => PasskeyCeremony.Field;

    /// <inheritdoc />
    public Type Form => typeof(PasskeyForm);

    /// <inheritdoc />
    public bool IsOwned(User user, SecondFactors factors) => factors.Passkeys.Count > 0 && ceremony.IsPossible;

    /// <inheritdoc />
    public async Task<(bool Offered, object? Extra)> PrepareAsync(HttpContext context, User? user) =>
        ceremony.IsPossible ? (true, await ceremony.AskAsync(context, user)) : (false, null);

    /// <inheritdoc />
    public Task<Outcome<User>> CheckAsync(HttpContext context, ParameterList form, User? expected) =>
        beat.KeepAsync(() => ceremony.AssertAsync(context, form, expected), context.RequestAborted);
}
