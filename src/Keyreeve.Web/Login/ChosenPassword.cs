using Keyreeve.Core.Identity;
using Keyreeve.Core.Login;
using Keyreeve.Web.Pages;
using Keyreeve.Wire.OAuth;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Identity;

namespace Keyreeve.Web.Login;

/// <summary>How long passwords must be.</summary>
/// <param name="MinLength">Characters.</param>
public sealed record PasswordSettings(int MinLength = 8);

/// <summary>Reads a password that a person chose, twice, and makes its hash.</summary>
public sealed class ChosenPassword(PasswordLogin login, PasswordSettings settings, IPasswordHasher<Account> hasher)
{
    /// <summary>The hash, or what is wrong in the language of the page.</summary>
    public async Task<(string? Hash, string? Fault)> ReadAsync(HttpContext context, ParameterList form, User user)
    {
        form.TrySingle("new_password", out var chosen);
        form.TrySingle("repeat_password", out var repeated);
        var password = chosen ?? "";
        if (PasswordRules.WhyNot(password, user.Username, settings.MinLength) is { } fault)
            return (null, fault switch
            {
                PasswordFault.TooShort => PageText.PasswordTooShort,
                PasswordFault.TooLong => PageText.PasswordTooLong,
                PasswordFault.UserName => PageText.PasswordUserName,
                PasswordFault.Common => PageText.PasswordCommon,
            });
        if (!string.Equals(password, repeated, StringComparison.Ordinal))
            return (null, PageText.PasswordsDiffer);
        if (user.PasswordHash is { } old && hasher.VerifyHashedPassword(new Account(user), old, password) != PasswordVerificationResult.Failed)
            return (null, PageText.PasswordSame);
        return await login.HashAsync(user, password, context.RequestAborted) is { } hash ? (hash, null) : (null, PageText.BusyTitle);
    }
}
